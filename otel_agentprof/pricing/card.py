"""One model's prices, resolved and ready to multiply.

Tokens are counted in overlapping groups (cached input is input too), so they are first cut into disjoint
cells, and each cell is paid at the rate of the narrowest group that has a price:

    input  |--- fresh ---|- fresh audio -|- cached audio -|- cached -|- written, 1 h -|- written -|
    output |--- said ----|- said in audio ----------------|- reasoning ---------------------------|

Images and videos are cells of their own as audio is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Context, Decimal, getcontext, localcontext, setcontext
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof.model.cost import ZERO, Cost
from otel_agentprof.model.tokens import TokenUsage
from otel_agentprof.pricing.sums import MOST_TOKENS, sums_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from otel_agentprof.pricing.sums import Sums

# The program that we run in may have set a coarse or trapping context of its own; sums must stay exact.
EXACT: Final = Context(prec=60, traps=[])

# Groups of tokens as TokenUsage names them, the narrowest first: the groups inside, the part of the cost.
_GROUPS: Final = (
    ("audio_cache_read", (), "cache_read"),
    ("cache_write_1h", (), "cache_write"),
    ("image_cache_read", (), "cache_read"),
    ("cache_read", ("audio_cache_read", "image_cache_read"), "cache_read"),
    ("cache_write", ("cache_write_1h",), "cache_write"),
    ("audio_input", ("audio_cache_read",), "input"),
    ("image_input", ("image_cache_read",), "input"),
    ("video_input", (), "input"),
    (
        "input",
        (
            "audio_cache_read",
            "cache_write_1h",
            "image_cache_read",
            "cache_read",
            "cache_write",
            "audio_input",
            "image_input",
            "video_input",
        ),
        "input",
    ),
    ("reasoning", (), "reasoning"),
    ("audio_output", (), "output"),
    ("image_output", (), "output"),
    ("video_output", (), "output"),
    ("output", ("reasoning", "audio_output", "image_output", "video_output"), "output"),
)
# Tokens that may be both: how many are is not told, and each way has another price.
_CROSSING: Final = (
    ("audio_input", "cache_write"),
    ("image_input", "cache_write"),
    ("video_input", "cache_write"),
    ("video_input", "cache_read"),
    ("audio_output", "reasoning"),
    ("image_output", "reasoning"),
    ("video_output", "reasoning"),
)
_NO_PICTURES: Final = (0,) * 5  # the last fields of TokenUsage
_NO_DETAILS: Final = (0,) * 9  # all after reasoning
GROUP_NAMES: Final = frozenset(name for name, _, _ in _GROUPS)
REQUEST: Final = "request"


class Rates(NamedTuple):
    """US dollars per token of each cell, for prompts of more than ``above`` input tokens."""

    above: int
    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write: Decimal
    cache_write_1h: Decimal
    reasoning: Decimal
    audio_input: Decimal
    audio_cache_read: Decimal
    audio_output: Decimal
    image_input: Decimal
    image_cache_read: Decimal
    image_output: Decimal
    video_input: Decimal
    video_output: Decimal
    request: Decimal


@dataclass(frozen=True, slots=True)
class RateCard:
    """The prices of one model at one provider, valid for a stretch of time.

    Attributes:
        model: The name of the model in the price table.
        provider: Who sells it, in the price table's spelling; "" in your own prices for any provider.
        table: Name and version or date of the table.
        bands: Rates by length of the prompt, the shortest first. A longer band is paid for all tokens of a
            call, not only for those above its start.
        priced: The groups of tokens that have a price of their own.
        has_audio: Whether audio tokens are among them.
        has_pictures: Whether tokens of images or videos are.
        from_ns: First instant at which these prices hold, in Unix nanoseconds.
        until_ns: First instant at which they no longer hold; None when no change is known.
        sums: The bands once more, for :meth:`usd`; none where it has to add up the parts.
    """

    model: str
    provider: str
    table: str
    bands: tuple[Rates, ...]
    priced: frozenset[str]
    has_audio: bool
    has_pictures: bool
    from_ns: int
    until_ns: int | None
    sums: tuple[Sums, ...] = field(default=(), repr=False, compare=False)

    def cost(self, usage: TokenUsage) -> Cost | None:
        """Return what the tokens of one call cost; None when they contradict each other."""
        if usage[9:] != _NO_PICTURES and (self.has_pictures or min(usage) < 0):
            return _cost_of_overlap(self, usage)
        taken, made, read, written, reasoning, written_1h, audio_in, audio_out, audio_read = usage[:9]
        if audio_in < 0 or audio_out < 0 or audio_read < 0:
            return None
        if not self.has_audio:
            audio_in = audio_out = audio_read = 0
        fresh_audio = audio_in - audio_read
        fresh = taken - read - written - fresh_audio
        cached = read - audio_read
        written_5m = written - written_1h
        said = made - reasoning - audio_out
        rates = self.bands[0]
        for band in self.bands:
            if taken > band.above:
                rates = band
        if (
            fresh < 0 or fresh_audio < 0 or cached < 0 or written_5m < 0 or written_1h < 0
            or said < 0 or reasoning < 0
            or (audio_in and written) or (audio_out and reasoning)
        ):  # fmt: skip
            return _cost_of_overlap(self, usage)
        before = getcontext()
        setcontext(EXACT)  # not localcontext, which copies it: this is done for each call
        try:
            parts = (
                fresh * rates.input + fresh_audio * rates.audio_input + rates.request
                if fresh_audio
                else fresh * rates.input + rates.request,
                cached * rates.cache_read + audio_read * rates.audio_cache_read
                if audio_read
                else cached * rates.cache_read,
                written_5m * rates.cache_write + written_1h * rates.cache_write_1h if written else ZERO,
                said * rates.output + audio_out * rates.audio_output if audio_out else said * rates.output,
                reasoning * rates.reasoning if reasoning else ZERO,
                "local",
                self.table,
            )
        finally:
            setcontext(before)
        return tuple.__new__(Cost, parts)  # what Cost() comes down to, without a Python frame

    def usd(self, usage: TokenUsage) -> Decimal | None:
        """Return the total of :meth:`cost`, in half the time for nearly all calls."""
        taken, made, read, written, reasoning = usage[:5]
        fresh, said = taken - read - written, made - reasoning
        if (
            fresh < 0 or read < 0 or written < 0 or said < 0 or reasoning < 0
            or usage[5:] != _NO_DETAILS
            or taken > MOST_TOKENS or made > MOST_TOKENS or not self.sums
        ):  # fmt: skip
            cost = self.cost(usage)
            return None if cost is None else cost.total
        sums = self.sums[0]
        for band in self.sums:
            if taken > band.above:
                sums = band
        _, unit, coarser, per_input, per_read, per_written, per_output, per_reasoning, request = sums
        units = fresh * per_input + read * per_read + written * per_written
        units += said * per_output + reasoning * per_reasoning + request
        amount = EXACT.multiply(unit, units)
        last_place = coarser[(2 if written else 0) + (1 if reasoning else 0)]
        return amount if last_place is None else amount.quantize(last_place, context=EXACT)


def _cost_of_overlap(card: RateCard, usage: TokenUsage) -> Cost | None:
    """Return the cost of seldom cells; where they cannot be told apart, groups without a price stay whole."""
    priced = card.priced
    if min(usage) < 0:
        return None
    for pair in _CROSSING:
        if priced.issuperset(pair) and all(getattr(usage, name) for name in pair):
            return None
    rates = next(band for band in reversed(card.bands) if usage.input > band.above)
    cells = _cells(usage, GROUP_NAMES) or _cells(usage, priced)
    if cells is None:
        return None
    parts = dict.fromkeys(Cost._fields[:5], ZERO)
    parts["input"] = rates.request
    with localcontext(EXACT):
        for name, _, part in _GROUPS:
            if name in cells:
                parts[part] += cells[name] * getattr(rates, name)
    return Cost(
        parts["input"],
        parts["cache_read"],
        parts["cache_write"],
        parts["output"],
        parts["reasoning"],
        "local",
        card.table,
    )


def _cells(usage: TokenUsage, names: frozenset[str]) -> dict[str, int] | None:
    """Return the tokens of each group that are in no narrower one; None where they contradict each other."""
    cells: dict[str, int] = {}
    for name, inside, _ in _GROUPS:
        if name in names:
            cells[name] = getattr(usage, name) - sum(cells.get(inner, 0) for inner in inside)
    return None if any(count < 0 for count in cells.values()) else cells


def build(
    bands: Iterable[tuple[int, Mapping[str, Decimal]]],
    *,
    model: str,
    provider: str,
    table: str,
    from_ns: int = 0,
    until_ns: int | None = None,
) -> RateCard:
    """Return a card from US dollars per token (and per ``request``) of the groups that have a price.

    Args:
        bands: Number of input tokens above which they hold, and the prices. The first is above -1 tokens.
        model: The model's name in the table.
        provider: Who sells it; "" for anybody.
        table: Name and edition of the table.
        from_ns: First instant at which the prices hold.
        until_ns: First instant at which they no longer do; None when no change is known.
    """
    bands = tuple(bands)
    rates = tuple(_rates(above, prices) for above, prices in bands)
    with localcontext(EXACT):
        sums = tuple(map(sums_of, rates))
    priced = frozenset(bands[0][1]) & GROUP_NAMES
    return RateCard(
        model=model,
        provider=provider,
        table=table,
        bands=rates,
        priced=priced,
        has_audio=not priced.isdisjoint(("audio_input", "audio_output", "audio_cache_read")),
        has_pictures=not priced.isdisjoint(TokenUsage._fields[9:]),
        from_ns=from_ns,
        until_ns=until_ns,
        sums=tuple([one for one in sums if one is not None]) if None not in sums else (),
    )


def _rates(above: int, prices: Mapping[str, Decimal]) -> Rates:
    def first(*names: str) -> Decimal:
        return next((prices[name] for name in names if name in prices), ZERO)

    return Rates(
        above=above,
        input=first("input"),
        output=first("output"),
        cache_read=first("cache_read", "input"),
        cache_write=first("cache_write", "input"),
        cache_write_1h=first("cache_write_1h", "cache_write", "input"),
        reasoning=first("reasoning", "output"),
        audio_input=first("audio_input", "input"),
        audio_cache_read=first("audio_cache_read", "cache_read", "audio_input", "input"),
        audio_output=first("audio_output", "output"),
        image_input=first("image_input", "input"),
        image_cache_read=first("image_cache_read", "cache_read", "image_input", "input"),
        image_output=first("image_output", "output"),
        video_input=first("video_input", "input"),
        video_output=first("video_output", "output"),
        request=first(REQUEST),
    )
