"""From an entry of the genai-prices table to a rate card: which prices hold, and from when until when.

Import this only once the table is there: it imports genai-prices.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Final

from genai_prices import Usage
from genai_prices.types import ModelPrice, StartDateConstraint, TieredPrices

from otel_agentprof.pricing import card, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from genai_prices.types import ModelInfo, Provider, TimeOfDateConstraint

    from otel_agentprof.pricing.card import RateCard

    Price = Decimal | TieredPrices
    Constraint = StartDateConstraint | TimeOfDateConstraint

_MILLION: Final = 1_000_000
# The table's price keys, our names of the same groups, and the number of units that a price is for.
_GROUP_OF_KEY: Final[Mapping[str, tuple[str, int]]] = {
    "input_mtok": ("input", _MILLION),
    "output_mtok": ("output", _MILLION),
    "cache_read_mtok": ("cache_read", _MILLION),
    "cache_write_mtok": ("cache_write", _MILLION),
    "cache_write_1h_mtok": ("cache_write_1h", _MILLION),
    "output_reasoning_mtok": ("reasoning", _MILLION),
    "input_audio_mtok": ("audio_input", _MILLION),
    "output_audio_mtok": ("audio_output", _MILLION),
    "cache_audio_read_mtok": ("audio_cache_read", _MILLION),
    "input_image_mtok": ("image_input", _MILLION),
    "output_image_mtok": ("image_output", _MILLION),
    "cache_image_read_mtok": ("image_cache_read", _MILLION),
    "input_video_mtok": ("video_input", _MILLION),
    "output_video_mtok": ("video_output", _MILLION),
    "requests_kcount": (card.REQUEST, 1_000),
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_NS: Final = 86_400 * 10**9
_LAST_NS: Final = 250_000_000_000 * 10**9  # in the year 9892: datetime ends soon after


def card_of(seller: Provider, info: ModelInfo, *, tier: str | None = None, at_ns: int) -> RateCard | None:
    """Return the card of one entry; None when it is billed by what no token count tells, such as hours.

    Args:
        seller: Who is paid.
        info: The table's entry of the model, the seller's own or one it falls back to.
        tier: What the provider billed the call as (``flex``, ``priority``, ``batch``): the one word stands
            for whatever the entry asks for, be it a service tier, a way of processing or a speed.
        at_ns: When the call was made, in Unix nanoseconds.
    """
    at_ns = max(0, min(at_ns, _LAST_NS))
    context = price_context(seller, info, tier)
    price = info.get_prices(_EPOCH + timedelta(microseconds=at_ns // 1000), context)
    groups = _groups(price)
    if groups is None:
        return None
    starts = {tier.start for value, _ in groups.values() for tier in getattr(value, "tiers", ())}
    from_ns, until_ns = _window(constraints(info, with_variants=bool(context)), at_ns)
    return card.build(
        ((above, _prices_above(above, groups)) for above in (-1, *sorted(starts))),
        model=info.id,
        provider=seller.id,
        table=table.price_table(),
        from_ns=from_ns,
        until_ns=until_ns,
    )


def warm_up() -> None:
    """Make genai-prices import what it imports only when it first calculates."""
    ModelPrice(input_mtok=Decimal(1)).calc_price(Usage(input_tokens=1))


def price_context(seller: Provider, info: ModelInfo, tier: str | None) -> dict[str, str]:
    """Return the tier in the entry's words; nothing for another seller's, whose tiers do not hold."""
    if not tier or not any(info is own for own in seller.models):
        return {}
    return {key: tier for variant in info.price_variants or () for key in variant.when}


def _groups(price: ModelPrice) -> dict[str, tuple[Price, int]] | None:
    """Return what a group of tokens costs, and how many tokens cost that."""
    keys = {key: value for key, value in price.__dict__.items() if value is not None}
    groups = {
        _GROUP_OF_KEY[key][0]: (value, _GROUP_OF_KEY[key][1])
        for key, value in keys.items()
        if key in _GROUP_OF_KEY
    }
    if keys and not groups:
        return None
    try:
        with localcontext(card.EXACT):
            price.calc_price(Usage())
    except (ValueError, UserWarning):  # the entry contradicts itself, or names a unit that nobody knows
        return None
    return groups


def _prices_above(above: int, groups: Mapping[str, tuple[Price, int]]) -> dict[str, Decimal]:
    with localcontext(card.EXACT):
        return {name: price_above(above, value) / per for name, (value, per) in groups.items()}


def price_above(above: int, value: Price) -> Decimal:
    """Return the price that holds for prompts of more than so many input tokens."""
    if not isinstance(value, TieredPrices):
        return value
    return next((tier.price for tier in reversed(value.tiers) if above >= tier.start), value.base)


def constraints(info: ModelInfo, *, with_variants: bool) -> Iterable[Constraint]:
    """Yield everything that makes the prices of an entry depend on the time."""
    conditional = info.prices if isinstance(info.prices, list) else ()
    variants = info.price_variants or () if with_variants else ()
    for part in (*conditional, *variants):
        if part.constraint is not None:
            yield part.constraint


def _window(constraints: Iterable[Constraint], at_ns: int) -> tuple[int, int | None]:
    """Return from when until when nothing that the constraints say can change."""
    turns: list[int] = []
    today = at_ns // _DAY_NS
    for constraint in constraints:
        if isinstance(constraint, StartDateConstraint):
            turns.append((constraint.start_date - _EPOCH.date()).days * _DAY_NS)
        else:
            for clock in (constraint.start_time, constraint.end_time):
                turns += [day * _DAY_NS + _ns_of_day(clock) for day in (today - 1, today, today + 1)]
    return (
        max((turn for turn in turns if turn <= at_ns), default=0),
        min((turn for turn in turns if turn > at_ns), default=None),
    )


def _ns_of_day(clock: time) -> int:
    moment = datetime.combine(date(1970, 1, 2), clock if clock.tzinfo else clock.replace(tzinfo=UTC))
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000 % _DAY_NS
