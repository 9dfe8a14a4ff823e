"""What is left of a measured trace without its spans: enough to draw its tables and its waterfall later."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from otel_agentprof.analysis.operations import Operation
    from otel_agentprof.analysis.statistics import Times
    from otel_agentprof.analysis.trace import Stretch, Trace
    from otel_agentprof.analysis.waterfall import Mark
    from otel_agentprof.model.counting import Ledger
    from otel_agentprof.semconv import Role


class Outline(NamedTuple):
    """Names, times and figures of a trace. No attribute is in it, so whoever keeps it keeps no content.

    Whatever is per span is indexed like ``tree.spans``. All else is as in ``SpanTree`` and ``Trace``.

    Attributes:
        marks: What a reader must know of a span, for those that have anything of the kind.
    """

    span_ids: Sequence[str]
    names: Sequence[str]
    starts: Sequence[int]
    ends: Sequence[int]
    children: Sequence[Sequence[int]]
    root: int
    ledger: Ledger
    roles: Sequence[Role]
    costs: Sequence[Decimal | None]
    times: Times
    path: Sequence[Stretch]
    operations: Sequence[Operation]
    marks: Mapping[int, tuple[Mark, ...]]


def outline(trace: Trace) -> Outline:
    """Return what is left of a trace without its spans."""
    tree = trace.tree
    return Outline(
        span_ids=[span.span_id for span in tree.spans],
        names=[span.name for span in tree.spans],
        starts=tree.starts,
        ends=tree.ends,
        children=tree.children,
        root=tree.root,
        ledger=trace.ledger,
        roles=trace.roles,
        costs=trace.costs,
        times=trace.times,
        path=trace.path,
        operations=trace.operations,
        marks=_marks(trace),
    )


def _marks(trace: Trace) -> dict[int, tuple[Mark, ...]]:
    tree = trace.tree
    claims: tuple[tuple[Mark, Iterable[int]], ...] = (
        ("error", trace.failed),
        ("open", tree.open_spans),
        ("background", trace.background),
        ("hoisted", trace.hoisted),
        ("incomplete", trace.cut_short),
    )
    found: dict[int, tuple[Mark, ...]] = {}
    for mark, indices in claims:
        for index in indices:
            found[index] = (*found.get(index, ()), mark)
    return found
