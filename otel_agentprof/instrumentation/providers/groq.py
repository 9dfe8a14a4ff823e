"""Groq's client: chat, embeddings; with the times at its server."""

from __future__ import annotations

from typing import Any

from otel_agentprof import semconv
from otel_agentprof.instrumentation import callers, content
from otel_agentprof.instrumentation.shapes import chat, stainless
from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec, Reply

_TIMES = {
    "queue_time": semconv.SERVER_QUEUE_TIME,
    "prompt_time": semconv.SERVER_PROMPT_TIME,
    "completion_time": semconv.SERVER_COMPLETION_TIME,
}


def _read(reply: Reply, completion: Any) -> None:
    chat.read(reply, completion)
    _take_times(reply, completion.usage)


def _read_chunk(reply: Reply, chunk: Any) -> None:
    chat.read_chunk(reply, chunk)
    told = chunk.x_groq
    if told and told.usage:
        usage = content.record(told.usage)
        reply.usage = chat.usage_of(usage)
        _take_times(reply, usage)


def _take_times(reply: Reply, usage: Any) -> None:
    if usage:
        times = {attribute: getattr(usage, name, None) for name, attribute in _TIMES.items()}
        reply.more = {attribute: seconds for attribute, seconds in times.items() if seconds is not None}


SPEC = ProviderSpec(
    name="groq",
    provider="groq",
    distribution="groq>=0.30",
    calls=(
        CallSpec(
            targets=(
                "groq.resources.chat.completions:Completions.create",
                "groq.resources.chat.completions:AsyncCompletions.create",
            ),
            operation="chat",
            role="llm",
            read=_read,
            read_chunk=_read_chunk,
            request=chat.REQUEST,
            prompt=("tools", "functions", "messages"),
            request_facts=chat.request_facts,
            read_content=chat.read_content,
            read_output=chat.output,
        ),
        CallSpec(
            targets=(
                "groq.resources.embeddings:Embeddings.create",
                "groq.resources.embeddings:AsyncEmbeddings.create",
            ),
            operation="embeddings",
            role="embedding",
            read=chat.read_embeddings,
        ),
        stainless.retries("groq._base_client"),
    ),
    caller_of=callers.of_stainless,
    transport="groq._base_client",
    not_in_fingerprint=chat.NOT_IN_FINGERPRINT,
    replay=stainless.Replay("groq", has_final_event=False),
)
