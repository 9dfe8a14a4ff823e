"""What the tokens of a call cost in one sum, for who does not ask for its parts.

The analysis asks so for each call and for each change that it tries, so the rates of a card are made whole
numbers once: 3000 fresh, 1000 cached, 200 said at 2.50, 1.25 and 10.00 dollars a million are

    (3000 * 250 + 1000 * 125 + 200 * 1000) * 1E-8 dollars

which is what adding up the parts gives, to the last zero.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from otel_agentprof.pricing.card import Rates

MOST_TOKENS: Final = 10**12  # of one call; its sum then has fewer digits than any context keeps
_MOST_UNITS: Final = 10**12


class Sums(NamedTuple):
    """The rates of one band as whole numbers.

    Attributes:
        above: As in ``Rates``.
        unit: What one of a rate is, in US dollars.
        coarser: What a sum is written in that needs no unit so fine, else None: without written and reasoning
            tokens, with reasoning, with written tokens, with both.
    """

    above: int
    unit: Decimal
    coarser: tuple[Decimal | None, ...]
    input: int
    cache_read: int
    cache_write: int
    output: int
    reasoning: int
    request: int


def sums_of(rates: Rates) -> Sums | None:
    """Return the rates as whole numbers; None where they have too many digits for that."""
    always = min(0, *map(_places, (rates.input, rates.request, rates.cache_read, rates.output)))
    written = min(always, _places(rates.cache_write), _places(rates.cache_write_1h))
    reasoning = min(always, _places(rates.reasoning))
    finest = min(written, reasoning)
    whole = [
        int(rate.scaleb(-finest))
        for rate in (
            rates.input,
            rates.cache_read,
            rates.cache_write,
            rates.output,
            rates.reasoning,
            rates.request,
        )
    ]
    if max(whole) > _MOST_UNITS:
        return None
    unit = Decimal((0, (1,), finest))
    coarser = [
        None if places == finest else Decimal((0, (1,), places)) for places in (always, reasoning, written)
    ]
    return Sums(rates.above, unit, (*coarser, None), *whole)


def _places(rate: Decimal) -> int:
    return int(rate.as_tuple().exponent)
