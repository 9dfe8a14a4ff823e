"""Time that the user waits for and that no call accounts for."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof.analysis import wording
from otel_agentprof.analysis.finding import Finding
from otel_agentprof.analysis.saving import if_faster, is_worthwhile
from otel_agentprof.model import dialects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config

_OWN: Final = frozenset({"agent", "step", "other"})
_REMOTE: Final = frozenset({"CLIENT", "PRODUCER"})
_MOST: Final = 2  # operations for which a saving is computed, the longest gaps first
_SHOWN: Final = 3


class _Gap(NamedTuple):
    """A piece of the critical path in a span itself, and the children before and after it; -1: none."""

    owner: int
    length_ns: int
    before: int
    after: int


def own_code_gap(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the agents and steps that were waited for while no call inside them was running.

    A span without children is no gap: its name says what it does. Nor is the pause before a call is tried
    again, and the time of a call that only its agent span shows.
    """
    least_ns = max(config.own_code_ms * wording.NS_PER_MS, trace.tree.duration_ns * config.own_code_ratio)
    by_name: defaultdict[str, list[_Gap]] = defaultdict(list)
    for gap in _gaps(trace, least_ns):
        by_name[dialects.operation_of(trace.tree.spans[gap.owner], "other")].append(gap)
    ranked = sorted(by_name.items(), key=lambda item: -_total_ns(item[1]))
    for name, found in ranked[:_MOST]:
        gaps = sorted((gap for gap in found if not _is_retried(trace, gap)), key=lambda gap: -gap.length_ns)
        if _total_ns(gaps) < least_ns:
            continue
        kept = {gap.after for gap in found if _is_retried(trace, gap)}
        saving_ns = if_faster(trace, {gap.owner: 0.0 for gap in gaps}, kept_gaps=kept)
        if is_worthwhile(trace, saving_ns, config):
            yield _finding(trace, name, gaps, least_ns, saving_ns)


def _gaps(trace: Trace, least_ns: float) -> Iterator[_Gap]:
    """Yield the gaps on the path, if there may be enough of them to matter."""
    critical, roles, children = trace.times.critical, trace.ledger.roles, trace.tree.children
    owners = {
        index
        for index, role in enumerate(roles)
        if critical[index] and role in _OWN and children[index] and _is_own(trace, index)
    }
    if sum(critical[index] for index in owners) < least_ns:
        return
    neighbours = (-1, *(piece.owner for piece in trace.path), -1)
    for piece, *around in zip(trace.path, neighbours, neighbours[2:], strict=False):
        if piece.owner in owners:
            before, after = (_child_of(trace, piece.owner, index) for index in around)
            yield _Gap(piece.owner, piece.end_ns - piece.start_ns, before, after)


def _is_own(trace: Trace, index: int) -> bool:
    return trace.tree.spans[index].kind not in _REMOTE and index not in trace.ledger.coarse


def _child_of(trace: Trace, owner: int, index: int) -> int:
    """Return the child of a span that another span is, or is inside of; -1 where it is not below it."""
    view = trace.view
    first_ns, last_ns = view.starts[owner], view.ends[owner]
    while index >= 0 and view.parents[index] != owner:
        # What is below the owner is inside its window; this keeps the climb short in deep traces.
        is_inside = first_ns <= view.starts[index] and view.ends[index] <= last_ns
        index = view.parents[index] if is_inside and index != view.parents[owner] else -1
    return index


def _is_retried(trace: Trace, gap: _Gap) -> bool:
    if gap.before < 0 or gap.after < 0 or trace.tree.spans[gap.before].status != "ERROR":
        return False
    roles, spans = trace.ledger.roles, trace.tree.spans
    role = roles[gap.before]
    return role == roles[gap.after] and (
        dialects.operation_of(spans[gap.before], role) == dialects.operation_of(spans[gap.after], role)
    )


def _total_ns(gaps: Iterable[_Gap]) -> int:
    return sum(gap.length_ns for gap in gaps)


def _finding(trace: Trace, name: str, gaps: Sequence[_Gap], least_ns: float, saving_ns: int) -> Finding:
    total_ns = _total_ns(gaps)
    where = "; ".join(_place(trace, gap) for gap in gaps[:_SHOWN])
    more = f"; and {len(gaps) - _SHOWN:,} shorter" if len(gaps) > _SHOWN else ""
    return Finding(
        rule="own_code_gap",
        title=f"{wording.duration(total_ns)} of the critical path in {name} itself, outside every call",
        component=name,
        metric="own_code_ms",
        value=total_ns / wording.NS_PER_MS,
        threshold=least_ns / wording.NS_PER_MS,
        suggestion=(
            f"Where: {where}{more}. Your own code runs there, or something that nobody traces: profile it, "
            "or put a span around it, to see which."
        ),
        span_ids=trace.ids(dict.fromkeys(gap.owner for gap in gaps)),
        saving_ns=saving_ns,
        derivation="at most: this run again with no such time at all",
    )


def _place(trace: Trace, gap: _Gap) -> str:
    spans = trace.tree.spans
    before = f"after {spans[gap.before].name}" if gap.before >= 0 else ""
    after = f"before {spans[gap.after].name}" if gap.after >= 0 else ""
    if before and after:
        between = f"between {spans[gap.before].name} and {spans[gap.after].name}"
        return f"{wording.duration(gap.length_ns)} {between}"
    return f"{wording.duration(gap.length_ns)} {before or after or 'around everything'}"
