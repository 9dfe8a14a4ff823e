"""What calls would save if they took other tokens.

A price is a sum of tokens times rates. So where the same rates hold for all of the calls, whatever their
length, their tokens are added up first: two prices instead of two for each call, and exactly the same sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_agentprof import semconv
from otel_agentprof.analysis.operations import total_usd
from otel_agentprof.analysis.saving import usd_with
from otel_agentprof.model.tokens import TokenUsage
from otel_agentprof.pricing import rate_card

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from decimal import Decimal

    from otel_agentprof.analysis.trace import Trace


def saved_usd(trace: Trace, changed: Mapping[int, TokenUsage]) -> Decimal | None:
    """Return what other tokens of some calls would save; None where the price of some call is not known."""
    if changed and _has_one_rate(trace, changed):
        added = _sum(map(trace.ledger.usage.__getitem__, changed)), _sum(changed.values())
        first = next(iter(changed))
        sums = [usd_with(trace, first, tokens) for tokens in added if tokens is not None]
        known = [usd for usd in sums if usd is not None]
        if len(known) == len(added):
            return known[0] - known[1]
    savings = []
    for index, usage in changed.items():
        paid, other = trace.cost_by_tokens(index), usd_with(trace, index, usage)
        if paid is None or other is None:
            return None
        savings.append(paid - other)
    return total_usd(savings)


def _has_one_rate(trace: Trace, calls: Collection[int]) -> bool:
    """Return whether the same rates hold for all of some calls, and for their tokens added up."""
    models, providers, spans = trace.ledger.models, trace.ledger.providers, trace.tree.spans
    asked = set()
    for index in calls:
        find = spans[index].attributes.get
        address, tier = find(semconv.SERVER_ADDRESS), find(semconv.OPENAI_RESPONSE_SERVICE_TIER)
        asked.add(
            (
                models[index],
                providers[index],
                address if address and isinstance(address, str) else None,
                tier if tier and isinstance(tier, str) else None,
            )
        )
    model, provider, server_address, service_tier = asked.pop()
    if asked or model is None:
        return False
    moments = list(map(trace.tree.starts.__getitem__, calls))
    card = rate_card(
        model, provider=provider, server_address=server_address, tier=service_tier, at_ns=min(moments)
    )
    if card is None or len(card.bands) > 1 or card.bands[0].request:
        return False  # what a long prompt costs, or one more request, is no matter of sums
    return card.until_ns is None or max(moments) < card.until_ns


def _sum(usages: Iterable[TokenUsage | None]) -> TokenUsage | None:
    """Return some tokens added up; None where the parts of one overlap, or some have rates of their own."""
    added = []
    for usage in usages:
        if (
            usage is None
            or usage.cache_read + usage.cache_write > usage.input
            or usage.reasoning > usage.output
            or any(usage[5:])
        ):
            return None
        added.append(usage)
    return TokenUsage(*map(sum, zip(*added, strict=True)))
