"""A trace put in order: every span once, one root, no cycles, no time that runs backwards.

    spans in any order      ->   spans, parents, starts, ends   (one index per span)
    duplicates, orphans,         root (an index, or -1: a virtual root over several)
    cycles, open spans           what was repaired, for ``data_quality``

Definition: critical_path.md section C1, NORMALISE and ROOT. Indices instead of objects keep it fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_agentprof.model.span import Span

NO_PARENT = -1


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
    detached: frozenset[int] = frozenset()
    open_spans: frozenset[int] = frozenset()
    backward_spans: frozenset[int] = frozenset()
    orphans: frozenset[int] = frozenset()
    cut_spans: frozenset[int] = frozenset()
    duplicate_count: int = 0

    @classmethod
    def from_spans(cls, spans: Iterable[Span], *, now_ns: int | None = None) -> SpanTree:
        """Return the tree of some spans, whatever state they are in; never raises for odd input.

        Args:
            spans: The spans of one trace. Spans of several traces make one tree with a virtual root.
            now_ns: Where open spans are taken to end; None means the latest time in the trace.
        """
        raise NotImplementedError

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

    @property
    def trace_id(self) -> str | None:
        """The trace id that all spans share, None when there is none or more than one."""
        ids = {span.trace_id for span in self.spans}
        return ids.pop() if len(ids) == 1 else None

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """For each span the indices of its children by start; the last entry holds the tops (parent -1)."""
        groups: list[list[int]] = [[] for _ in range(len(self.spans) + 1)]
        for index in sorted(range(len(self.spans)), key=self.starts.__getitem__):
            groups[self.parents[index]].append(index)
        return tuple(map(tuple, groups))
