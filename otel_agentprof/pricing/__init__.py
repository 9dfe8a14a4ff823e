"""Money: what a model's tokens cost, by your own prices first and by the genai-prices table else.

A price is resolved once per model, provider, address and service tier into a :class:`RateCard`; from then on
a call's cost is a few multiplications. The table is loaded on a thread of its own
(:func:`load_in_background`), and nothing here ever asks the network. A price that nobody knows is None: never
0, never a default. ``pricing.offers`` tells people what is in the table.
"""

from __future__ import annotations

from otel_agentprof.pricing.card import RateCard
from otel_agentprof.pricing.lookup import configure, price, rate_card, total
from otel_agentprof.pricing.table import load_in_background, price_table, wait

__all__ = [
    "RateCard",
    "configure",
    "load_in_background",
    "price",
    "price_table",
    "rate_card",
    "total",
    "wait",
]
