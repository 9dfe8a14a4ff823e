"""Every surface of every client that we patch: how to call it, and what the served answer means."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anthropic
import openai

if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGES = [{"role": "user", "content": "Capital of France?"}]
CHAT_USAGE = {
    "gen_ai.usage.input_tokens": 1200,
    "gen_ai.usage.output_tokens": 85,
    "gen_ai.usage.cache_read.input_tokens": 1024,
    "gen_ai.usage.reasoning.output_tokens": 64,
}
RESPONSES_USAGE = {
    **CHAT_USAGE,
    "gen_ai.usage.output_tokens": 150,
    "gen_ai.usage.reasoning.output_tokens": 100,
}
MESSAGE_USAGE = {
    "gen_ai.usage.input_tokens": 1712,
    "gen_ai.usage.output_tokens": 85,
    "gen_ai.usage.cache_read.input_tokens": 1024,
    "gen_ai.usage.cache_write.input_tokens": 512,
    "gen_ai.usage.reasoning.output_tokens": 40,
}


@dataclass(frozen=True, eq=False)
class Surface:
    """One method of one client.

    Attributes:
        resource: From a client to the object that has the method; the same for sync and async clients.
        arguments: What the method needs.
        usage: Usage attributes that the served answer means.
        error_stream: A stream that the server breaks off with an error event.
    """

    name: str
    client: str
    resource: Callable[[Any], Any]
    arguments: dict[str, Any]
    usage: dict[str, int]
    operation: str = "chat"
    streams: bool = True
    error_stream: str | None = None
    response_id: str | None = None
    stream_class: dict[str, type] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    def make(self, url: str, *, is_async: bool = False, **options: Any) -> Any:
        prefix = "Async" if is_async else ""
        if self.client == "openai":
            return getattr(openai, f"{prefix}OpenAI")(api_key="none", base_url=f"{url}/v1", **options)
        return getattr(anthropic, f"{prefix}Anthropic")(api_key="none", base_url=url, **options)


_OPENAI_STREAMS = {"sync": openai.Stream, "async": openai.AsyncStream}
_ANTHROPIC_STREAMS = {"sync": anthropic.Stream, "async": anthropic.AsyncStream}
_MODEL = "claude-haiku-4-5"

SURFACES = (
    Surface(
        "openai-chat",
        "openai",
        lambda client: client.chat.completions,
        {"model": "gpt-5-mini", "messages": MESSAGES},
        CHAT_USAGE,
        error_stream="openai_chat_stream_error_midway.sse",
        stream_class=_OPENAI_STREAMS,
    ),
    Surface(
        "openai-text",
        "openai",
        lambda client: client.completions,
        {"model": "gpt-3.5-turbo-instruct", "prompt": "Capital of France?"},
        {"gen_ai.usage.input_tokens": 12, "gen_ai.usage.output_tokens": 3},
        operation="text_completion",
        error_stream="openai_completion_stream_error_midway.sse",
        stream_class=_OPENAI_STREAMS,
    ),
    Surface(
        "openai-responses",
        "openai",
        lambda client: client.responses,
        {"model": "gpt-5-mini", "input": "Capital of France?"},
        RESPONSES_USAGE,
        stream_class=_OPENAI_STREAMS,
    ),
    Surface(
        "openai-embeddings",
        "openai",
        lambda client: client.embeddings,
        {"model": "text-embedding-3-small", "input": "Paris"},
        {"gen_ai.usage.input_tokens": 12},
        operation="embeddings",
        streams=False,
    ),
    Surface(
        "anthropic-messages",
        "anthropic",
        lambda client: client.messages,
        {"model": _MODEL, "messages": MESSAGES, "max_tokens": 100},
        MESSAGE_USAGE,
        error_stream="anthropic_stream_error_midway.sse",
        stream_class=_ANTHROPIC_STREAMS,
    ),
    Surface(
        "anthropic-beta",
        "anthropic",
        lambda client: client.beta.messages,
        {"model": _MODEL, "messages": MESSAGES, "max_tokens": 100},
        MESSAGE_USAGE,
        error_stream="anthropic_stream_error_midway.sse",
        stream_class=_ANTHROPIC_STREAMS,
    ),
)
STREAMING = tuple(surface for surface in SURFACES if surface.streams)
