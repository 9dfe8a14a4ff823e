"""Counts and times of groups of spans: per role, per name, per model.

The time of a span has three readings, and a group adds each of them up:

    agent   |==========|   total 12 (from | to |)
      chat    |--|         self of agent 12 - 4 - 4 = 4, since chat and tool hide the rest
      tool         |--|    critical: the part of self that the user waited for
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from math import ceil
from operator import sub
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from otel_agentprof.model.quick_init import quick_init

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from otel_agentprof.analysis.trace import Stretch
    from otel_agentprof.model.counting import Ledger
    from otel_agentprof.model.tree import SpanTree
    from otel_agentprof.semconv import Role

_Key = TypeVar("_Key")


@quick_init
@dataclass(frozen=True, slots=True)
class Times:
    """How long each span took, in ns and indexed like ``tree.spans``.

    Attributes:
        total: From start to end.
        own: What no child covers.
        critical: The part of it on the critical path.
        outside_ns: What the critical path spent outside all spans (below a virtual root).
        added: What each span adds to the time of its group: one that shows a call again, only its own time.
        inside: The calls that spans below show again; those add nothing where their call is in the group.
    """

    total: tuple[int, ...]
    own: tuple[int, ...]
    critical: tuple[int, ...]
    outside_ns: int
    added: tuple[int, ...]
    inside: Mapping[int, int] = field(default_factory=dict)


class Statistics(NamedTuple):
    """Figures for spans of one role, one name or one model. A named tuple, since a report has a dozen.

    ``count`` counts calls, once each however many spans show them. Times are over all spans of the group:
    ``total_ns`` adds durations (parallel ones overlap; of a span that shows a call again only what it takes
    beside the call), ``self_ns`` leaves out what children cover, ``critical_ns`` is the part on the critical
    path. min to max are over the durations of single calls;
    p50 and p95 are nearest-rank percentiles, so each is the duration of a call that really happened.
    """

    count: int  # type: ignore[assignment]  # how often a figure is among these nobody asks
    total_ns: int
    self_ns: int
    critical_ns: int
    min_ns: int = 0
    avg_ns: int = 0
    p50_ns: int = 0
    p95_ns: int = 0
    max_ns: int = 0


def times(tree: SpanTree, path: Iterable[Stretch]) -> Times:
    """Return how long each span took: in all, by itself, and while the user waited for it."""
    critical = [0] * (len(tree.spans) + 1)  # the last entry is the virtual root's, whose index is -1
    for owner, start_ns, end_ns in path:
        critical[owner] += end_ns - start_ns
    total = tuple(map(sub, tree.ends, tree.starts))
    return Times(total, tuple(_own(tree, total)), tuple(critical[:-1]), critical[-1], total)


def statistics_by(keys: Sequence[_Key | None], ledger: Ledger, taken: Times) -> dict[_Key, Statistics]:
    """Return the figures of each group, in the order in which groups first occur.

    Args:
        keys: The group of each span, indexed like ``tree.spans``; None for a span in no group.
        ledger: Which spans stand for a call.
        taken: How long the spans took.
    """
    groups: defaultdict[_Key, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        if key is not None:
            groups[key].append(index)
    return {key: _statistics(indices, ledger, taken) for key, indices in groups.items()}


def by_role(ledger: Ledger, taken: Times) -> dict[Role, Statistics]:
    """Return the figures per role; their ``critical_ns`` adds up to the length of the trace."""
    found: dict[Role, Statistics] = statistics_by(ledger.roles, ledger, taken)
    if taken.outside_ns:
        other = found.get("other", Statistics(0, 0, 0, 0))
        found["other"] = other._replace(critical_ns=other.critical_ns + taken.outside_ns)
    return found


def _own(tree: SpanTree, total: Sequence[int]) -> list[int]:
    own = list(total)
    starts, ends = tree.starts, tree.ends
    for parent, children in enumerate(tree.children[:-1]):
        if not children:
            continue
        covered_to, limit, left = starts[parent], ends[parent], own[parent]
        for child in children:  # by start, so that what is covered grows to the right only
            start, end = starts[child], ends[child]
            if start < covered_to or end > limit:  # seldom
                start, end = max(start, covered_to), min(end, limit)
            if start < end:
                left -= end - start
                covered_to = end
        own[parent] = left
    return own


def _statistics(indices: list[int], ledger: Ledger, taken: Times) -> Statistics:
    counted, total, own, critical = ledger.counted, taken.total, taken.own, taken.critical
    durations = [total[index] for index in indices if counted[index]]
    count = len(durations)
    if count == len(indices):
        total_ns = sum(durations)
    else:
        total_ns = _added(indices, taken) if count else sum([total[index] for index in indices])
    self_ns = sum([own[index] for index in indices])
    critical_ns = sum([critical[index] for index in indices])
    if not count:
        return Statistics(0, total_ns, self_ns, critical_ns)
    durations.sort()
    return Statistics(
        count,
        total_ns,
        self_ns,
        critical_ns,
        durations[0],
        sum(durations) // count,
        durations[ceil(count * 0.50) - 1],
        durations[ceil(count * 0.95) - 1],
        durations[-1],
    )


def _added(indices: list[int], taken: Times) -> int:
    """Return how long the calls of a group took, however many spans show them."""
    added, inside, among = taken.added, taken.inside, set(indices)
    total_ns = sum([added[index] for index in indices if inside.get(index) not in among])
    return max(total_ns, sum([taken.own[index] for index in indices]))  # what is inside may outlive its call
