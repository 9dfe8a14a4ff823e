"""Calls that ran one after another although nothing in the trace made them wait.

    agent     |----------------------|
      chat     |-|
      search      |---|                  one group: the same parent, the same kind, no overlap,
      lookup           |---|             no model call in between
      fetch                 |---|
      chat                       |-|

What does make a call wait: it answers another one (tool ids), it repeats one that failed, or the model
asked for it in a later answer. Whatever the trace says about this is believed before the clock is.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from otel_agentprof import semconv
from otel_agentprof.model import dialects

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otel_agentprof.analysis.finding import Confidence
    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.semconv import Role

# Work that is handed its input: two different ones side by side are as good as two equal ones.
_FETCHING: Final[frozenset[Role]] = frozenset({"tool", "retrieval", "embedding"})


@dataclass(frozen=True, slots=True)
class SequentialGroup:
    """Siblings of one kind that ran one after another.

    Attributes:
        indices: The spans, by start.
        confidence: ``proven`` when one answer of a model asked for all of them, ``likely`` for tools after
            a model call without ids, else ``possible``.
        total_ns: What they took one after another.
        longest_ns: What they would take side by side.
    """

    indices: tuple[int, ...]
    role: Role
    confidence: Confidence
    total_ns: int
    longest_ns: int


def sequential_groups(trace: Trace, *, at_least: int) -> Iterator[SequentialGroup]:
    """Yield the groups of ``at_least`` calls or more that a user could run side by side."""
    for siblings in _siblings(trace):
        after_llm = False
        for kind, run in groupby(siblings, key=lambda index: _kind(trace, index)):
            for group in _runs(trace, tuple(run)):
                if len(group) >= at_least:
                    yield _group(trace, group, after_llm=after_llm)
            after_llm = after_llm or kind[0] == "llm"


def is_transport(trace: Trace, index: int) -> bool:
    """Return whether a span is only how a model call travels, such as its HTTP request."""
    parent = trace.tree.parents[index]
    roles = trace.ledger.roles
    return parent >= 0 and roles[index] == "other" and roles[parent] in semconv.LEAF_ROLES


def _siblings(trace: Trace) -> Iterator[Sequence[int]]:
    """Yield the calls under each parent by start; adopted orphans of different parents stay apart."""
    tree, counted = trace.tree, trace.ledger.counted
    for children in tree.children:
        if len(children) < 2:  # noqa: PLR2004 - one call alone has no sibling
            continue
        groups: defaultdict[str | None, list[int]] = defaultdict(list)
        for index in children:
            if counted[index] and index not in trace.background and not is_transport(trace, index):
                groups[tree.spans[index].parent_span_id].append(index)
        yield from groups.values()


def _kind(trace: Trace, index: int) -> tuple[Role, str]:
    role = trace.ledger.roles[index]
    if role in _FETCHING:
        return role, ""
    return role, dialects.operation_of(trace.tree.spans[index], role).partition(":")[0]


def _runs(trace: Trace, siblings: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Cut siblings of one kind wherever two overlap, or where one has to wait for the one before it."""
    run: list[int] = []
    for cluster in _clusters(trace, siblings):
        if len(cluster) > 1:  # these run side by side already
            yield tuple(run)
            run = []
            continue
        if run and _has_to_wait(trace, run[-1], cluster[0]):
            yield tuple(run)
            run = []
        run += cluster
    yield tuple(run)


def _clusters(trace: Trace, siblings: Sequence[int]) -> Iterator[list[int]]:
    starts, ends = trace.tree.starts, trace.tree.ends
    cluster = [siblings[0]]
    busy_to = ends[siblings[0]]
    for index in siblings[1:]:
        if starts[index] >= busy_to:
            yield cluster
            cluster = []
        cluster.append(index)
        busy_to = max(busy_to, ends[index])
    yield cluster


def _has_to_wait(trace: Trace, before: int, after: int) -> bool:
    first, second = trace.tree.spans[before], trace.tree.spans[after]
    role = trace.ledger.roles[after]
    asked_first, asked_second = (_asked_by(trace, index) for index in (before, after))
    if asked_first is not None and asked_second is not None:
        return asked_first != asked_second
    if first.status == "ERROR" and dialects.operation_of(first, role) == dialects.operation_of(second, role):
        return True  # a retry
    return role == "llm" and (
        bool(first.attributes.get(semconv.TOOL_CALL_IDS))
        or "tool" in str(first.attributes.get(semconv.RESPONSE_FINISH_REASONS, ""))
        or bool(second.attributes.get(semconv.TOOL_RESULT_IDS))
        or bool(second.attributes.get(semconv.REQUEST_PREVIOUS_RESPONSE_ID))
    )


def _asked_by(trace: Trace, index: int) -> int | None:
    return trace.turns.asked_by(trace.tree.spans[index])


def _group(trace: Trace, group: tuple[int, ...], *, after_llm: bool) -> SequentialGroup:
    role = trace.ledger.roles[group[0]]
    asked = {_asked_by(trace, index) for index in group}
    confidence: Confidence = "possible"
    if len(asked) == 1 and None not in asked:
        confidence = "proven"
    elif role == "tool" and after_llm:
        confidence = "likely"
    durations = [trace.times.total[index] for index in group]
    return SequentialGroup(group, role, confidence, sum(durations), max(durations))
