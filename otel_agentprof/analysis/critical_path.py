"""The chain of work that decided how long a trace took.

    agent    |=====     ==     ==|    = is on the path
      plan        |=====|
      search             |=====|
      lookup             |---|        - is hidden behind search

Walk back from the root's end: the child that finished last was the one waited for. Time before the start of
a hoisted span belongs to the span that created it. Definition: critical_path.md section C1, WALK. Where
lanes were recorded, section C2: the path follows the barriers of ``forward``, which know them.
"""

from __future__ import annotations

from itertools import pairwise, repeat
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof.analysis.forward import forward
from otel_agentprof.analysis.windows import windows
from otel_agentprof.model.collector import paused_collector
from otel_agentprof.model.tree import NO_PARENT

if TYPE_CHECKING:
    from otel_agentprof.analysis.forward import Forward
    from otel_agentprof.analysis.windows import Profile, Windows
    from otel_agentprof.model.tree import SpanTree

_MANY: Final = 5_000  # segments from which on the collector costs more than it is worth


class Segment(NamedTuple):
    """A stretch of time in which one span itself held up the trace.

    Attributes:
        span_id: None where the trace waited outside all spans.
        start_ns: Nanoseconds since the epoch, as ``end_ns``.
    """

    span_id: str | None
    start_ns: int
    end_ns: int


def critical_path(tree: SpanTree, profile: Profile = "agent") -> tuple[Segment, ...]:
    """Return the segments that add up to the root's duration, in time order.

    Args:
        tree: The spans.
        profile: ``agent`` knows spans that outlive their parent; ``compat`` clips them all, as Jaeger does.

    Raises:
        ValueError: The profile is neither of the two.
    """
    owners, cuts = path_owners(tree, windows(tree, profile))
    spans = tree.spans
    ids = [spans[owner].span_id if owner >= 0 else None for owner in owners]
    # tuple.__new__ is what Segment() and Segment._make() come down to, without a Python frame per segment.
    segments = map(tuple.__new__, repeat(Segment), zip(ids, cuts, cuts[1:], strict=False))
    if len(ids) < _MANY:
        return tuple(segments)
    with paused_collector():
        return tuple(segments)


def path_owners(tree: SpanTree, view: Windows, model: Forward | None = None) -> tuple[list[int], list[int]]:
    """Return who holds each segment of the path, in time order, and where the segments are cut.

    Args:
        tree: The spans.
        view: Their windows.
        model: Their barriers, if they are known already: the path can then be read from them. A trace with
            lanes needs them; any other one is walked where they have ``second_reads``, which the walk knows
            nothing of.

    Returns:
        Indices of spans (-1: the virtual root), and one cut more than segments: segment ``i`` goes from cut
        ``i`` to cut ``i + 1``.
    """
    if view.lanes is not None or (model is not None and not model.second_reads):
        return _owners_by_barriers(tree, forward(tree, view) if model is None else model)
    heads, following = _sibling_lists(tree, view)
    starts, ends, hoisted = [*view.starts, tree.start_ns], view.ends, view.hoisted
    owners: list[int] = []
    cuts = [tree.end_ns]
    todo = [tree.root]
    _put_latest_first(tree.root, heads, following, tree, view)
    while todo:
        span, now = todo[-1], cuts[-1]
        child = heads[span]
        while child >= 0 and ends[child] > now:
            child = following[child]  # skipped for good: time only falls
        is_done = child < 0 or now <= starts[span]
        until = starts[span] if is_done else ends[child]
        if until < now:
            if owners and owners[-1] == span:
                cuts[-1] = until
            else:
                owners.append(span)
                cuts.append(until)
        if is_done:
            todo.pop()
            continue
        heads[span] = following[child]
        if child in hoisted:
            todo.extend(creators := _creators(child, view))
            for creator in creators:
                _put_latest_first(creator, heads, following, tree, view)
        todo.append(child)
        if heads[child] >= 0:
            _put_latest_first(child, heads, following, tree, view)
    owners.reverse()
    cuts.reverse()
    return owners, cuts


def _owners_by_barriers(tree: SpanTree, model: Forward) -> tuple[list[int], list[int]]:
    """Return the same, read from what each start and end had waited for, back from the end."""
    starts, ends = model.starts, model.ends
    top, size = model.top, len(tree.spans)
    owners: list[int] = []
    cuts = [tree.end_ns]
    span, at_end = top, True
    while at_end or span != top:
        owner = span if at_end else model.starters[span]
        last = model.last_children[span] if at_end else model.holders[span]
        at_end, span = last >= 0, owner if last < 0 else last
        until = ends[span] if at_end else starts[span]
        if until < cuts[-1]:
            owner = NO_PARENT if owner == size else owner
            if owners and owners[-1] == owner:
                cuts[-1] = until
            else:
                owners.append(owner)
                cuts.append(until)
    owners.reverse()
    cuts.reverse()
    return owners, cuts


def _sibling_lists(tree: SpanTree, view: Windows) -> tuple[list[int], list[int]]:
    """Return a child of each span (last entry: of the virtual root) and a next sibling of each; -1: none."""
    size = len(tree.spans)
    heads, following = [NO_PARENT] * (size + 1), [NO_PARENT] * size
    off_path = view.background | view.dropped
    for span, parent in enumerate(view.parents):
        if span not in off_path:
            following[span] = heads[parent]
            heads[parent] = span
    if tree.root >= 0:
        heads[NO_PARENT] = NO_PARENT
    return heads, following


def _put_latest_first(
    span: int, heads: list[int], following: list[int], tree: SpanTree, view: Windows
) -> None:
    """Sort the list of a span's children in place: only spans on the path ever need it.

    By window end, the latest first; then by recorded start, the earliest first; then as given.
    """
    child = heads[span]
    if child < 0 or following[child] < 0:
        return
    children = []
    while child >= 0:
        children.append(child)
        child = following[child]
    children.reverse()  # they were put in front of each other
    children.sort(key=tree.starts.__getitem__)
    children.sort(key=view.ends.__getitem__, reverse=True)
    heads[span] = children[0]
    for child, sibling in pairwise(children):
        following[child] = sibling
    following[children[-1]] = NO_PARENT


def _creators(child: int, view: Windows) -> list[int]:
    """Return the spans that led to a hoisted span, from below the one that waited down to its creator."""
    creator, waiter = view.creators[child], view.parents[child]
    if not view.starts[creator] <= view.starts[child] <= view.ends[creator]:
        return []  # it was made before or after its recorded parent ran: nothing led to it
    chain = []
    while creator != waiter:
        chain.append(creator)
        creator = view.parents[creator]
    chain.reverse()
    return chain
