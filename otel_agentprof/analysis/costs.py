"""What each call of a trace cost, with every call paid once.

A price that came with the span wins; else tokens times a price. Which prices: the caller says, so that
this room stays free of price tables.
"""

from __future__ import annotations

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
    paid: list[Decimal | None] = [None] * len(tree.spans)
    paid_below = bytearray(len(tree.spans) + 1)
    for index in reversed(tree.top_down):
        usage = ledger.usage[index]
        cost = _said(ledger.costs_reported[index], usage)
        if usage is not None:
            paid[index] = _priced(tree, ledger, index, usage, price) if cost is None else cost
        elif not paid_below[index]:
            paid[index] = cost  # money without tokens; above calls that are paid it would be their sum
        if paid_below[index] or paid[index] is not None:
            paid_below[tree.parents[index]] = True
    return tuple(paid)


def _said(reported: float | None, usage: TokenUsage | None) -> Decimal | None:
    # Several tools write 0 when they do not know (dialects.md, R10 and section 6.8).
    is_unknown = reported is None or (reported == 0 and (usage is None or usage.total > 0))
    return None if is_unknown else Decimal(str(reported))


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
