"""Prices for tests: one dollar per thousand tokens of the model ``m``, nothing is known of any other."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from otel_agentprof.model import Cost

if TYPE_CHECKING:
    from otel_agentprof.model import TokenUsage


def flat_price(
    usage: TokenUsage,
    model: str,
    *,
    provider: str | None = None,
    server_address: str | None = None,
    tier: str | None = None,
    at_ns: int | None = None,
) -> Cost | None:
    """Return the flat price; half of it in the flex tier, so that a test sees what it was asked with."""
    del provider, server_address, at_ns
    if model != "m":
        return None
    rate = Decimal("0.0005") if tier == "flex" else Decimal("0.001")
    return Cost(input=usage.input * rate, output=usage.output * rate)
