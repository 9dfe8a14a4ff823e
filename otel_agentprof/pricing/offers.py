"""What the price table says of a model, for people: every rate in its own unit, every seller, and near names.

Import this only once the table is there: it imports genai-prices.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from time import time_ns
from typing import TYPE_CHECKING, Final

from genai_prices.types import StartDateConstraint

from otel_agentprof.pricing import lookup, resolve, sellers, table
from otel_agentprof.pricing.card import GROUP_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from genai_prices.types import ModelInfo, ModelPrice, Provider

    from otel_agentprof.pricing.card import RateCard

_TOKENS: Final = "1M tokens"
_UNITS: Final[Mapping[str, str]] = {
    "mtok": _TOKENS,
    "kcount": "1K",
    "hours": "hour",
    "mchars": "1M characters",
    "gpixels": "1G pixels",
    "kpages": "1K pages",
}


@dataclass(frozen=True, slots=True)
class Rate:
    """One price.

    Attributes:
        name: What is paid for, such as ``cache read``.
        usd: US dollars.
        per: For how much of it.
        above: Prices for longer prompts: number of input tokens above which it holds, US dollars.
    """

    name: str
    usd: Decimal
    per: str
    above: tuple[tuple[int, Decimal], ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """What one seller takes for a model now.

    Attributes:
        provider: The seller in the table's spelling; "" for any, in your own prices.
        model: The model's name in the table.
        table: Where the prices come from.
        rates: The prices; none where the table says that it is free.
        tiers: The prices that differ when the call is billed so: the tier's name, its prices.
        until: When the prices change, as far as the table knows.
        comment: What the table's makers say about them.
    """

    provider: str
    model: str
    table: str
    rates: tuple[Rate, ...]
    tiers: tuple[tuple[str, tuple[Rate, ...]], ...] = ()
    until: datetime | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """Everybody who sells a model.

    Attributes:
        model: The name that was asked for.
        used: The offer that a call of this model is billed by, at the provider that was given or that the
            name tells; None where the name alone does not say who is paid.
        others: The other offers, your own prices first.
        newest: Day of the newest price change in the table that is in force.
    """

    model: str
    used: Offer | None
    others: tuple[Offer, ...]
    newest: date | None


def describe(model: str, provider: str | None = None) -> Listing | None:
    """Return who sells a model and for how much, of one provider or of all; None when nobody does."""
    prices = table.snapshot()
    everybody = prices.providers if prices is not None else []
    now_ns = time_ns()
    found = sellers.find(everybody, model, provider=provider, server_address=None)
    own = lookup.own().find_card(model, provider)
    if (
        own is None and found is not None
    ):  # the name says who is paid, and for that seller there is an own price
        own = lookup.own().find_card(model, found[0].id)
    used = _own_offer(own) if own is not None else None if found is None else _offer(*found, now_ns)
    others = () if provider is not None else tuple(_others(everybody, model, used, now_ns))
    if used is None and not others:
        return None
    return Listing(model=model, used=used, others=others, newest=_newest(everybody, now_ns))


def near_names(model: str, provider: str | None = None) -> tuple[str, ...]:
    """Return up to three names in the table that look like the model's, the nearest first."""
    prices = table.snapshot()
    everybody = prices.providers if prices is not None else []
    seller = sellers.seller_called(everybody, provider) if provider is not None else None
    names = {info.id for known in ([seller] if seller else everybody) for info in known.models}
    return tuple(difflib.get_close_matches(model.lower(), sorted(names), n=3))


def _others(everybody: Sequence[Provider], model: str, used: Offer | None, now_ns: int) -> list[Offer]:
    cards = lookup.own().find_cards(model)
    offers = [_own_offer(card) for card in cards if used is None or used.provider != card.provider]
    known = {card.provider for card in cards} | ({used.provider} if used is not None else set())
    for seller in everybody:
        info = None if seller.id in known else seller.find_model(model, all_providers=list(everybody))
        if info is not None:
            offers.append(_offer(seller, info, now_ns))
    return offers


def _own_offer(card: RateCard) -> Offer:
    rates = card.bands[0]
    names = [name for name in rates._fields if name in GROUP_NAMES and name in card.priced]
    return Offer(
        provider=card.provider,
        model=card.model,
        table=card.table,
        rates=tuple(
            Rate(name.replace("_", " "), getattr(rates, name) * 1_000_000, _TOKENS) for name in names
        ),
    )


def _offer(seller: Provider, info: ModelInfo, now_ns: int) -> Offer:
    card = resolve.card_of(seller, info, at_ns=now_ns)
    until_ns = None if card is None else card.until_ns
    now = datetime.fromtimestamp(now_ns // 10**9, UTC)
    standard = info.get_prices(now)
    names = dict.fromkeys(tier for variant in info.price_variants or () for tier in variant.when.values())
    tiers = [(tier, info.get_prices(now, resolve.price_context(seller, info, tier))) for tier in names]
    return Offer(
        provider=seller.id,
        model=info.id,
        table=table.price_table(),
        rates=_rates(standard),
        tiers=tuple((tier, _rates(prices)) for tier, prices in tiers if prices != standard),
        until=None if until_ns is None else datetime.fromtimestamp(until_ns // 10**9, UTC),
        comment=info.price_comments or "",
    )


def _rates(prices: ModelPrice) -> tuple[Rate, ...]:
    rates: list[Rate] = []
    for key, value in prices.__dict__.items():
        if value is None:
            continue
        name, _, unit = key.rpartition("_")
        steps = tuple((step.start, step.price) for step in getattr(value, "tiers", ()))
        usd = resolve.price_above(-1, value)
        rates.append(Rate(name.replace("_", " "), usd, _UNITS.get(unit, unit), steps))
    return tuple(rates)


def _newest(everybody: Sequence[Provider], now_ns: int) -> date | None:
    today = datetime.fromtimestamp(now_ns // 10**9, UTC).date()
    days = [
        constraint.start_date
        for seller in everybody
        for info in seller.models
        for constraint in resolve.constraints(info, with_variants=True)
        if isinstance(constraint, StartDateConstraint) and constraint.start_date <= today
    ]
    return max(days, default=None)
