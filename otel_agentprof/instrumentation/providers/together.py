"""Together's client: chat, legacy completions, embeddings, rerank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_agentprof.instrumentation import callers, content
from otel_agentprof.instrumentation.shapes import chat, stainless
from otel_agentprof.instrumentation.spec import CallSpec, Content, ProviderSpec, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

_KINDS = ("", "Async")


def _read_text_chunk(reply: Reply, chunk: Any) -> None:
    if reply.id is None:
        reply.id, reply.model = chunk.id, getattr(chunk, "model", None)
    if chunk.usage:
        reply.usage = chat.usage_of(chunk.usage)
    for choice in chunk.choices or ():
        more = choice.__pydantic_extra__  # has the reason, for which the client has no field here
        told = choice if more is None else more
        if "finish_reason" in told and told["finish_reason"]:
            reply.finish_reasons.append(told["finish_reason"])
        if reply.output is not None and choice.text:
            reply.output.add("text", choice.text, choice=getattr(choice, "index", 0))


def _read_rerank(reply: Reply, ranking: Any) -> None:
    reply.id = ranking.id
    chat.read_embeddings(reply, ranking)


def _read_query(arguments: Mapping[str, Any]) -> Content:
    return Content([content.text("user", arguments.get("query"))], [], [])


SPEC = ProviderSpec(
    name="together",
    provider="together_ai",
    distribution="together>=2",
    calls=(
        CallSpec(
            targets=tuple(
                f"together.resources.chat.completions:{kind}CompletionsResource.create" for kind in _KINDS
            ),
            operation="chat",
            role="llm",
            read=chat.read,
            read_chunk=chat.read_chunk,
            request=chat.REQUEST,
            prompt=("tools", "messages"),
            request_facts=chat.request_facts,
            read_content=chat.read_content,
            read_output=chat.output,
        ),
        CallSpec(
            targets=tuple(
                f"together.resources.completions:{kind}CompletionsResource.create" for kind in _KINDS
            ),
            operation="text_completion",
            role="llm",
            read=chat.read,
            read_chunk=_read_text_chunk,
            request=chat.REQUEST,
            prompt=("prompt",),
            request_facts=chat.request_facts,
            read_content=chat.read_prompt,
            read_output=chat.output,
        ),
        CallSpec(
            targets=tuple(
                f"together.resources.embeddings:{kind}EmbeddingsResource.create" for kind in _KINDS
            ),
            operation="embeddings",
            role="embedding",
            read=chat.read_embeddings,
        ),
        CallSpec(
            targets=tuple(f"together.resources.rerank:{kind}RerankResource.create" for kind in _KINDS),
            operation="rerank",
            role="retrieval",
            read=_read_rerank,
            read_content=_read_query,
        ),
        stainless.retries("together._base_client"),
    ),
    caller_of=callers.of_stainless,
    transport="together._base_client",
    not_in_fingerprint=chat.NOT_IN_FINGERPRINT,
    replay=stainless.Replay("together", has_final_event=False),
)
