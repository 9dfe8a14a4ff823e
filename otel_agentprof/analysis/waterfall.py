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
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from otel_agentprof.analysis.outline import Outline
    from otel_agentprof.model.counting import Ledger
    from otel_agentprof.model.tokens import TokenUsage
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
        shown: The operation whose call this span shows again; None where it stands for itself.
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
    shown: str | None = None


def waterfall(trace: Outline) -> tuple[Row, ...]:
    """Return one row per span: the root and what is below it, then the spans outside it."""
    ledger, size = trace.ledger, len(trace.span_ids)
    order, depths = _depth_first(trace)
    stretches: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for owner, start_ns, end_ns in trace.path:
        stretches[owner].append((start_ns, end_ns))
    on_path: list[tuple[tuple[int, int], ...]] = [()] * (size + 1)  # the last entry is the virtual root's
    for owner, pairs in stretches.items():
        on_path[owner] = tuple(pairs)
    marks: list[tuple[Mark, ...]] = [()] * size
    for index, told in trace.marks.items():
        marks[index] = told
    operations: list[str | None] = [None] * size
    for found in trace.operations:
        for index in found.indices:
            if ledger.counted[index]:
                operations[index] = found.name
    rows = list(
        zip(
            trace.span_ids,
            trace.names,
            ledger.roles,
            depths,
            trace.starts,
            trace.ends,
            on_path,
            ledger.usage,
            trace.costs,
            marks,
            operations,
            _models(ledger),
            _shown(ledger, operations),
            strict=False,  # see on_path
        )
    )
    # tuple.__new__ is what Row() comes down to, without a Python frame per row.
    return tuple(map(tuple.__new__, repeat(Row), map(rows.__getitem__, order)))


def _depth_first(trace: Outline) -> tuple[list[int], list[int]]:
    """Return the order of the rows, and how deep each span is."""
    order, depths = [], [0] * len(trace.span_ids)
    children = trace.children
    todo = _tops(trace)[::-1]
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
    models = [
        model if role in semconv.LEAF_ROLES or usage is not None else None
        for model, role, usage in zip(ledger.models, ledger.roles, ledger.usage, strict=True)
    ]
    for index, call in ledger.shown_again.items():
        if ledger.usage[index] is None:
            models[index] = models[call]  # one may know the version, the other not
    return models


def _shown(ledger: Ledger, operations: Sequence[str | None]) -> Iterable[str | None]:
    """Return for each span the operation whose call it shows again."""
    if not ledger.shown_again:
        return repeat(None)
    shown = ledger.shown_again
    return [operations[shown[index]] if index in shown else None for index in range(len(operations))]


def _tops(trace: Outline) -> list[int]:
    """Return the spans without a parent, the root first."""
    tops = trace.children[-1]
    return [index for index in tops if index == trace.root] + [index for index in tops if index != trace.root]
