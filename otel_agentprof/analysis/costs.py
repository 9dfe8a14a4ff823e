"""What each call of a trace cost, with every call paid once.

A price that came with the span wins; else tokens times a price. Which prices: the caller says, so that
this room stays free of price tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from otel_agentprof import semconv
from otel_agentprof.model.cost import ZERO, billed_models

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_agentprof.model.cost import Cost, Total
    from otel_agentprof.model.counting import Ledger
    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.model.tree import SpanTree


_TIERS: Final = (semconv.SERVICE_TIER, semconv.OPENAI_RESPONSE_SERVICE_TIER)
_SMALLEST_SHARE: Final = Decimal("1e-15")  # US dollars
_LARGEST_EXACT: Final = Decimal(10**12)  # beyond it a sum has more digits than Decimal keeps


class Price(Protocol):
    """Whatever knows the price of tokens, such as ``otel_agentprof.pricing.price`` or ``pricing.total``."""

    def __call__(
        self,
        usage: TokenUsage,
        model: str,
        *,
        provider: str | None = None,
        server_address: str | None = None,
        tier: str | None = None,
        at_ns: int | None = None,
    ) -> Cost | Total | None:
        """Return what the tokens cost, in parts or in one sum; None when the price is not known."""
        ...


@dataclass(frozen=True, slots=True)
class Dispute:
    """Money that a span names for the calls below it, beside what the calls themselves come to."""

    index: int
    reported_usd: Decimal
    counted_usd: Decimal | None
    is_used: bool


class Charges(NamedTuple):
    """What each span cost, and where two sources name different sums.

    Attributes:
        paid: US dollars per span, indexed like ``tree.spans``; None for a span that is no call of its own,
            and for a call whose price nobody knows.
        disputes: Sums of spans that have calls below; used where the vendor's own program named them, or
            where nobody else knows the price of any of the calls.
    """

    paid: tuple[Decimal | None, ...]
    disputes: tuple[Dispute, ...]


def costs(tree: SpanTree, ledger: Ledger, price: Price) -> tuple[Decimal | None, ...]:
    """Return US dollars per span, indexed like ``tree.spans``.

    None for a span that is no call of its own, and for a call whose price nobody knows.
    """
    return charges(tree, ledger, price).paid


def charges(tree: SpanTree, ledger: Ledger, price: Price) -> Charges:
    """Return what each span cost, and which sums of runs were used or put aside."""
    paid: list[Decimal | None] = [None] * len(tree.spans)
    paid_below = bytearray(len(tree.spans) + 1)
    for index in reversed(tree.top_down):
        usage, reported = ledger.usage[index], ledger.costs_reported[index]
        cost = None if reported is None else _said(reported, usage)
        if usage is not None:
            paid[index] = priced(tree, ledger, index, usage, price) if cost is None else cost
        elif not paid_below[index]:
            paid[index] = cost  # money without tokens; above calls that are paid it would be their sum
        if paid_below[index] or paid[index] is not None:
            paid_below[tree.parents[index]] = True
    disputes = _spread_run_costs(tree, ledger, paid) if ledger.run_costs else ()
    return Charges(tuple(paid), disputes)


def priced(
    tree: SpanTree,
    ledger: Ledger,
    index: int,
    usage: TokenUsage,
    price: Price,
    model: str | None = None,
) -> Decimal | None:
    """Return what tokens cost as part of a call; None when the price is not known.

    Args:
        tree: The spans.
        ledger: What they are.
        index: The call.
        usage: Its tokens, or others that it might have taken.
        price: What tokens cost.
        model: Another model that it might have asked; None is the one that it did ask.
    """
    said, asked, address, tier = tree.spans[index].attributes, None, None, None
    # Not by get, nor in a function: this is asked for each call, and for each change that is tried.
    if model is None and semconv.REQUEST_MODEL in said:
        asked = said[semconv.REQUEST_MODEL]
    if semconv.SERVER_ADDRESS in said:
        address = said[semconv.SERVER_ADDRESS]
    for key in _TIERS:
        if key in said:
            tier = said[key]
    provider = ledger.providers[index]
    for name in billed_models(provider, asked, model or ledger.models[index]):
        cost = price(
            usage,
            name,
            provider=provider,
            server_address=address if address and isinstance(address, str) else None,
            tier=tier if tier and isinstance(tier, str) else None,
            at_ns=tree.starts[index],
        )
        if cost is not None:
            return cost.total
    return None


def _spread_run_costs(tree: SpanTree, ledger: Ledger, paid: list[Decimal | None]) -> tuple[Dispute, ...]:
    """Put what only a run knows on its calls, in place, each sum once; outer runs first (R10)."""
    size = len(tree.spans) + 1
    calls, known, say_themselves = [0] * size, [ZERO] * size, [0] * size
    for index in reversed(tree.top_down):
        cost, parent = paid[index], tree.parents[index]
        calls[index] += ledger.usage[index] is not None
        known[index] += cost or ZERO
        say_themselves[index] += ledger.costs_reported[index] is not None
        for figures in (calls, say_themselves):
            figures[parent] += figures[index]
        known[parent] += known[index]
    found = []
    is_settled = bytearray(size)
    for index in tree.top_down:
        is_settled[index] |= is_settled[tree.parents[index]]
        reported = _said(ledger.run_costs.get(index), None)
        if reported is None or is_settled[index] or not calls[index]:
            continue
        is_used = not known[index] or (index in ledger.billed_runs and not say_themselves[index])
        found.append(Dispute(index, reported, known[index] or None, is_used=is_used))
        if is_used:
            is_settled[index] = True
            below = [call for call in _below(tree, index) if ledger.usage[call] is not None]
            _spread(ledger, below, reported, paid)
    return tuple(found)


def _below(tree: SpanTree, top: int) -> Iterator[int]:
    todo = list(tree.children[top])
    while todo:
        index = todo.pop()
        yield index
        todo.extend(tree.children[index])


def _spread(ledger: Ledger, calls: list[int], amount: Decimal, paid: list[Decimal | None]) -> None:
    """Share a sum out by the calls' own prices, else by their tokens; the parts add up to it exactly."""
    prices = [paid[call] or ZERO for call in calls]
    if ZERO in prices:
        prices = [Decimal(usage.total) if (usage := ledger.usage[call]) else ZERO for call in calls]
    whole = sum(prices, ZERO)
    left = amount
    for call, part in zip(calls[1:], prices[1:], strict=True):
        share = amount * part / whole if whole else ZERO
        if amount < _LARGEST_EXACT:
            share = share.quantize(_SMALLEST_SHARE)
        paid[call] = share
        left -= share
    paid[calls[0]] = left


def _said(reported: float | None, usage: TokenUsage | None) -> Decimal | None:
    # Several tools write 0 when they do not know (dialects.md, R10 and section 6.8).
    is_unknown = reported is None or (reported == 0 and (usage is None or usage.total > 0))
    return None if is_unknown else Decimal(str(reported))
