"""How much a model can read and write at once, as far as the price table says it."""

from __future__ import annotations

from otel_agentprof.pricing import sellers, table


def context_tokens(model: str, provider: str | None = None) -> int | None:
    """Return the size of a model's context in tokens; None where the table does not say."""
    prices = table.snapshot()
    if prices is None:
        return None
    found = sellers.find(prices.providers, model, provider=provider, server_address=None)
    return None if found is None else found[1].context_window
