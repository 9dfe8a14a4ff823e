"""Calls of the same kind added up: one operation is one model call, tool or step that a user can name."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from otel_agentprof.model.dialects import operation_of
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_agentprof.model.counting import Ledger
    from otel_agentprof.model.tree import SpanTree
    from otel_agentprof.semconv import Role


class Operation(NamedTuple):
    """All calls of one operation, each counted once.

    Attributes:
        name: As people know it: the tool, or the operation and its model.
        indices: The spans that stand for its calls, in the order of ``tree.spans``.
        usage: Tokens of all calls; None when no call names any.
        cost_usd: Money for the calls whose price is known; None when none is.
    """

    name: str
    role: Role
    indices: tuple[int, ...]
    usage: TokenUsage | None
    cost_usd: Decimal | None


def operations(tree: SpanTree, ledger: Ledger, paid: Sequence[Decimal | None]) -> tuple[Operation, ...]:
    """Return the operations of a trace in the order in which they first occur."""
    groups: defaultdict[tuple[str, Role], list[int]] = defaultdict(list)
    usages = ledger.usage
    rows = zip(tree.spans, ledger.roles, ledger.counted, usages, strict=True)
    for index, (span, role, counted, usage) in enumerate(rows):
        if counted or usage is not None:  # no token without an operation
            groups[operation_of(span, role) if role == "tool" else span.name, role].append(index)
    return tuple(
        [
            Operation(
                name,
                role,
                tuple(indices),
                total_usage([usages[index] for index in indices]),
                total_usd([paid[index] for index in indices]),
            )
            for (name, role), indices in groups.items()
        ]
    )


def total_usage(usages: Iterable[TokenUsage | None]) -> TokenUsage | None:
    """Return the sum of the tokens that are known; None when none are."""
    known = [usage for usage in usages if usage is not None]
    return TokenUsage(*map(sum, zip(*known, strict=True))) if known else None


def total_usd(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Return the sum of the money that is known; None when none is."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known else None
