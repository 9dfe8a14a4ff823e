"""A rate card says what genai-prices' own calculation says, for everything in its table."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import genai_prices
from genai_prices.data_snapshot import DataSnapshot, get_snapshot, set_custom_snapshot
from genai_prices.types import ClauseEquals, ModelInfo, ModelPrice, Provider, Tier, TieredPrices
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentprof import pricing
from otel_agentprof.model import TokenUsage
from otel_agentprof.pricing import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KEYS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "cache_write_1h": "cache_write_1h_tokens",
    "reasoning": "output_reasoning_tokens",
    "audio_input": "input_audio_tokens",
    "audio_output": "output_audio_tokens",
    "audio_cache_read": "cache_audio_read_tokens",
    "image_input": "input_image_tokens",
    "image_output": "output_image_tokens",
    "image_cache_read": "cache_image_read_tokens",
    "video_input": "input_video_tokens",
    "video_output": "output_video_tokens",
}
NOT_BY_TOKEN = {"hours", "mchars", "kpages"}
COUNTS = st.one_of(st.just(0), st.integers(0, 50), st.integers(0, 3_000_000))
MOMENTS = st.datetimes(datetime(2023, 1, 1), datetime(2028, 1, 1))  # noqa: DTZ001 - made UTC by ns_of


def part_of(count: int) -> st.SearchStrategy[int]:
    """Return a share of so many tokens, often none."""
    return st.one_of(st.just(0), st.integers(0, count))


@st.composite
def parts_of(draw: st.DrawFn, count: int) -> list[int]:
    """Return three shares of so many tokens, often none."""
    shares: list[int] = []
    for _ in range(3):
        shares.append(draw(part_of(count - sum(shares))))
    return shares


@st.composite
def sensible(draw: st.DrawFn) -> TokenUsage:
    taken, made = draw(COUNTS), draw(COUNTS)
    read = draw(part_of(taken))
    audio_read = draw(part_of(read))
    image_read = draw(part_of(read - audio_read))
    written = draw(part_of(taken - read))
    audio, image, video = draw(parts_of(taken - read - written))
    reasoning = draw(part_of(made))
    audio_made, image_made, video_made = draw(parts_of(made - reasoning))
    return TokenUsage(
        input=taken,
        output=made,
        cache_read=read,
        cache_write=written,
        reasoning=reasoning,
        cache_write_1h=draw(part_of(written)),
        audio_input=audio_read + audio,
        audio_output=audio_made,
        audio_cache_read=audio_read,
        image_input=image_read + image,
        image_output=image_made,
        image_cache_read=image_read,
        video_input=video,
        video_output=video_made,
    )


ANY_COUNTS = st.builds(TokenUsage, *[st.integers(-1, 40)] * len(TokenUsage._fields))
USAGES = st.one_of(sensible(), ANY_COUNTS)


def ns_of(moment: datetime) -> int:
    return (moment.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1) * 1000


def theirs_of(usage: TokenUsage) -> genai_prices.Usage:
    return genai_prices.Usage(**{KEYS[name]: count for name, count in usage._asdict().items()})


def their_total(
    info: ModelInfo, seller: Provider, usage: TokenUsage, moment: datetime, context: dict[str, str]
) -> Decimal | None:
    try:
        return info.calc_price(
            theirs_of(usage),
            seller,
            genai_request_timestamp=moment.replace(tzinfo=UTC),
            price_context=context,
        ).total_price
    except ValueError:
        return None


def everything() -> Iterator[tuple[Provider, ModelInfo, str | None, dict[str, str]]]:
    """Yield every entry of the table, plain and in every context that it has another price for."""
    for seller in get_snapshot().providers:
        for info in seller.models:
            yield seller, info, None, {}
            for variant in info.price_variants or ():
                yield seller, info, next(iter(variant.when.values())), variant.when


def is_by_token(price: ModelPrice) -> bool:
    units = {key.rpartition("_")[2] for key, value in price.__dict__.items() if value is not None}
    return "mtok" in units or not units & NOT_BY_TOKEN


@settings(max_examples=8, deadline=None)
@given(usage=USAGES, moment=MOMENTS)
def test_every_price_in_the_table_is_what_its_own_calculation_says(
    usage: TokenUsage, moment: datetime
) -> None:
    compared = 0

    for seller, info, tier, context in everything():
        card = resolve.card_of(seller, info, tier=tier, at_ns=ns_of(moment))
        cost = None if card is None else card.cost(usage)

        if not is_by_token(info.get_prices(moment.replace(tzinfo=UTC), context)):
            assert card is None
            continue
        expected = their_total(info, seller, usage, moment, context)
        assert (None if cost is None else cost.total) == expected, (seller.id, info.id, tier)
        assert repr(card and card.usd(usage)) == repr(cost and cost.total), (seller.id, info.id, tier)
        compared += 1
    assert compared > 2000


ENTRIES = list(everything())
FAR_NS = ns_of(datetime(2100, 1, 1))  # noqa: DTZ001 - made UTC by ns_of


@settings(max_examples=600, deadline=None)
@given(entry=st.sampled_from(ENTRIES), usage=USAGES, moment=MOMENTS)
def test_a_price_asked_for_by_name_is_what_calc_price_says(
    entry: tuple[Provider, ModelInfo, str | None, dict[str, str]], usage: TokenUsage, moment: datetime
) -> None:
    seller, info, tier, context = entry
    when = moment.replace(tzinfo=UTC)

    cost = pricing.price(usage, info.id, provider=seller.id, tier=tier, at_ns=ns_of(moment))

    try:
        found = genai_prices.calc_price(
            theirs_of(usage),
            info.id,
            provider_id=seller.id,
            genai_request_timestamp=when,
            price_context=context,
        )
    except (ValueError, LookupError):
        assert cost is None
    else:
        if is_by_token(found.model_price):
            assert cost is not None
            assert cost.total == found.total_price
        else:
            assert cost is None


def test_a_price_turns_at_the_very_microsecond_that_the_table_says() -> None:
    usage = TokenUsage(input=1000, output=500, cache_read=100)
    turning = [
        entry for entry in ENTRIES if list(resolve.constraints(entry[1], with_variants=bool(entry[2])))
    ]
    turns = 0

    for seller, info, tier, context in turning:
        for start in (datetime(2024, 1, 1), datetime(2026, 11, 20, 3)):  # noqa: DTZ001 - made UTC by ns_of
            at_ns: int | None = ns_of(start)
            for _ in range(6):  # an hour of the day turns for ever
                card = None if at_ns is None else resolve.card_of(seller, info, tier=tier, at_ns=at_ns)
                if card is None:
                    break
                for bound_ns in (card.from_ns, (card.until_ns or FAR_NS) - 1000):
                    moment = EPOCH + timedelta(microseconds=bound_ns // 1000)
                    cost = card.cost(usage)
                    assert cost is not None
                    assert cost.total == their_total(info, seller, usage, moment, context), (info.id, moment)
                at_ns, turns = card.until_ns, turns + 1

    assert turns > 200


def test_a_price_that_depends_on_the_hour_is_never_another_hours() -> None:
    usage = TokenUsage(input=1000, output=500, cache_read=100)
    hours = [(hour * 29) % 96 for hour in range(96)]  # forth and back over four days, each hour once
    moments = [datetime(2026, 11, 19, tzinfo=UTC) + timedelta(hours=hour) for hour in hours]

    for model in ("deepseek-chat", "deepseek-reasoner", "deepseek-v4-pro"):
        for moment in moments:
            ours = pricing.price(usage, model, provider="deepseek", at_ns=ns_of(moment))
            theirs = genai_prices.calc_price(
                theirs_of(usage), model, provider_id="deepseek", genai_request_timestamp=moment
            )
            assert ours is not None
            assert ours.total == theirs.total_price, (model, moment)


PRICES = st.decimals(0, 100, places=3)
TIERED = st.builds(
    lambda base, steps: TieredPrices(base=base, tiers=[Tier(start, price) for start, price in steps]),
    PRICES,
    st.lists(st.tuples(st.integers(0, 60), PRICES), min_size=1, max_size=2),
)
INSIDE = {
    "cache_read": ("input",),
    "cache_write": ("input",),
    "cache_write_1h": ("input", "cache_write"),
    "input_audio": ("input",),
    "cache_audio_read": ("input", "input_audio", "cache_read"),
    "output_reasoning": ("output",),
    "output_audio": ("output",),
    "input_image": ("input",),
    "cache_image_read": ("input", "input_image", "cache_read"),
    "output_image": ("output",),
    "input_video": ("input",),
    "output_video": ("output",),
}
JOINS = {
    ("input_audio", "cache_read"): "cache_audio_read",
    ("input_audio", "cache_write"): "cache_audio_write",
    ("input_audio", "cache_write_1h"): "cache_audio_write_1h",
    ("output_audio", "output_reasoning"): "output_audio_reasoning",
    ("input_image", "cache_read"): "cache_image_read",
    ("input_image", "cache_write"): "cache_image_write",
    ("input_image", "cache_write_1h"): "cache_image_write_1h",
    ("output_image", "output_reasoning"): "output_image_reasoning",
    ("input_video", "cache_read"): "cache_video_read",
    ("input_video", "cache_write"): "cache_video_write",
    ("input_video", "cache_write_1h"): "cache_video_write_1h",
    ("output_video", "output_reasoning"): "output_video_reasoning",
}


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Decimal | TieredPrices]:
    """Return prices of a model, nearly always ones that the library finds complete."""
    names = draw(st.sets(st.sampled_from(["input", "output", *INSIDE])))
    names |= {outer for name in names for outer in INSIDE.get(name, ())}
    names |= {join for pair, join in JOINS.items() if names.issuperset(pair)}
    names -= draw(st.sampled_from([set[str](), set[str](), set[str](), {"input"}, set(JOINS.values())]))
    prices = {f"{name}_mtok": draw(st.one_of(PRICES, TIERED)) for name in sorted(names)}
    if draw(st.booleans()):
        prices["requests_kcount"] = draw(PRICES)
    return prices


@settings(max_examples=300, deadline=None)
@given(prices=tables(), usage=USAGES)
def test_any_table_that_may_come_is_priced_as_its_own_calculation_does(
    prices: dict[str, Decimal | TieredPrices], usage: TokenUsage
) -> None:
    info = ModelInfo(id="m", match=ClauseEquals("m"), prices=ModelPrice(**prices))
    seller = Provider(id="s", name="S", api_pattern="https://s", models=[info])

    card = resolve.card_of(seller, info, at_ns=0)

    expected = their_total(info, seller, usage, EPOCH, {})
    cost = None if card is None else card.cost(usage)
    assert (None if cost is None else cost.total) == expected
    assert repr(card and card.usd(usage)) == repr(cost and cost.total)


@given(usage=sensible())
def test_no_part_of_a_cost_is_negative_and_each_holds_its_own_tokens(usage: TokenUsage) -> None:
    cost = pricing.price(usage, "claude-sonnet-4-5", provider="anthropic", at_ns=ns_of(datetime(2026, 1, 1)))  # noqa: DTZ001 - made UTC by ns_of

    assert cost is not None
    parts = cost[:5]
    assert all(part >= 0 for part in parts)
    assert sum(parts, Decimal(0)) == cost.total
    assert bool(cost.cache_read) == bool(usage.cache_read)
    assert bool(cost.cache_write) == bool(usage.cache_write)
    assert bool(cost.reasoning) == bool(usage.reasoning)


def test_a_table_that_the_program_replaced_is_used_and_dated() -> None:
    info = ModelInfo(
        id="house-model", match=ClauseEquals("house-model"), prices=ModelPrice(input_mtok=Decimal(7))
    )
    seller = Provider(id="house", name="House", api_pattern="https://house", models=[info])
    set_custom_snapshot(DataSnapshot([seller], from_auto_update=True))
    try:
        card = pricing.rate_card("house-model", provider="house")
        table = pricing.price_table()
    finally:
        set_custom_snapshot(None)

    assert card is not None
    assert card.bands[0].input == Decimal("0.000007")
    assert date.fromisoformat(table.removeprefix("genai-prices@")) <= datetime.now(UTC).date() + timedelta(1)
