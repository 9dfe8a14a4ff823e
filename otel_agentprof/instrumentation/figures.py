"""Tokens and money as attributes of a span; the same whoever saw the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import pricing, semconv
from otel_agentprof.model.cost import billed_models
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from otel_agentprof.model.cost import Cost

_USAGE_PARTS: Final = (  # as TokenUsage orders them, after input and output
    semconv.USAGE_CACHE_READ,
    semconv.USAGE_CACHE_WRITE,
    semconv.USAGE_REASONING,
    semconv.CACHE_WRITE_1H,
    semconv.USAGE_AUDIO_INPUT,
    semconv.USAGE_AUDIO_OUTPUT,
    semconv.USAGE_AUDIO_CACHE_READ,
    semconv.USAGE_IMAGE_INPUT,
    semconv.USAGE_IMAGE_OUTPUT,
    semconv.USAGE_IMAGE_CACHE_READ,
    semconv.VIDEO_INPUT,
    semconv.VIDEO_OUTPUT,
)
_COST_PARTS: Final = (  # as Cost orders them
    semconv.COST_INPUT,
    semconv.COST_CACHE_READ,
    semconv.COST_CACHE_WRITE,
    semconv.COST_OUTPUT,
    semconv.COST_REASONING,
)
USAGE_ATTRIBUTES: Final = (semconv.USAGE_INPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS, *_USAGE_PARTS)
COST_ATTRIBUTES: Final = (semconv.COST_TOTAL, *_COST_PARTS, semconv.COST_PRICE_TABLE)


def sound(usage: TokenUsage) -> TokenUsage:
    """Return counts as non-negative ints: compatible servers send floats, None or worse."""
    for value in usage:
        if value.__class__ is not int or value < 0:
            return TokenUsage(*(_count(n) for n in usage))
    return usage


def _count(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else 0


def write_usage(facts: dict[str, Any], usage: TokenUsage, *, has_output: bool) -> None:
    """Write tokens; without the output where it is not known, for no figure is better than a wrong one."""
    facts[semconv.USAGE_INPUT_TOKENS] = usage.input
    if has_output:
        facts[semconv.USAGE_OUTPUT_TOKENS] = usage.output
    for attribute, value in zip(_USAGE_PARTS, usage[2:], strict=True):
        if value:
            facts[attribute] = value  # noqa: PERF403 - a comprehension would be a call more


def price_of(
    usage: TokenUsage,
    model: str | None,
    *,
    asked: str | None = None,
    provider: str | None,
    address: str | None,
    tier: str | None,
) -> Cost | None:
    """Return what a call cost by the price table, given who answered and who was asked; None: unknown."""
    for name in billed_models(provider, asked, model):
        card = pricing.rate_card(name, provider=provider, server_address=address, tier=tier)
        if card is not None:
            return card.cost(usage)
    return None


def write_cost(facts: dict[str, Any], cost: Cost, *, is_mirrored: bool) -> None:
    """Write a cost and its parts."""
    write_total(facts, float(cost.total), cost.source, is_mirrored=is_mirrored)
    for attribute, part in zip(_COST_PARTS, cost[:5], strict=True):
        if part:
            facts[attribute] = float(part)
    facts[semconv.COST_PRICE_TABLE] = cost.price_table


def write_total(facts: dict[str, Any], usd: float, source: str, *, is_mirrored: bool) -> None:
    """Write what a call cost, and who says so; also under the proposed name that other tools read."""
    facts[semconv.COST_TOTAL] = usd
    facts[semconv.COST_CURRENCY] = "USD"
    facts[semconv.COST_SOURCE] = source
    if is_mirrored:
        facts[semconv.COST_MIRROR_AMOUNT] = usd
        facts[semconv.COST_MIRROR_CURRENCY] = "USD"
        facts[semconv.COST_MIRROR_SOURCE] = source
