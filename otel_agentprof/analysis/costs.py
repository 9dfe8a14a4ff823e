"""What each call of a trace cost, with every call paid once.

A price that came with the span wins; else tokens times a price. Which prices: the caller says, so that
this room stays free of price tables.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from otel_agentprof import semconv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from otel_agentprof.model.cost import Cost
    from otel_agentprof.model.counting import Ledger
    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.model.tree import SpanTree


class Price(Protocol):
    """Whatever knows the price of tokens, such as ``otel_agentprof.pricing.price``."""

    def __call__(
        self,
        usage: TokenUsage,
        model: str,
        *,
        provider: str | None = None,
        server_address: str | None = None,
        tier: str | None = None,
        at_ns: int | None = None,
    ) -> Cost | None:
        """Return what the tokens cost, None when the price is not known."""
        ...


def costs(tree: SpanTree, ledger: Ledger, price: Price) -> tuple[Decimal | None, ...]:
    """Return US dollars per span, indexed like ``tree.spans``.

    None for a span that is no call of its own, and for a call whose price nobody knows.
    """
    found: list[Decimal | None] = []
    for index, usage in enumerate(ledger.usage):
        cost = _said(ledger.costs_reported[index], usage)
        if usage is None:
            # A leaf may name its price without its tokens. A parent that does so repeats its children.
            is_call = ledger.counted[index] and ledger.roles[index] in semconv.LEAF_ROLES
            found.append(cost if is_call else None)
        else:
            found.append(_priced(tree, ledger, index, usage, price) if cost is None else cost)
    return tuple(found)


def _said(reported: float | None, usage: TokenUsage | None) -> Decimal | None:
    if reported is None or not math.isfinite(reported) or reported < 0:
        return None
    if reported == 0 and usage is not None and usage.total:
        return None  # several tools write 0 when they do not know (dialects.md, R10 and section 6.8)
    return Decimal(str(reported))


def _priced(tree: SpanTree, ledger: Ledger, index: int, usage: TokenUsage, price: Price) -> Decimal | None:
    model = ledger.models[index]
    if model is None:
        return None
    attributes = tree.spans[index].attributes
    cost = price(
        usage,
        model,
        provider=ledger.providers[index],
        server_address=_text(attributes, semconv.SERVER_ADDRESS),
        tier=_text(attributes, semconv.OPENAI_RESPONSE_SERVICE_TIER),
        at_ns=tree.starts[index],
    )
    return None if cost is None else cost.total


def _text(attributes: Mapping[str, Any], key: str) -> str | None:
    value = attributes.get(key)
    return value if isinstance(value, str) and value else None
