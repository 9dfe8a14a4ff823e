"""What a call cost, in parts that add up."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

ZERO = Decimal(0)


def billed_models(provider: str | None, asked: object, answered: str | None) -> tuple[str, ...]:
    """Return the names by which a call may be billed, the best first: who answered, else who was asked.

    Bedrock bills the id that was asked for: a prefix such as ``global.`` decides the price, and an answer in
    the model's own words has lost it. The answer's name is for an id that tells no model.

    >>> billed_models("aws.bedrock", "global.anthropic.claude-opus-5", "claude-opus-5")
    ('global.anthropic.claude-opus-5', 'claude-opus-5')
    """
    if asked.__class__ is not str or asked == answered:
        asked = None
    if not answered:
        return (asked,) if asked else ()
    return (asked, answered) if asked and provider and "bedrock" in provider else (answered,)


class Total(NamedTuple):
    """US dollars for one call in one sum, for who does not ask for the parts."""

    total: Decimal


class Cost(NamedTuple):
    """US dollars for one call.

    The five parts are disjoint and add up to the total: ``input`` is what was paid for the input that was
    neither read from nor written to a cache, ``output`` for the output that was not reasoning.

    Attributes:
        source: ``local`` (tokens times a price table) or ``provider`` (the provider said so).
        price_table: Name and date of the table, or "" where the provider said the price.
    """

    input: Decimal = ZERO
    cache_read: Decimal = ZERO
    cache_write: Decimal = ZERO
    output: Decimal = ZERO
    reasoning: Decimal = ZERO
    source: str = "local"
    price_table: str = ""

    @property
    def total(self) -> Decimal:
        """The sum of the parts."""
        return self.input + self.cache_read + self.cache_write + self.output + self.reasoning
