"""The rows of the waterfall, as data: what a renderer draws, and nothing about how.

    agent        0 |====     ==|   depth 0, own time on the critical path
      plan       1 |    =====  |
      log        1 |      ---------|   background: nobody waited for it

Depth-first by start, so that a reader meets spans in the order in which they began.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import repeat
from typing import TYPE_CHECKING, Literal, NamedTuple

from otel_agentprof import semconv

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.model.counting import Ledger
    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.model.tree import SpanTree
    from otel_agentprof.semconv import Role

Mark = Literal["error", "open", "background", "hoisted", "incomplete"]


class Row(NamedTuple):
    """One line of the waterfall: a span, in depth-first order by start.

    A named tuple, not a dataclass, since there is one per span.

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
    tree, ledger, costs = trace.tree, trace.ledger, trace.costs
    spans, starts, ends, roles, usage = tree.spans, tree.starts, tree.ends, ledger.roles, ledger.usage
    order, depths = _depth_first(tree)
    stretches: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for owner, start_ns, end_ns in trace.path:
        stretches[owner].append((start_ns, end_ns))
    on_path = {owner: tuple(pairs) for owner, pairs in stretches.items()}
    marks, models = _marks(trace), _models(ledger)
    operations: list[str | None] = [None] * len(spans)
    for found in trace.operations:
        for index in found.indices:
            if ledger.counted[index]:
                operations[index] = found.name
    rows = [
        (
            spans[index].span_id,
            spans[index].name,
            roles[index],
            depths[index],
            starts[index],
            ends[index],
            on_path.get(index, ()),
            usage[index],
            costs[index],
            marks.get(index, ()),
            operations[index],
            models[index],
        )
        for index in order
    ]
    # tuple.__new__ is what Row() comes down to, without a Python frame per row.
    return tuple(map(tuple.__new__, repeat(Row), rows))


def _depth_first(tree: SpanTree) -> tuple[list[int], list[int]]:
    """Return the order of the rows, and how deep each span is."""
    order, depths = [], [0] * len(tree.spans)
    children = tree.children
    todo = _tops(tree)[::-1]
    while todo:  # not by recursion: agents nest deeper than Python does
        index = todo.pop()
        order.append(index)
        if below := children[index]:
            todo += below[::-1]
            depth = depths[index] + 1
            for child in below:
                depths[child] = depth
    return order, depths


def _models(ledger: Ledger) -> list[str | None]:
    """Return the model behind each span that one did the work of; agents name models too and call none."""
    return [
        model if role in semconv.LEAF_ROLES or usage is not None else None
        for model, role, usage in zip(ledger.models, ledger.roles, ledger.usage, strict=True)
    ]


def _tops(tree: SpanTree) -> list[int]:
    """Return the spans without a parent, the root first."""
    tops = tree.children[-1]
    return [index for index in tops if index == tree.root] + [index for index in tops if index != tree.root]


def _marks(trace: Trace) -> dict[int, tuple[Mark, ...]]:
    """Return the marks of the spans that have any."""
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
