"""A trace put in order: every span once, one root, no cycles, no time that runs backwards.

    spans in any order      ->   spans, parents, starts, ends   (one index per span)
    duplicates, orphans,         root (an index, or -1: a virtual root over several)
    cycles, open spans           what was repaired, for ``data_quality``

Definition: critical_path.md section C1, NORMALISE and ROOT. Indices instead of objects keep it fast.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from operator import gt, lt
from typing import TYPE_CHECKING, Any, Final, Self

from otel_agentprof import semconv
from otel_agentprof.model.lazy import lazy
from otel_agentprof.model.quick_init import quick_init

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from otel_agentprof.model.span import Span

NO_PARENT: Final = -1


@quick_init
@dataclass(frozen=True, eq=False)
class SpanTree:
    """The spans of one trace and how they hang together.

    Attributes:
        spans: One per span id, in the order in which they came.
        parents: For each span the index of its parent after repair, -1 for one that has none.
        starts: Start of each span in ns.
        ends: End of each span in ns, never before its start; an open span ends at the latest known time.
        root: Index of the root span; -1 when several spans share a virtual root.
        start_ns: Start of the root.
        end_ns: End of the root.
        top_down: All indices, each parent before its children.
        trace_id: The trace id that all spans share, None when there is none or more than one.
        detached: Spans (top of a subtree) that belong to no waiting of the root.
        open_spans: Indices of spans that never ended.
        backward_spans: Indices of spans whose end lay before their start.
        orphans: Indices of spans whose parent is not in the trace.
        cut_spans: Indices of spans at which a cycle was cut.
        duplicate_count: How many later spans with a known id were left out.
    """

    spans: tuple[Span, ...]
    parents: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    root: int
    start_ns: int
    end_ns: int
    top_down: Sequence[int]
    trace_id: str | None = None
    detached: frozenset[int] = frozenset()
    open_spans: frozenset[int] = frozenset()
    backward_spans: frozenset[int] = frozenset()
    orphans: frozenset[int] = frozenset()
    cut_spans: frozenset[int] = frozenset()
    duplicate_count: int = 0

    @classmethod
    def from_spans(cls, spans: Iterable[Span], *, now_ns: int | None = None) -> Self:
        """Return the tree of some spans, whatever state they are in; never raises for odd input.

        Args:
            spans: The spans of one trace. Spans of several traces make one tree with a virtual root.
            now_ns: Where open spans are taken to end; None means the latest time in the trace.
        """
        # Results that our processor wrote into the trace cover all of it, and are no part of what happened.
        given = [
            span for span in spans if span.name != semconv.ANALYSIS_SPAN_NAME or span.scope != semconv.SCOPE
        ]
        trace_ids = {span.trace_id for span in given}
        is_one_trace = len(trace_ids) == 1
        kept, parents = _linked(given, is_one_trace=is_one_trace)
        starts = [span.start_ns for span in kept]
        top_down, cut = parents_first(parents), frozenset[int]()
        if len(top_down) < len(kept):
            cut = _cut_cycles(kept, parents, starts)
            top_down = parents_first(parents)
        ends, open_spans, backward_spans = _ends(kept, starts, now_ns)
        tops = [index for index, parent in enumerate(parents) if parent < 0]
        parentless = [index for index in tops if not kept[index].parent_span_id]
        root, detached = _root(tops, parentless if is_one_trace else [])
        if detached:
            detached = _adopt(detached, root, parents, starts, ends)
            top_down = parents_first(parents)
        return cls(
            spans=tuple(kept),
            parents=tuple(parents),
            starts=tuple(starts),
            ends=tuple(ends),
            root=root,
            start_ns=starts[root] if root >= 0 else min((starts[top] for top in tops), default=0),
            end_ns=ends[root] if root >= 0 else max((ends[top] for top in tops), default=0),
            top_down=top_down,
            trace_id=trace_ids.pop() if is_one_trace else None,
            detached=frozenset(detached),
            open_spans=open_spans,
            backward_spans=backward_spans,
            orphans=frozenset(tops).difference(parentless, cut)
            if len(parentless) < len(tops)
            else frozenset(),
            cut_spans=cut,
            duplicate_count=len(given) - len(kept),
        )

    def __len__(self) -> int:
        return len(self.spans)

    @property
    def duration_ns(self) -> int:
        """What the user waited for: the length of the root, or of the virtual root."""
        return self.end_ns - self.start_ns

    @property
    def root_span(self) -> Span | None:
        """The root span, None for a virtual root."""
        return self.spans[self.root] if self.root >= 0 else None

    @lazy
    def children(self) -> tuple[tuple[int, ...], ...]:
        """For each span the indices of its children by start; the last entry holds the tops (parent -1)."""
        groups: list[list[int]] = [[] for _ in range(len(self.spans) + 1)]
        for index in sorted(range(len(self.spans)), key=self.starts.__getitem__):
            groups[self.parents[index]].append(index)
        return tuple(map(tuple, groups))


def by_trace(spans: Iterable[Span]) -> Iterator[SpanTree]:
    """Yield one tree per trace id, in the order in which the ids first appear."""
    groups: defaultdict[str, list[Span]] = defaultdict(list)
    for span in spans:
        groups[span.trace_id].append(span)
    for group in groups.values():
        yield SpanTree.from_spans(group)


def _linked(given: list[Span], *, is_one_trace: bool) -> tuple[list[Span], list[int]]:
    """Return the spans without later duplicates, and the index of each one's parent (-1: none or unknown)."""
    kept = given
    keys: list[Any] = [span.span_id for span in given]
    if not is_one_trace:
        keys = [(span.trace_id, span.span_id) for span in given]
    indices: dict[Any, int] = dict(zip(keys, range(len(keys)), strict=True))
    if len(indices) < len(given):
        indices, kept = {}, []
        for span, key in zip(given, keys, strict=True):
            if span.span_id and key in indices:
                continue
            indices[key] = len(kept)  # spans without an id are never duplicates, and nobody's parent
            kept.append(span)
    find = indices.get
    if is_one_trace:
        above = [span.parent_span_id for span in kept]
        return kept, [find(parent, NO_PARENT) if parent else NO_PARENT for parent in above]
    return kept, [
        find((span.trace_id, span.parent_span_id), NO_PARENT) if span.parent_span_id else NO_PARENT
        for span in kept
    ]


def parents_first(parents: Sequence[int]) -> Sequence[int]:
    """Return the spans that hang below a top, each parent before its children; no cycles among them."""
    size = len(parents)
    if all(map(lt, parents, range(size))):
        return range(size)  # in order of start, as a tracer makes them
    if sum(map(gt, parents, range(size))) + parents.count(NO_PARENT) == size:
        return range(size - 1, -1, -1)  # in order of end, as an exporter sees them
    heads, following = [NO_PARENT] * (size + 1), [NO_PARENT] * size
    for index, parent in enumerate(parents):
        following[index] = heads[parent]
        heads[parent] = index
    order: list[int] = []
    todo = [heads[NO_PARENT]]
    while todo:
        index = todo.pop()
        while index >= 0:
            order.append(index)
            if heads[index] >= 0:
                todo.append(heads[index])
            index = following[index]
    return order


def _cut_cycles(spans: list[Span], parents: list[int], starts: list[int]) -> frozenset[int]:
    """Make every chain of parents end, in place; return the spans at which a cycle was cut."""
    cut: set[int] = set()
    seen_by = [NO_PARENT] * len(parents)
    for walk in range(len(parents)):
        index = walk
        while index >= 0 and seen_by[index] < 0:
            seen_by[index] = walk
            index = parents[index]
        if index < 0 or seen_by[index] != walk:
            continue
        members = [index]
        while (index := parents[index]) != members[0]:
            members.append(index)
        earliest = min(members, key=lambda member: (starts[member], spans[member].span_id, member))
        parents[earliest] = NO_PARENT
        if len(members) > 1:  # a span that names itself as parent is a plain orphan
            cut.add(earliest)
    return frozenset(cut)


def _ends(
    spans: list[Span], starts: list[int], now_ns: int | None
) -> tuple[list[int], frozenset[int], frozenset[int]]:
    """Return where each span ends, which spans are open, and which ended before they started."""
    written: list[Any] = [span.end_ns for span in spans]
    open_spans: frozenset[int] = frozenset()
    if None in written:
        open_spans = frozenset(index for index, end in enumerate(written) if end is None)
        latest = now_ns
        if latest is None:
            latest = max(max((end for end in written if end is not None), default=starts[0]), *starts)
        for index in open_spans:
            written[index] = max(starts[index], latest)
    backward_spans: frozenset[int] = frozenset()
    if any(map(lt, written, starts)):
        backward_spans = frozenset(index for index, end in enumerate(written) if end < starts[index])
        for index in backward_spans:
            written[index] = starts[index]
    return written, open_spans, backward_spans


def _root(tops: list[int], parentless: list[int]) -> tuple[int, list[int]]:
    """Return the root (-1: virtual) and the tops that are not below it."""
    if len(parentless) == 1:
        return parentless[0], [top for top in tops if top != parentless[0]]
    if len(tops) == 1:
        return tops[0], []
    return NO_PARENT, []


def _adopt(
    orphans: list[int], root: int, parents: list[int], starts: list[int], ends: list[int]
) -> list[int]:
    """Hang orphans that start inside the root under it, in place; return the others."""
    detached = []
    for orphan in orphans:
        if starts[root] <= starts[orphan] < ends[root]:
            parents[orphan] = root
        else:
            detached.append(orphan)
    return detached
