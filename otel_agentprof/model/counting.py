"""Which spans of a tree stand for a call, so that no token is counted twice.

The same call is often shown by several spans: two instrumentors nest, an agent repeats the sum of its
calls. Every span keeps its timing; only one span per call keeps its tokens (dialects.md, R2, R3, R5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_agentprof import semconv
from otel_agentprof.model import dialects

if TYPE_CHECKING:
    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.model.tree import SpanTree
    from otel_agentprof.semconv import Role


@dataclass(frozen=True, slots=True)
class Ledger:
    """What each span of a tree is, and which of its tokens count. All tuples are indexed like ``tree.spans``.

    Attributes:
        roles: What kind of work each span is.
        counted: False where another span already stands for the same call.
        usage: The tokens that count; None where the span has none or another span has them.
        models: The model that the tokens belong to.
        providers: The vendor that is paid for them.
        costs_reported: US dollars that the span itself names.
        roll_ups: Spans whose tokens were left out because spans below them have them.
    """

    roles: tuple[Role, ...]
    counted: tuple[bool, ...]
    usage: tuple[TokenUsage | None, ...]
    models: tuple[str | None, ...]
    providers: tuple[str | None, ...]
    costs_reported: tuple[float | None, ...]
    roll_ups: frozenset[int]


def count(tree: SpanTree) -> Ledger:
    """Return the ledger of a tree: roles, and tokens once per call."""
    raise NotImplementedError


__all__ = ["Ledger", "count", "dialects", "semconv"]
