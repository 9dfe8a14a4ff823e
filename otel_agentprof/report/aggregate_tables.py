"""The figures of many traces as words and columns, the same on a page and in a terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.report import headline, text
from otel_agentprof.report.grids import Column
from otel_agentprof.report.headline import Share
from otel_agentprof.report.trace_ids import significant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from decimal import Decimal

    from otel_agentprof.analysis.quantiles import Quantile
    from otel_agentprof.report.aggregate import Aggregate, Brief, Group, Recurring, Spread
    from otel_agentprof.semconv import Role

TOO_FEW: Final = "too few"
INTERVALS: Final = (
    "Intervals hold the true percentile in 95 of 100 cases, for any distribution (from the order of what was "
    "observed). Too few: nothing bounds it from above; a p50 takes 6 observations, a p95 72, a p99 368."
)
ADDING: Final = "A saving is summed over the runs; savings of different findings do not add up."
_MANY: Final = 20  # runs of which one is a twentieth


def title(found: Aggregate) -> str:
    """Return how many traces of what."""
    count = text.plural(found.runs, "trace")
    if len(found.by_run) != 1:
        return f"{count} of {text.plural(len(found.by_run), 'kind')}" if found.by_run else count
    return f"{count} of {found.by_run[0].name}"


def facts(found: Aggregate) -> tuple[tuple[str, str], ...]:
    """Return label and sentence for what stands at the top."""
    outward = [group for group in found.by_operation if group.role in headline.CALL_ROLES]
    calls, errors = (sum(getattr(group, name) for group in outward) for name in ("calls", "errors"))
    usage = found.usage
    return (
        ("duration", percentiles(found.duration, text.duration)),
        ("cost", _cost(found)),
        *((("a run", percentiles(found.cost, text.money)),) if found.cost and found.cost.highest else ()),
        ("tokens", f"{usage.input:,} in, {usage.output:,} out" if usage.total else "none known"),
        (
            "errors",
            f"{found.failed_runs:,} of {text.plural(found.runs, 'run')}, {errors:,} of {calls:,} calls",
        ),
    )


def percentiles(spread: Spread[Any] | None, shown: Callable[[Any], str]) -> str:
    """Return p50, p95 and p99 with their intervals, and the highest."""
    if spread is None:
        return text.UNKNOWN
    named = (("p50", spread.p50), ("p95", spread.p95), ("p99", spread.p99))
    if all(interval(found, shown) == TOO_FEW for _, found in named):
        values = ", ".join(f"{name} {shown(found.value)}" for name, found in named)
        return f"{values}, max {shown(spread.highest)} ({TOO_FEW} for intervals)"
    words = [f"{name} {shown(found.value)} ({interval(found, shown)})" for name, found in named]
    return ", ".join((*words, f"max {shown(spread.highest)}"))


def interval(found: Quantile[Any], shown: Callable[[Any], str]) -> str:
    """Return the limits of a percentile, such as ``250-263 ms``."""
    if found.low is None or found.high is None:
        return TOO_FEW
    low, high = shown(found.low), shown(found.high)
    figure, _, unit = low.partition(" ")
    return low if low == high else f"{figure if unit and high.endswith(f' {unit}') else low}-{high}"


def shares(found: Aggregate) -> tuple[Share, ...]:
    """Return who was waited for, the longest first."""
    counts: Counter[Role] = Counter()
    for group in (*found.by_operation, *found.by_agent):
        if group.role is not None:
            counts[group.role] += group.calls
    roles = [
        Share(role, role, critical_ns, counts[role])
        for role, critical_ns in found.by_role.items()
        if critical_ns or counts[role]
    ]
    if found.outside_ns:
        roles.append(Share(headline.OUTSIDE, "other", found.outside_ns, None))
    return tuple(sorted(roles, key=lambda share: -share.critical_ns))


def sections(found: Aggregate) -> tuple[tuple[str, str, tuple[Group, ...]], ...]:
    """Return title, heading of the names and groups of each table that has something to say."""
    every = (
        ("Runs", "run", found.by_run if len(found.by_run) > 1 else ()),
        ("Agents", "agent", found.by_agent),
        ("Operations", "operation", found.by_operation),
        ("Models", "model", found.by_model),
    )
    return tuple(section for section in every if section[2])


def columns(heading: str, groups: Sequence[Group], total_ns: int) -> tuple[Column, ...]:
    """Return the columns of a table of groups; figures that all are nothing give an empty column."""
    spreads = [group.latency for group in groups]
    found = [
        Column(heading, tuple(text.short_name(group.name) for group in groups)),
        Column("on path", tuple(text.percent(group.critical_ns, total_ns) for group in groups)),
        Column("runs", tuple(f"{group.runs:,}" for group in groups), 3),
    ]
    if heading != "run":
        found.append(Column("calls", tuple(f"{group.calls:,}" if group.calls else "" for group in groups), 1))
    for rank, name in enumerate(("p50", "p95", "p99")):
        each = [None if spread is None else getattr(spread, name) for spread in spreads]
        found += [
            Column(name, tuple("" if one is None else text.duration(one.value) for one in each), 2 * rank),
            Column(
                "95 % interval",
                tuple("" if one is None else interval(one, text.duration) for one in each),
                10 + rank,
            ),
        ]
    found += [
        Column("errors", tuple(_errors(group) for group in groups), 5),
        Column("tokens", tuple(_tokens(group) for group in groups), 6),
        Column("cost", tuple(_group_cost(group) for group in groups), 1),
    ]
    return tuple(found)


def run_costs(groups: Sequence[Group]) -> tuple[Column, ...]:
    """Return the columns of what a run of each kind costs; none where nothing is known."""
    priced = [(group, group.run_cost) for group in groups if group.run_cost and group.run_cost.highest]
    if not priced:
        return ()
    found = [
        Column("run", tuple(text.short_name(group.name) for group, _ in priced)),
        Column("priced runs", tuple(f"{cost.count:,}" for _, cost in priced), 3),
    ]
    for rank, name in enumerate(("p50", "p95", "p99")):
        each = [getattr(cost, name) for _, cost in priced]
        found += [
            Column(f"{name} $", tuple(text.money(one.value) for one in each), 2 * rank),
            Column("95 % interval", tuple(interval(one, text.money) for one in each), 10 + rank),
        ]
    return (*found, Column("max $", tuple(text.money(cost.highest) for _, cost in priced), 1))


def traces(briefs: Sequence[Brief], digits: int) -> tuple[Column, ...]:
    """Return the columns of a table of traces, one line each, with so many digits of their ids."""
    roots = tuple(
        "(several roots)" if brief.root_name is None else text.name(brief.root_name) for brief in briefs
    )
    named = tuple(
        "several" if brief.trace_id is None else significant(text.clean(brief.trace_id))[:digits]
        for brief in briefs
    )
    return (
        Column("trace", tuple(f"{short}  {root}" for short, root in zip(named, roots, strict=True))),
        Column("time", tuple(text.duration(brief.duration_ns) for brief in briefs)),
        Column("calls", tuple(f"{brief.calls:,}" for brief in briefs), 3),
        Column(
            "tokens",
            tuple(text.UNKNOWN if brief.tokens is None else text.compact(brief.tokens) for brief in briefs),
            4,
        ),
        Column("cost", tuple(money(brief.cost_usd, is_whole=brief.is_cost_whole) for brief in briefs), 1),
        Column("findings", tuple(f"{brief.findings:,}" if brief.findings else "" for brief in briefs), 2),
    )


def recurrence(found: Recurring, runs: int) -> str:
    """Return in how many runs a finding was made, and what its change would save in all of them."""
    known = []
    if found.saving_ns is not None:
        known.append(f"~{text.duration(found.saving_ns)}")
    if found.saving_usd is not None:
        known.append(f"~{text.money(found.saving_usd)}")
    saves = f", saves {' and '.join(known)} in all" if known else ""
    return f"in {found.runs:,} of {text.plural(runs, 'run')} ({text.percent(found.runs, runs)}){saves}"


def notes(found: Aggregate) -> list[str]:
    """Return a sentence for each thing that makes figures less certain."""
    return [
        f"in {note.runs:,} of {text.plural(found.runs, 'run')}, such as: {note.message}"
        for note in found.notes
    ]


def money(known: Decimal | None, *, is_whole: bool) -> str:
    """Return a cost; a plus sign says that a part is unknown."""
    return text.UNKNOWN if known is None else text.money(known) + ("" if is_whole else "+")


def _cost(found: Aggregate) -> str:
    if found.cost_usd is None and found.unknown_costs:
        return text.UNKNOWN
    whole = text.money(found.cost_usd)
    if found.unknown_costs:
        whole += f" + {text.UNKNOWN} (not known in full for {text.plural(found.unknown_costs, 'run')})"
    if found.dear_share is not None and found.cost is not None and found.cost.count >= _MANY:
        dear = f"{found.dear_runs:,} of {text.plural(found.cost.count, 'run')}"
        whole += f"; the dearest {dear} took {found.dear_share:.0%} of it"
    return whole


def _group_cost(group: Group) -> str:
    has_cost = group.usage.total or group.cost_usd or not group.is_cost_whole
    return money(group.cost_usd, is_whole=group.is_cost_whole) if has_cost else ""


def _errors(group: Group) -> str:
    return f"{group.errors:,} ({text.percent(group.errors, group.calls)})" if group.errors else ""


def _tokens(group: Group) -> str:
    return text.compact(group.usage.total) if group.usage.total else ""
