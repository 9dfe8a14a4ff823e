"""What calls take, in the three units that a budget can be in, as whole numbers.

Plain tuples and lists: they are added up in the hot path of every call.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

# Money in millionths of a millionth of a US dollar, tokens in and out, calls of models.
Figures = tuple[int, int, int]

PER_USD: Final = 10**12  # a table's smallest price per token is a thousand times more than one unit


def to_units(usd: Decimal | float) -> int:
    """Return an amount in whole units, rounded to the nearest."""
    return int(float(usd) * PER_USD + 0.5)


def to_usd(units: int) -> Decimal:
    """Return US dollars, exactly, whatever the program's decimal context is."""
    return Decimal(f"{units}E-12")
