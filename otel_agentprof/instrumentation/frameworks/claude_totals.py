"""What Claude's program says of whole conversations, brought down to the single calls of models.

    messages of a turn      input and cached tokens of each call; its output only as it began, a placeholder
    result of a turn        per model, since the conversation began: all tokens, and what they cost

    output of a call  =  the turn's output of that model, shared out by how much each call wrote

So the sums are exact; with several calls of one model in a turn their own outputs are estimates, marked so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from otel_agentprof.instrumentation import figures
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_NOTHING = TokenUsage()


class Total(NamedTuple):
    """All that one model did.

    Attributes:
        usage: Its tokens.
        usd: What they cost; None where nobody says.
        canonical: Another name of the model, where there is one.
    """

    usage: TokenUsage
    usd: float | None
    canonical: str | None = None


class Call(NamedTuple):
    """One call as its messages tell it.

    Attributes:
        model: The model that answered.
        usage: Its tokens.
        has_output: Whether ``usage`` has the real output, not the placeholder.
        written: How many characters it wrote.
    """

    model: str
    usage: TokenUsage
    has_output: bool
    written: int


class Settled(NamedTuple):
    """A call with its share of the turn's totals; attributes as of :class:`Call` and :class:`Total`.

    Attributes:
        is_estimated: Whether the output is its share by size, not a count of its own.
    """

    usage: TokenUsage
    usd: float | None = None
    has_output: bool = True
    is_estimated: bool = False


def usage_of(told: Mapping[str, Any]) -> TokenUsage:
    """Return the tokens that a message names."""
    read, written = told.get("cache_read_input_tokens") or 0, told.get("cache_creation_input_tokens") or 0
    thinking = (told.get("output_tokens_details") or {}).get("thinking_tokens") or 0
    hour = (told.get("cache_creation") or {}).get("ephemeral_1h_input_tokens") or 0
    fresh, output = told.get("input_tokens") or 0, told.get("output_tokens") or 0
    return figures.sound(TokenUsage(fresh + read + written, output, read, written, thinking, hour))


def totals_of(told: Mapping[str, Mapping[str, Any]]) -> dict[str, Total]:
    """Return what a result says of each model."""
    return {model: _total(row) for model, row in told.items()}


def _total(row: Mapping[str, Any]) -> Total:
    read, written = row.get("cacheReadInputTokens") or 0, row.get("cacheCreationInputTokens") or 0
    usage = TokenUsage(
        (row.get("inputTokens") or 0) + read + written,
        row.get("outputTokens") or 0,
        read,
        written,
        row.get("thinkingTokens") or 0,
        row.get("cacheCreationEphemeral1hInputTokens") or 0,
    )
    return Total(figures.sound(usage), row.get("costUSD"), row.get("canonicalModel"))


def since(before: Mapping[str, Total], now: Mapping[str, Total]) -> dict[str, Total]:
    """Return what came on top; all of it where the program has begun to count anew."""
    if any(now[model].usage.total < before[model].usage.total for model in before.keys() & now.keys()):
        return dict(now)
    nothing = Total(_NOTHING, 0.0)
    return {model: _beyond(total, before.get(model, nothing)) for model, total in now.items()}


def _beyond(total: Total, before: Total) -> Total:
    usd = None if total.usd is None else total.usd - (before.usd or 0.0)
    return total._replace(usage=total.usage.minus(before.usage), usd=usd)


def settle(calls: Sequence[Call], totals: Mapping[str, Total]) -> tuple[list[Settled], dict[str, Settled]]:
    """Return each call with its share, and per model what no call of the messages accounts for."""
    settled = [Settled(call.usage, None, call.has_output) for call in calls]
    unseen = {}
    models = [_key_of(call.model, totals) for call in calls]
    for model, total in totals.items():
        members = [index for index, key in enumerate(models) if key == model]
        shares, rest = _share([calls[index] for index in members], total.usage)
        if rest.total:
            shares.append(Settled(rest))
        parts = _parts([_price(share.usage, model) for share in shares], total.usd)
        shares = [share._replace(usd=usd) for share, usd in zip(shares, parts, strict=True)]
        if rest.total:
            unseen[model] = shares.pop()
        for index, share in zip(members, shares, strict=True):
            settled[index] = share
    return settled, unseen


def _key_of(called: str, totals: Mapping[str, Total]) -> str | None:
    """Return under which name the totals have a model: its own, or one that is more or less exact."""
    if called in totals:
        return called
    alike = (
        model
        for model, total in totals.items()
        if called == total.canonical or model.startswith(called) or called.startswith(model)
    )
    return next(alike, None)


def _share(calls: Sequence[Call], total: TokenUsage) -> tuple[list[Settled], TokenUsage]:
    """Return the calls of one model with their shares of its output, and what is left of the total."""
    known = _sum(call.usage for call in calls if call.has_output)
    sizes = [0 if call.has_output else call.written + 1 for call in calls]
    outputs = _whole_parts(max(0, total.output - known.output), sizes)
    thoughts = _whole_parts(max(0, total.reasoning - known.reasoning), sizes)
    is_estimated = sum(map(bool, sizes)) > 1
    shares = [
        Settled(call.usage)
        if call.has_output
        else Settled(
            call.usage._replace(output=output, reasoning=min(thought, output)), is_estimated=is_estimated
        )
        for call, output, thought in zip(calls, outputs, thoughts, strict=True)
    ]
    return shares, total.minus(_sum(share.usage for share in shares))


def _sum(usages: Iterable[TokenUsage]) -> TokenUsage:
    total = _NOTHING
    for usage in usages:
        total = total.plus(usage)
    return total


def _whole_parts(total: int, sizes: Sequence[int]) -> list[int]:
    """Return integers that add up to the total, in proportion to the sizes."""
    parts, upto, given, whole = [], 0, 0, sum(sizes)
    for size in sizes:
        upto += size
        parts.append(total * upto // whole - given if whole else 0)
        given += parts[-1]
    return parts


def _parts(weights: Sequence[float], total: float | None) -> list[float | None]:
    whole = sum(weights)
    return [None if total is None or not whole else total * weight / whole for weight in weights]


def _price(usage: TokenUsage, model: str) -> float:
    cost = figures.price_of(usage, model, provider="anthropic", address=None, tier=None)
    return float(usage.total) if cost is None else float(cost.total)
