"""What a call cost, in parts that add up."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

ZERO = Decimal(0)


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
