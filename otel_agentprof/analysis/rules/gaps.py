"""Time that the user waits for and that no call accounts for."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof.analysis import wording
from otel_agentprof.analysis.finding import Finding
from otel_agentprof.analysis.saving import FEW_RERUNS, if_faster, is_worthwhile
from otel_agentprof.model import dialects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config

_OWN: Final = frozenset({"agent", "step", "other"})
_REMOTE: Final = frozenset({"CLIENT", "PRODUCER"})
_SHOWN: Final = 3


class _Gap(NamedTuple):
    """A piece of the critical path in a span itself: which piece, and of which span."""

    length_ns: int
    place: int
    owner: int


_gap: Final = partial(tuple.__new__, _Gap)  # what _Gap() comes down to, without a Python frame
_LENGTH: Final = itemgetter(0)


def own_code_gap(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the agents and steps that were waited for while no call inside them was running.

    A span without children is no gap: its name says what it does. Nor is the pause before a call is tried
    again, and the time of a call that only its agent span shows. Where the clock of a child is behind its
    parent's, nobody knows when the child ran, so its parent has no gaps.
    """
    least_ns = max(config.own_code_ms * wording.NS_PER_MS, trace.tree.duration_ns * config.own_code_ratio)
    for name, owners in _owners(trace, least_ns)[:FEW_RERUNS]:
        gaps = _gaps(trace, owners)
        retried = _retried(trace, gaps)
        if retried:
            gaps = [gap for gap in gaps if gap not in retried]
        total_ns = sum([gap[0] for gap in gaps])
        if total_ns < least_ns:
            continue
        gaps.sort(key=_LENGTH, reverse=True)
        kept = frozenset(retried.values())
        saving_ns = if_faster(trace, dict.fromkeys([gap[2] for gap in gaps], 0.0), kept_gaps=kept)
        if is_worthwhile(trace, saving_ns, config):
            yield _finding(trace, name, gaps, total_ns, least_ns, saving_ns)


def _owners(trace: Trace, least_ns: float) -> list[tuple[str, set[int]]]:
    """Return by name the spans that have gaps, those first that have most; none if all are too few."""
    critical, roles, children = trace.times.critical, trace.ledger.roles, trace.tree.children
    owners = {
        index
        for index, role in enumerate(roles)
        if role in _OWN and children[index] and critical[index] and _is_own(trace, index)
    }
    if trace.early:
        parents, root = trace.tree.parents, trace.tree.root
        owners -= {parents[index] if parents[index] >= 0 else root for index in trace.early}
    if sum([critical[owner] for owner in owners]) < least_ns:
        return []
    by_name: defaultdict[str, set[int]] = defaultdict(set)
    for owner in dict.fromkeys([stretch[0] for stretch in trace.path]):  # of equals the first on it is first
        if owner in owners:
            by_name[trace.tree.spans[owner].name].add(owner)
    return sorted(by_name.items(), key=lambda item: -sum([critical[owner] for owner in item[1]]))


def _gaps(trace: Trace, owners: AbstractSet[int]) -> list[_Gap]:
    """Return the gaps of some spans by time: their pieces of the path."""
    return [
        _gap((end_ns - start_ns, place, owner))
        for place, (owner, start_ns, end_ns) in enumerate(trace.path)
        if owner in owners
    ]


def _is_own(trace: Trace, index: int) -> bool:
    return trace.tree.spans[index].kind not in _REMOTE and index not in trace.ledger.coarse


def _around(trace: Trace, gap: _Gap) -> tuple[int, int]:
    """Return the children of its span before and after a gap; -1 where there is none."""
    path, place = trace.path, gap.place
    before = path[place - 1].owner if place else -1
    after = path[place + 1].owner if place + 1 < len(path) else -1
    return _child_of(trace, gap.owner, before), _child_of(trace, gap.owner, after)


def _child_of(trace: Trace, owner: int, index: int) -> int:
    """Return the child of a span that another span is, or is inside of; -1 where it is not below it."""
    view = trace.view
    first_ns, last_ns = view.starts[owner], view.ends[owner]
    while index >= 0 and view.parents[index] != owner:
        # What is below the owner is inside its window; this keeps the climb short in deep traces.
        is_inside = first_ns <= view.starts[index] and view.ends[index] <= last_ns
        index = view.parents[index] if is_inside and index != view.parents[owner] else -1
    return index


def _retried(trace: Trace, gaps: Iterable[_Gap]) -> dict[_Gap, int]:
    """Return the gaps between a call that failed and the next try, and that try."""
    spans, roles, failed = trace.tree.spans, trace.ledger.roles, trace.failed
    found: dict[_Gap, int] = {}
    if not failed:
        return found
    for gap in gaps:
        before, after = _around(trace, gap)
        if after < 0:
            continue
        first_call, second_call = trace.doubles.call_of(before), trace.doubles.call_of(after)
        if first_call not in failed or roles[first_call] != roles[second_call]:
            continue
        first, second = (
            dialects.operation_of(spans[call], roles[first_call]) for call in (first_call, second_call)
        )
        if first == second:
            found[gap] = after
    return found


def _finding(
    trace: Trace, name: str, gaps: Sequence[_Gap], total_ns: int, least_ns: float, saving_ns: int
) -> Finding:
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
        span_ids=trace.ids(dict.fromkeys([gap[2] for gap in gaps])),
        saving_ns=saving_ns,
        derivation="at most: this run again with no such time at all",
    )


def _place(trace: Trace, gap: _Gap) -> str:
    before, after = (trace.tree.spans[index].name if index >= 0 else "" for index in _around(trace, gap))
    where = f"after {before}" if before else f"before {after}"
    if before and after:
        where = f"between {before} and {after}"
    return f"{wording.duration(gap.length_ns)} {where if before or after else 'beside what runs inside'}"
