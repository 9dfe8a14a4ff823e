"""The report as profiles for speedscope.app: what was waited for, and where tokens and money went.

The critical path is a sampled profile in nanoseconds: a stack of names for each stretch, in time order.
Tokens and money weigh the stacks of the calls that took them. Of a single trace there are also its tracks,
on which spans open and close as they did.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.report import headline, text
from otel_agentprof.report.json_text import compact
from otel_agentprof.report.stacks import stacks
from otel_agentprof.report.tracks import tracks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from otel_agentprof.report.report import Report, Row

_SCHEMA: Final = "https://www.speedscope.app/file-format-schema.json"
_MOST_TRACKS: Final = 32
_SHORT_ID: Final = 8
_MICRO: Final = Decimal("1e-6")
_DIGITS: Final = 6

Profile = dict[str, Any]
Frames = dict[str, int]  # the number of each name


def render(report: Report, *, width: int, color: bool) -> str:  # noqa: ARG001 - one signature for all formats
    """Return the profiles of one trace, one per line; width and colour do not apply."""
    frames: Frames = {}
    profiles = [*_weighed(report, frames), *_evented(report, frames)]
    return _file(f"{headline.title(report)} (trace {headline.trace(report)})", frames, profiles)


def render_many(reports: Iterable[Report]) -> str:
    """Return the profiles of several traces; each name begins with its trace, and tracks are left out."""
    frames: Frames = {}
    profiles: list[Profile] = []
    count = 0
    for report in reports:
        count += 1
        trace = f"{headline.title(report)} {headline.trace(report)[:_SHORT_ID]}"
        profiles += [
            {**profile, "name": f"{trace}: {profile['name']}"} for profile in _weighed(report, frames)
        ]
    return _file(text.plural(count, "trace"), frames, profiles)


def _file(name: str, frames: Frames, profiles: list[Profile]) -> str:
    lines = ",\n".join(map(compact, profiles))
    shared = compact({"frames": [{"name": frame} for frame in frames]})
    return (
        f'{{"$schema":"{_SCHEMA}","exporter":"agentprof","name":{compact(name)},"activeProfileIndex":0,\n'
        f'"shared":{shared},\n"profiles":[\n{lines}\n]}}\n'
    )


def _weighed(report: Report, frames: Frames) -> Iterator[Profile]:
    yield _sampled("critical path", "nanoseconds", _waits(report, frames))
    called = stacks(report.waterfall, lambda row: row.usage is not None or row.cost_usd is not None)
    calls = [(row, _numbers(stack, frames)) for row, stack in called]
    tokens = _sampled("tokens", "none", ((stack, row.usage.total) for row, stack in calls if row.usage))
    money = _sampled(
        f"cost in micro-dollars: {headline.cost(report)}",
        "none",
        ((stack, _micro_usd(row)) for row, stack in calls),
    )
    yield from (profile for profile in (tokens, money) if profile["samples"])


def _sampled(name: str, unit: str, samples: Iterable[tuple[list[int], float]]) -> Profile:
    known = [(stack, weight) for stack, weight in samples if weight > 0]
    weights = [weight for _, weight in known]
    return {
        "type": "sampled",
        "name": name,
        "unit": unit,
        "startValue": 0,
        "endValue": round(sum(weights), _DIGITS),
        "samples": [stack for stack, _ in known],
        "weights": weights,
    }


def _waits(report: Report, frames: Frames) -> Iterator[tuple[list[int], int]]:
    """Yield the stack of each stretch of the critical path, and how long it took."""
    waited_for = {step.span_id for step in report.critical_path}
    known: dict[str | None, list[int]] = {}
    for row, stack in stacks(report.waterfall, lambda row: row.span_id in waited_for):
        known.setdefault(row.span_id, _numbers(stack, frames))
    for span_id, name, _, start_ns, end_ns in report.critical_path:
        if span_id not in known:
            known[span_id] = _numbers([headline.OUTSIDE if span_id is None else text.name(name)], frames)
        yield known[span_id], end_ns - start_ns


def _numbers(stack: Iterable[str], frames: Frames) -> list[int]:
    return [frames.setdefault(name, len(frames)) for name in stack]


def _micro_usd(row: Row) -> float:
    if row.cost_usd is None or not row.cost_usd.is_finite():
        return 0
    amount = row.cost_usd / _MICRO
    return int(amount) if amount == amount.to_integral_value() else round(float(amount), _DIGITS)


def _evented(report: Report, frames: Frames) -> Iterator[Profile]:
    """Yield a profile per track; where there are many, the last one that is shown says so."""
    rows = report.waterfall
    zero_ns = min((row.start_ns for row in rows), default=0)
    end_ns = max((row.end_ns for row in rows), default=0) - zero_ns
    lanes = tracks(rows)
    for number, lane in enumerate(lanes[:_MOST_TRACKS], start=1):
        is_last = number == _MOST_TRACKS < len(lanes)
        yield {
            "type": "evented",
            "name": f"track {number} of {len(lanes)}{', the rest is not shown' if is_last else ''}",
            "unit": "nanoseconds",
            "startValue": 0,
            "endValue": end_ns,
            "events": list(_events(lane, zero_ns, frames)),
        }


def _events(lane: Iterable[Row], zero_ns: int, frames: Frames) -> Iterator[dict[str, Any]]:
    opened: list[tuple[int, int]] = []  # frame and end
    for row in lane:
        while opened and opened[-1][1] <= row.start_ns:
            frame, end_ns = opened.pop()
            yield {"type": "C", "frame": frame, "at": end_ns - zero_ns}
        (frame,) = _numbers([text.name(row.name)], frames)
        opened.append((frame, row.end_ns))
        yield {"type": "O", "frame": frame, "at": row.start_ns - zero_ns}
    for frame, end_ns in reversed(opened):
        yield {"type": "C", "frame": frame, "at": end_ns - zero_ns}
