"""The report as Chrome's trace events, for ui.perfetto.dev and chrome://tracing.

A trace is a process. Its main thread is the critical path, a slice for each stretch, and arrows from each to
the next; every span is a slice on a track beside it. Slices of one thread nest, as the format wants it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.report import headline, text
from otel_agentprof.report.json_text import compact
from otel_agentprof.report.tracks import tracks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from otel_agentprof.report.report import PathStep, Report, Row

_NS_PER_US: Final = 1_000
_MOST_EXACT_NS: Final = 2**53  # three months: a float still tells each of them from the next
_PATH: Final = "critical path"
_TOKENS: Final = ("input", "output", "cache_read", "cache_write", "reasoning")

Event = dict[str, Any]


def render(report: Report, *, width: int, color: bool) -> str:  # noqa: ARG001 - one signature for all formats
    """Return the report as one JSON object, an event per line; width and colour do not apply."""
    return render_many([report])


def render_many(reports: Iterable[Report]) -> str:
    """Return several reports as one JSON object: a process for each, at the time at which it ran."""
    events: list[Event] = []
    number = 1  # of a process or a thread: Perfetto looks threads up by theirs alone
    for report in reports:
        lanes = tracks(report.waterfall)
        events += _process(report, number, lanes)
        number += 1 + len(lanes)
    timed = [event for event in events if "ts" in event]
    zero_ns = min((event["ts"] for event in timed), default=0)
    end_ns = max((event["ts"] + event.get("dur", 0) for event in timed), default=0)
    grain_ns = 1 if end_ns - zero_ns < _MOST_EXACT_NS else _NS_PER_US
    about = compact({"exporter": "agentprof", "start_time_unix_nano": str(zero_ns)})
    lines = ",\n".join(compact(_in_us(event, zero_ns, grain_ns)) for event in events)
    return f'{{"displayTimeUnit":"ms","otherData":{about},"traceEvents":[\n{lines}\n]}}\n'


def _process(report: Report, pid: int, lanes: list[list[Row]]) -> Iterator[Event]:
    """Yield the events of one trace; their times are ns since the epoch still."""
    name = f"{headline.title(report)} (trace {headline.trace(report)})"
    yield {"ph": "M", "pid": pid, "tid": pid, "name": "process_name", "args": {"name": name}}
    yield from _thread(pid, pid, _PATH)
    yield from _path(report, pid)
    for tid, rows in enumerate(lanes, start=pid + 1):
        yield from _thread(pid, tid, f"track {tid - pid}")
        for row in rows:
            yield _slice(pid, tid, row, text.name(row.name), _facts(row))


def _thread(pid: int, tid: int, name: str) -> Iterator[Event]:
    yield {"ph": "M", "pid": pid, "tid": tid, "name": "thread_name", "args": {"name": name}}
    yield {"ph": "M", "pid": pid, "tid": tid, "name": "thread_sort_index", "args": {"sort_index": tid}}


def _path(report: Report, pid: int) -> Iterator[Event]:
    steps = [step for step in report.critical_path if step.end_ns > step.start_ns]
    for number, step in enumerate(steps):
        name = headline.OUTSIDE if step.span_id is None else text.name(step.name)
        facts: Event = {} if step.span_id is None else {"span_id": text.clean(step.span_id)}
        facts |= {"role": step.role, "critical_ns": step.end_ns - step.start_ns}
        yield _slice(pid, pid, step, name, facts)
        # An end of an arrow is tied to the slice of its thread that opened last: so it follows that slice.
        arrow: Event = {"pid": pid, "tid": pid, "ts": step.start_ns, "cat": _PATH, "name": _PATH}
        if number:
            yield {"ph": "f", "bp": "e", "id": _id(pid, number), **arrow}
        if number + 1 < len(steps):
            yield {"ph": "s", "id": _id(pid, number + 1), **arrow}


def _id(pid: int, number: int) -> str:
    return f"{pid:x}{number:08x}"


def _slice(pid: int, tid: int, piece: Row | PathStep, name: str, facts: dict[str, Any]) -> Event:
    return {
        "ph": "X",
        "pid": pid,
        "tid": tid,
        "ts": piece.start_ns,
        "dur": piece.end_ns - piece.start_ns,
        "cat": piece.role,
        "name": name,
        "args": facts,
    }


def _facts(row: Row) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "span_id": text.clean(row.span_id),
        "role": row.role,
        "critical_ns": sum(end - start for start, end in row.on_path),
    }
    if row.model is not None:
        facts["model"] = text.name(row.model)
    if row.usage is not None:
        told = row.usage._asdict()
        facts |= {f"{name}_tokens": told[name] for name in _TOKENS if told[name] or name in _TOKENS[:2]}
    if row.cost_usd is not None and row.cost_usd.is_finite():
        facts["cost_usd"] = float(row.cost_usd)
    elif row.usage is not None and row.usage.total:
        facts["cost_usd"] = text.UNKNOWN
    if row.marks:
        facts["marks"] = ", ".join(row.marks)
    return facts


def _in_us(event: Event, zero_ns: int, grain_ns: int) -> Event:
    """Return an event with microseconds since the first one; starts and ends are rounded alike."""
    if "ts" in event:
        start_ns = event["ts"] - zero_ns
        start = start_ns // grain_ns * grain_ns
        event["ts"] = _us(start)
        if "dur" in event:
            event["dur"] = _us((start_ns + event["dur"]) // grain_ns * grain_ns - start)
    return event


def _us(ns: int) -> float:
    return ns / _NS_PER_US if ns % _NS_PER_US else ns // _NS_PER_US
