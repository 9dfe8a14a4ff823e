"""What servers that speak like another vendor tell in ways of their own: money, cached and hidden tokens.

Each of these knows one server by its name, and reads nothing where the server says nothing: an answer, a
chunk and an event of a stream go through the same function, after the shape's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.instrumentation import content

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_agentprof.instrumentation.spec import Reply

_TICKS_PER_USD: Final = 10**10  # xAI's unit of money


def _openrouter(reply: Reply, answer: Any) -> None:
    """Take the bill, and who really answered; with the user's own key at that vendor, both bills."""
    if provider := _told(answer, "provider"):
        reply.more = {**(reply.more or {}), semconv.UPSTREAM_PROVIDER: provider}
    usage = _usage(answer)
    cost = _number(_told(usage, "cost"))
    if cost is None:
        return
    if _told(usage, "is_byok"):
        details = content.record(_told(usage, "cost_details"))
        cost += _number(_told(details, "upstream_inference_cost")) or 0
    reply.cost_usd = float(cost)


def _perplexity(reply: Reply, answer: Any) -> None:
    """Take the bill, which has the fee of the search in it."""
    cost = _number(_told(content.record(_told(_usage(answer), "cost")), "total_cost"))
    if cost is not None:
        reply.cost_usd = float(cost)


def _x_ai(reply: Reply, answer: Any) -> None:
    """Take the bill, and the reasoning that is counted beside the completion."""
    _hidden_output(reply, answer)
    ticks = _number(_told(_usage(answer), "cost_in_usd_ticks"))
    if ticks is not None:
        reply.cost_usd = ticks / _TICKS_PER_USD


def _hidden_output(reply: Reply, answer: Any) -> None:
    """Add output that only the total has: the model thought, and the completion does not count it."""
    usage = reply.usage
    total = _number(_told(_usage(answer), "total_tokens"))
    if usage is None or total is None:
        return
    hidden = int(total) - (usage.input or 0) - (usage.output or 0)
    if hidden > 0:
        thought = max(usage.reasoning, hidden)
        reply.usage = usage._replace(output=(usage.output or 0) + hidden, reasoning=thought)


def _deepseek(reply: Reply, answer: Any) -> None:
    """Take the cached tokens, which are counted beside the prompt's details."""
    cached = _number(_told(_usage(answer), "prompt_cache_hit_tokens"))
    if cached is not None and reply.usage is not None:
        reply.usage = reply.usage._replace(cache_read=int(cached))


READ_MORE: Final[Mapping[str, Callable[[Reply, Any], None]]] = {
    "openrouter": _openrouter,
    "perplexity": _perplexity,
    "x_ai": _x_ai,
    "gcp.gemini": _hidden_output,
    "gcp.vertex_ai": _hidden_output,
    "deepseek": _deepseek,
}


def _usage(answer: Any) -> Any:
    """Return the usage of an answer or a chunk, or of the response that the last event of a stream holds."""
    return _told(answer, "usage") or _told(_told(answer, "response"), "usage")


def _told(place: Any, name: str) -> Any:
    return getattr(place, name, None)


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None
