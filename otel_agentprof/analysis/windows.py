"""For each span the stretch of time in which somebody waited for it, and who that was.

    agent      |----------------|            parents as recorded, times as recorded
      plan        |---|                      plan made search and ended before it
        search      |------|                 hoisted: the agent waited for it
        logs              |---------|        background: nobody waited, the trace was over
    agent2   |------|           status=ERROR
      call     |---------|                   abandoned: waited for until the timeout, so clipped

Definition: critical_path.md section C1, WINDOWS. The effective windows along a chain of effective parents
never shrink upwards, so the ancestor that waited for a span is found by jump pointers.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import le
from typing import TYPE_CHECKING, Final, Literal, get_args

from otel_agentprof.analysis.lanes import lanes_of, nested_by_lane
from otel_agentprof.model.quick_init import quick_init
from otel_agentprof.model.tree import NO_PARENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_agentprof.analysis.lanes import Lanes
    from otel_agentprof.model.tree import SpanTree

Profile = Literal["agent", "compat"]
_PROFILES: Final = get_args(Profile)
TOLERANCE_NS: Final = 1_000_000  # clocks and late end() calls; a span this much too long was still waited for
_NOBODY: Final = -2
_UNKNOWN: Final = -3


@quick_init
@dataclass(frozen=True, slots=True)
class Windows:
    """When each span was waited for, and by whom. All sequences are indexed like ``tree.spans``.

    Attributes:
        starts: Where the wait for each span begins; as recorded for spans in ``background`` and ``dropped``.
        ends: Where it ends.
        parents: The span that waited: the recorded parent, for hoisted spans an ancestor of it; -1 for tops.
        hoisted: Spans that outlived their parent and that an ancestor waited for.
        background: Spans that nobody waited for (fire and forget, consumers of a queue), and all below them.
        abandoned: Spans that outlived a parent that failed: waited for until it gave up.
        dropped: Spans outside their parent that the ``compat`` profile leaves out, and all below them.
        creators: The span that each one was started in: the recorded parent, or the sibling whose lane it
            took over; -1 for tops.
        lanes: Thread and task of each span; None where none was recorded, or the profile asks for none.
    """

    starts: Sequence[int]
    ends: Sequence[int]
    parents: Sequence[int]
    hoisted: frozenset[int] = frozenset()
    background: frozenset[int] = frozenset()
    abandoned: frozenset[int] = frozenset()
    dropped: frozenset[int] = frozenset()
    creators: Sequence[int] = ()
    lanes: Lanes | None = None


def windows(tree: SpanTree, profile: Profile = "agent") -> Windows:
    """Return the window of each span.

    Args:
        tree: The spans.
        profile: ``agent`` hoists and knows background work; ``compat`` only clips and drops, as Jaeger does.

    Raises:
        ValueError: The profile is neither of the two.
    """
    if profile not in _PROFILES:
        raise ValueError(f"profile must be 'agent' or 'compat', not {profile!r}")
    lanes = lanes_of(tree) if profile == "agent" else None
    if lanes is not None:
        tree = nested_by_lane(tree, lanes)
    consumers = _queue_consumers(tree)
    if not consumers and not tree.detached and _is_nested(tree):
        return Windows(tree.starts, tree.ends, tree.parents, creators=tree.parents, lanes=lanes)
    return _clipped(tree, consumers) if profile == "compat" else _waited(tree, consumers, lanes)


def _queue_consumers(tree: SpanTree) -> frozenset[int]:
    """Return the spans that take from a queue what their parent put there: the parent does not wait."""
    kinds = [span.kind for span in tree.spans]
    if "CONSUMER" not in kinds or "PRODUCER" not in kinds:
        return frozenset()
    return frozenset(
        index
        for index, parent in enumerate(tree.parents)
        if kinds[index] == "CONSUMER" and parent >= 0 and kinds[parent] == "PRODUCER"
    )


def _is_nested(tree: SpanTree) -> bool:
    """Return whether every span lies inside its parent, so that every window is the span itself."""
    ends, starts = (*tree.ends, tree.end_ns), (*tree.starts, tree.start_ns)  # parent -1 is the virtual root
    return all(map(le, tree.ends, [ends[parent] for parent in tree.parents])) and all(
        map(le, [starts[parent] for parent in tree.parents], tree.starts)
    )


def _clipped(tree: SpanTree, consumers: frozenset[int]) -> Windows:
    """Clip each span to its parent; drop those outside it, with all below."""
    starts, ends, parents = [*tree.starts, tree.start_ns], [*tree.ends, tree.end_ns], tree.parents
    dropped = set(tree.detached) | consumers
    for span in tree.top_down:
        parent = parents[span]
        if parent < 0 or span in dropped:
            continue
        start, end = starts[span], ends[span]
        is_outside = start >= ends[parent] or (end <= starts[parent] and start < starts[parent])
        if parent in dropped or is_outside:
            dropped.add(span)
        else:
            starts[span], ends[span] = max(start, starts[parent]), min(end, ends[parent])
    return Windows(starts[:-1], ends[:-1], parents, dropped=frozenset(dropped), creators=parents)


def _waited(tree: SpanTree, consumers: frozenset[int], lanes: Lanes | None) -> Windows:
    """Find for each span the ancestor that waited for it, and clip it to that one."""
    chain = _Chain(tree)
    starts, ends, parents = chain.starts, chain.ends, tree.parents
    background = set(tree.detached) | consumers
    hoisted, abandoned = [], []
    for span in tree.top_down:
        parent = waiter = parents[span]
        if parent in background or span in background:
            background.add(span)
            continue
        start, end = starts[span], ends[span]
        if start >= starts[parent] and end <= ends[parent]:
            continue  # the root too: it fills the entry at -1
        if end > ends[parent] + TOLERANCE_NS or (end <= starts[parent] and start < starts[parent]):
            waiter = chain.waiter_above(parent, end)
            if waiter != _NOBODY:
                hoisted.append(span)
            elif tree.spans[parent].status == "ERROR" and start < ends[parent] and end > starts[parent]:
                waiter = parent
                abandoned.append(span)
                chain.end_at(span)
            else:
                background.add(span)
                continue
        chain.clip(span, waiter)
    return Windows(
        starts[:-1],
        ends[:-1],
        chain.waiters[:-1],
        frozenset(hoisted),
        frozenset(background),
        frozenset(abandoned),
        creators=tree.parents,
        lanes=lanes,
    )


class _Chain:
    """Effective windows and parents so far, with skew-binary jump pointers: a search takes O(log depth).

    The entry at index -1 is the virtual root. A span that jumps to itself is the last of its chain. Pointers
    are made where a search first comes by: most spans are inside their parents and need none.
    """

    __slots__ = ("depths", "ends", "jumps", "starts", "waiters")

    def __init__(self, tree: SpanTree) -> None:
        self.starts = [*tree.starts, tree.start_ns]
        self.ends = [*tree.ends, tree.end_ns]
        self.waiters = [*tree.parents, NO_PARENT]
        self.depths = [0] * len(self.starts)
        self.jumps = [_UNKNOWN] * len(self.starts)
        self.end_at(tree.root)

    def end_at(self, span: int) -> None:
        """Make a span the last of its chain: nobody above it waits for what is below it."""
        self.jumps[span] = span

    def clip(self, span: int, waiter: int) -> None:
        """Set who waits for a span, and clip the span to it."""
        first, last = self.starts[waiter], self.ends[waiter]
        self.starts[span] = min(max(self.starts[span], first), last)
        self.ends[span] = min(self.ends[span], last)
        self.waiters[span] = waiter

    def waiter_above(self, span: int, end: int) -> int:
        """Return the nearest effective ancestor of a span that was there at a time; none: _NOBODY."""
        self._make_jumps(span)
        starts, ends, jumps = self.starts, self.ends, self.jumps
        earliest = end - TOLERANCE_NS
        while (jump := jumps[span]) != span:
            if ends[jump] < earliest or starts[jump] >= end:
                span = jump
                continue
            span = self.waiters[span]
            if ends[span] >= earliest and starts[span] < end:
                return span
        return _NOBODY

    def _make_jumps(self, span: int) -> None:
        depths, jumps, waiters = self.depths, self.jumps, self.waiters
        unknown = []
        while jumps[span] == _UNKNOWN:
            unknown.append(span)
            span = waiters[span]
        for below in reversed(unknown):
            jump = jumps[span]
            is_even = depths[span] - depths[jump] == depths[jump] - depths[jumps[jump]]
            jumps[below] = jumps[jump] if is_even else span
            depths[below] = depths[span] + 1
            span = below
