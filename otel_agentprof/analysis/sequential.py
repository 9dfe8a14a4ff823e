"""Calls that ran one after another although nothing in the trace made them wait.

    agent     |----------------------|
      chat     |-|
      search      |---|                  one group: the same parent, the same kind, no overlap,
      lookup           |---|             no model call in between
      fetch                 |---|
      chat                       |-|

What does make a call wait: it answers another one (tool ids), it repeats one that failed, the model asked
for it in a later answer, or it goes on with what the one before it brought (``analysis.going_on``). Whatever
the trace says about this is believed before the clock is: calls that one answer asked for are a group
wherever they are (``analysis.asked_together``).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof import semconv
from otel_agentprof.analysis.asked_together import asked_together
from otel_agentprof.analysis.going_on import apart
from otel_agentprof.model import dialects

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from otel_agentprof.analysis.finding import Confidence
    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.model.span import Span
    from otel_agentprof.semconv import Role

Kind = tuple["Role", str]

# Work that is handed its input: two different ones side by side are as good as two equal ones.
_FETCHED: Final[Mapping[Role, Kind]] = {
    "tool": ("tool", ""),
    "retrieval": ("retrieval", ""),
    "embedding": ("embedding", ""),
}


class Neighbours(NamedTuple):
    """Two or more calls of one kind under one parent, by start, without another kind in between.

    Attributes:
        kind: Role and name of the work; no name for tools and retrievals, which are one kind.
        indices: The spans.
        is_after_llm: Whether a model call before them may have asked for them.
    """

    kind: Kind
    indices: tuple[int, ...]
    is_after_llm: bool


_neighbours: Final = partial(tuple.__new__, Neighbours)  # what Neighbours() is, without a Python frame


@dataclass(frozen=True, slots=True)
class SequentialGroup:
    """Siblings of one kind that ran one after another.

    Attributes:
        indices: The spans, by start.
        calls: The calls that they stand for: themselves, or what each of them is a wrapper of.
        kind: Role and name of the calls, as of :class:`Neighbours`.
        confidence: ``proven`` when one answer of a model asked for all of them, ``likely`` for tools after
            a model call without ids, else ``possible``.
        steps: How many of them, or clusters of them that overlap, came one after another.
        total_ns: What they took one after another.
        longest_ns: What they would take side by side.
    """

    indices: tuple[int, ...]
    calls: tuple[int, ...]
    kind: Kind
    confidence: Confidence
    steps: int
    total_ns: int
    longest_ns: int


def sequential_groups(trace: Trace, *, at_least: int, partly: bool = False) -> Iterator[SequentialGroup]:
    """Yield the groups of ``at_least`` calls or more that a user could run side by side.

    Args:
        trace: The trace.
        at_least: How many calls make a group.
        partly: Also groups of proven or likely calls of which only some wait for others.
    """
    claimed: set[int] = set()
    for asked in asked_together(trace):
        claimed.update(asked)
        if not _meet(trace, asked):
            yield from _group(trace, asked, "proven", at_least=at_least, partly=partly)
    for confidence, run in _unclaimed(trace, claimed):
        for members in _runs(trace, run, partly=partly and confidence == "likely"):
            for alone in apart(trace, members):
                together = dict.fromkeys(alone)
                yield from _group(trace, together, confidence, at_least=at_least, partly=partly)


def is_transport(trace: Trace, index: int) -> bool:
    """Return whether a span is only how a model call travels, such as its HTTP request."""
    parent = trace.tree.parents[index]
    roles = trace.ledger.roles
    return parent >= 0 and roles[index] == "other" and roles[parent] in semconv.LEAF_ROLES


def calls_among(trace: Trace, children: Sequence[int]) -> list[int]:
    """Return the calls among the children of a span, by start of the first that shows each of them.

    A call with a wrapper is where its wrapper is. A span around several calls is no call, but it lies between
    others: ``Doubles.mixed``.
    """
    counted, several = trace.ledger.counted, trace.doubles
    found = [index for index in children if counted[index]]
    if len(found) == len(children) or not (several.twins or several.wrappers or several.mixed):
        return found
    mixed, inside = several.mixed, several.inside
    shown = [index for index in children if index not in inside]
    return list(dict.fromkeys([index if index in mixed else several.call_of(index) for index in shown]))


def neighbours(trace: Trace) -> Iterator[Neighbours]:
    """Yield the calls of one kind that follow each other, or overlap, under one parent."""
    roles, spans, several = trace.ledger.roles, trace.tree.spans, trace.doubles
    for siblings in _siblings(trace):
        is_after_llm = _is_after_model_step(trace, trace.tree.parents[several.place_of(siblings[0])])
        for role, run in _by_role(roles, siblings, several.mixed):
            if len(run) > 1:  # else there is no need to know what it is called
                for kind, calls in _by_kind(role, run, spans):
                    if len(calls) > 1:
                        yield _neighbours((kind, calls, is_after_llm))
                    is_after_llm = is_after_llm or role == "llm"
            elif role == "llm":
                is_after_llm = True


def clusters(trace: Trace, siblings: Sequence[int]) -> Iterator[list[int]]:
    """Cut siblings, by start, wherever none of them runs."""
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


def has_to_wait(trace: Trace, before: int, after: int) -> bool:
    """Return whether the trace shows that a call needs what the one of its kind before it brought."""
    first, second = trace.tree.spans[before], trace.tree.spans[after]
    role, turns = trace.ledger.roles[after], trace.turns
    if turns.askers:
        asked_first, asked_second = turns.asked_by(first), turns.asked_by(second)
        if asked_first is not None and asked_second is not None:
            is_again = dialects.tool_of(first)[1] == dialects.tool_of(second)[1]
            return is_again or asked_first != asked_second
    if first.status == "ERROR" and dialects.operation_of(first, role) == dialects.operation_of(second, role):
        return True  # a retry
    return role == "llm" and (
        before in turns.asking
        or any("tool" in reason for reason in dialects.finish_reasons_of(first))
        or bool(second.attributes.get(semconv.REQUEST_PREVIOUS_RESPONSE_ID))
        or bool(dialects.tool_result_ids_of(second))
    )


def _siblings(trace: Trace) -> Iterator[Sequence[int]]:
    """Yield the calls under each parent by start; adopted orphans of different parents stay apart."""
    tree, roles, place_of = trace.tree, trace.ledger.roles, trace.doubles.place_of
    spans, background = tree.spans, trace.background
    for parent, children in enumerate(tree.children):
        if len(children) < 2:  # noqa: PLR2004 - one call alone has no sibling
            continue
        calls = [index for index in calls_among(trace, children) if index not in background]
        if parent < len(spans) and roles[parent] in semconv.LEAF_ROLES:
            calls = [index for index in calls if roles[index] != "other"]
        if not (tree.orphans or tree.cut_spans or parent == len(spans)):  # all of them name the same parent
            if len(calls) > 1:
                yield calls
            continue
        groups: defaultdict[str | None, list[int]] = defaultdict(list)
        for index in calls:
            groups[spans[place_of(index)].parent_span_id].append(index)
        yield from (group for group in groups.values() if len(group) > 1)


def _by_role(
    roles: Sequence[Role], siblings: Sequence[int], mixed: AbstractSet[int]
) -> Iterator[tuple[Role, list[int]]]:
    """Cut siblings wherever the role changes; a span that is mixed stands alone."""
    role, run = roles[siblings[0]], [siblings[0]]
    for index in siblings[1:]:
        if roles[index] == role and not (mixed and (index in mixed or run[-1] in mixed)):
            run.append(index)
        else:
            yield role, run
            role, run = roles[index], [index]
    yield role, run


def _by_kind(role: Role, run: Sequence[int], spans: Sequence[Span]) -> list[tuple[Kind, tuple[int, ...]]]:
    """Cut calls of one role wherever another kind of work begins."""
    if role in _FETCHED:
        return [(_FETCHED[role], tuple(run))]
    cut = groupby(run, key=lambda index: _kind(role, spans[index]))
    return [(kind, tuple(calls)) for kind, calls in cut]


def _kind(role: Role, span: Span) -> Kind:
    return _FETCHED.get(role) or (role, span.name.partition(":")[0])


def _unclaimed(trace: Trace, claimed: set[int]) -> Iterator[tuple[Confidence, tuple[int, ...]]]:
    """Yield neighbours of one kind, and how sure it would be that they need nothing of each other."""
    for kind, indices, is_after_llm in trace.neighbours:
        if claimed.issuperset(indices) or (claimed.isdisjoint(indices) and _meet(trace, indices)):
            continue
        confidence: Confidence = "likely" if kind[0] == "tool" and is_after_llm else "possible"
        for is_claimed, run in groupby(indices, key=claimed.__contains__):
            if not is_claimed:
                yield confidence, tuple(run)


def _meet(trace: Trace, indices: Collection[int]) -> bool:
    """Return whether there is a moment at which all of some spans run: as most that could do."""
    starts, ends = trace.tree.starts, trace.tree.ends
    return max([starts[index] for index in indices]) < min([ends[index] for index in indices])


def _is_after_model_step(trace: Trace, step: int) -> bool:
    """Return whether what is inside a step was asked for by the step before it, as in a graph of nodes."""
    tree, roles = trace.tree, trace.ledger.roles
    if step < 0 or roles[step] != "step":
        return False
    around = tree.children[tree.parents[step]]
    place = bisect_left(around, tree.starts[step], key=tree.starts.__getitem__)
    before = around[place - 1] if place else None
    return before is not None and any(roles[index] == "llm" for index in (before, *tree.children[before]))


def _runs(trace: Trace, siblings: Sequence[int], *, partly: bool) -> Iterator[tuple[int, ...]]:
    """Cut siblings of one kind wherever one has to wait, and unless ``partly`` where some overlap already."""
    run: list[int] = []
    for cluster in clusters(trace, siblings):
        if len(cluster) > 1 and not partly:  # these run side by side already
            yield tuple(run)
            run = []
            continue
        if run and has_to_wait(trace, run[-1], cluster[0]):
            yield tuple(run)
            run = []
        run += cluster
    yield tuple(run)


def _group(
    trace: Trace, members: dict[int, int | None], confidence: Confidence, *, at_least: int, partly: bool
) -> Iterator[SequentialGroup]:
    """Yield a group of siblings, unless they are too few or run side by side already.

    The value of each member is the call that it stands for, None for itself.
    """
    if len(members) < at_least:
        return
    starts, ends, total = trace.tree.starts, trace.tree.ends, trace.times.total
    indices = tuple(sorted(members, key=starts.__getitem__))
    steps = list(clusters(trace, indices))
    if len(steps) == 1 or (len(steps) < len(indices) and not partly):
        return
    calls = tuple(index if (call := members[index]) is None else call for index in indices)
    yield SequentialGroup(
        indices=indices,
        calls=calls,
        kind=_kind(trace.ledger.roles[calls[0]], trace.tree.spans[calls[0]]),
        confidence=confidence,
        steps=len(steps),
        total_ns=sum(max(ends[index] for index in step) - starts[step[0]] for step in steps),
        longest_ns=max(total[index] for index in indices),
    )
