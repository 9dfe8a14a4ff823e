"""The rows of the waterfall, as data: what a renderer draws, and nothing about how.

    agent        0 |====     ==|   depth 0, own time on the critical path
      plan       1 |    =====  |
      log        1 |      ---------|   background: nobody waited for it

Depth-first by start, so that a reader meets spans in the order in which they began.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from otel_agentprof import semconv

if TYPE_CHECKING:
    from decimal import Decimal

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.model.counting import Ledger
    from otel_agentprof.model.span import Span
    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.model.tree import SpanTree
    from otel_agentprof.semconv import Role

Mark = Literal["error", "open", "background", "hoisted", "incomplete"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the waterfall: a span, in depth-first order by start.

    Attributes:
        depth: 0 for the root and for spans outside it.
        on_path: Stretches of the critical path in this span's own time, as (start_ns, end_ns).
        cost_usd: None when the span is no call, or when its price is unknown.
        marks: Whatever a reader must know: error, open, background, hoisted, incomplete.
        operation: The tool, or the name under which calls of its kind are added up; None where another span
            stands for the same call.
        model: The model behind a model call; None for any other span.
    """

    span_id: str
    name: str
    role: Role
    depth: int
    start_ns: int
    end_ns: int
    on_path: tuple[tuple[int, int], ...] = ()
    usage: TokenUsage | None = None
    cost_usd: Decimal | None = None
    marks: tuple[Mark, ...] = ()
    operation: str | None = None
    model: str | None = None


def waterfall(trace: Trace) -> tuple[Row, ...]:
    """Return one row per span: the root and what is below it, then the spans outside it."""
    tree, ledger = trace.tree, trace.ledger
    on_path: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for owner, start_ns, end_ns in trace.path:
        on_path[owner].append((start_ns, end_ns))
    operations = {index: found.name for found in trace.operations for index in found.indices}
    rows: list[Row] = []
    todo = [(index, 0) for index in reversed(_tops(tree))]
    while todo:  # not by recursion: agents nest deeper than Python does
        index, depth = todo.pop()
        span = tree.spans[index]
        rows.append(
            Row(
                span_id=span.span_id,
                name=span.name,
                role=ledger.roles[index],
                depth=depth,
                start_ns=tree.starts[index],
                end_ns=tree.ends[index],
                on_path=tuple(on_path.get(index, ())),
                usage=ledger.usage[index],
                cost_usd=trace.costs[index],
                marks=_marks(trace, index, span),
                operation=operations.get(index) if ledger.counted[index] else None,
                model=ledger.models[index] if _is_model_call(ledger, index) else None,
            )
        )
        todo += [(child, depth + 1) for child in reversed(tree.children[index])]
    return tuple(rows)


def _is_model_call(ledger: Ledger, index: int) -> bool:
    """Return whether a model did the work of a span; agents name models too and call none."""
    return ledger.roles[index] in semconv.LEAF_ROLES or ledger.usage[index] is not None


def _tops(tree: SpanTree) -> list[int]:
    """Return the spans without a parent, the root first."""
    tops = tree.children[-1]
    return [index for index in tops if index == tree.root] + [index for index in tops if index != tree.root]


def _marks(trace: Trace, index: int, span: Span) -> tuple[Mark, ...]:
    claims: tuple[tuple[Mark, bool], ...] = (
        ("error", span.status == "ERROR"),
        ("open", index in trace.tree.open_spans),
        ("background", index in trace.background),
        ("hoisted", index in trace.hoisted),
        ("incomplete", span.attributes.get(semconv.STREAM_COMPLETE) is False),
    )
    return tuple(mark for mark, holds in claims if holds)
