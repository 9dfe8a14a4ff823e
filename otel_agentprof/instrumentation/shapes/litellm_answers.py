"""LiteLLM's answers: OpenAI's shapes for every vendor, with its own reckoning of what a call cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_agentprof.instrumentation.shapes import chat, responses

if TYPE_CHECKING:
    from otel_agentprof.instrumentation.spec import Reply


def read(reply: Reply, completion: Any) -> None:
    """Fill a reply from a whole completion."""
    chat.read(reply, completion)
    _take_details(reply, completion.usage)
    reply.cost_usd = getattr(completion.usage, "cost", None)  # only a vendor's own bill is there
    _take_hidden(reply, completion)


def read_chunk(reply: Reply, chunk: Any) -> None:
    """Add a chunk of a stream to a reply."""
    if not reply.model:
        reply.id, reply.model = chunk.id, chunk.model
    more = chunk.__pydantic_extra__  # where the usage is, of which most chunks have none
    usage = more["usage"] if more and "usage" in more else chunk.__dict__.get("usage")
    if usage and usage.total_tokens:  # legacy completions say zero where they mean nothing
        reply.usage = chat.usage_of(usage)
        reply.reckoned_usd = getattr(usage, "cost", None)
        _take_details(reply, usage)
    for choice in chunk.choices:
        if choice.finish_reason:
            reply.finish_reasons.append(choice.finish_reason)
        delta = choice.__dict__["delta"] if "delta" in choice.__dict__ else None
        if delta is not None and delta.tool_calls:
            reply.tool_call_ids.extend([call.id for call in delta.tool_calls if call.id])
        if reply.output is not None:
            chat.add_delta(reply.output, choice)


def _take_details(reply: Reply, usage: Any) -> None:
    """Take what some vendors bill at another rate: writes to the cache for an hour, images, videos."""
    if reply.usage is None:
        return
    details = getattr(usage, "prompt_tokens_details", None)
    written = getattr(details, "cache_creation_token_details", None)
    if written is not None:
        reply.usage = reply.usage._replace(cache_write_1h=written.ephemeral_1h_input_tokens or 0)
    made = getattr(usage, "completion_tokens_details", None)
    pictures = {
        "image_input": getattr(details, "image_tokens", None),
        "image_output": getattr(made, "image_tokens", None),
        "video_input": getattr(details, "video_tokens", None),
        "video_output": getattr(made, "video_tokens", None),
    }
    if any(pictures.values()):
        reply.usage = reply.usage._replace(**{kind: count or 0 for kind, count in pictures.items()})


def _take_hidden(reply: Reply, answer: Any) -> None:
    """Take LiteLLM's reckoning; an answer of its own cache took no tokens and cost nothing."""
    hidden = getattr(answer, "_hidden_params", None) or {}
    reply.reckoned_usd = hidden.get("response_cost")
    if hidden.get("cache_hit"):
        reply.usage = reply.cost_usd = reply.reckoned_usd = None


def read_embeddings(reply: Reply, answer: Any) -> None:
    """Fill a reply from an answer with embeddings."""
    chat.read_embeddings(reply, answer)
    _take_hidden(reply, answer)


def read_response(reply: Reply, answer: Any) -> None:
    """Fill a reply from a whole response."""
    responses.read(reply, answer)
    _take_hidden(reply, answer)


def error_of(error: BaseException) -> tuple[str | None, int | None]:
    """Return the vendor's own code of an error, and the HTTP status."""
    body = getattr(error, "body", None)
    code = body.get("code") or body.get("type") if body.__class__ is dict else None
    return code, getattr(error, "status_code", None)
