"""Hugging Face's client: chat, text generation, embeddings; by its router, other vendors or own servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_agentprof import semconv
from otel_agentprof.instrumentation import callers
from otel_agentprof.instrumentation.shapes import chat
from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec, Reply
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOSTED = {"hf-inference": "huggingface", "auto": "huggingface"}
_VENDORS = {"together": "together_ai", "fireworks-ai": "fireworks_ai", "zai-org": "zai"}
_URL = ("http://", "https://")


def _targets(method: str) -> tuple[str, ...]:
    return (
        f"huggingface_hub.inference._client:InferenceClient.{method}",
        f"huggingface_hub.inference._generated._async_client:AsyncInferenceClient.{method}",
    )


def _provider(client: Any) -> str:
    """Return who is paid: Hugging Face for what goes through its router, else the vendor whose key it is."""
    vendor: str = client.provider or "auto"
    if vendor in _HOSTED or (client.model or "").startswith(_URL):
        return "huggingface"
    if (client.token or "hf_").startswith("hf_"):
        return f"huggingface_{vendor}"  # as the price table calls it
    return _VENDORS.get(vendor, vendor)


def _url(client: Any) -> str:
    """Return where requests go; empty for a vendor's own server, whose address is nowhere on the client."""
    model: str = client.model or ""
    if model.startswith(_URL):
        return model
    return "https://router.huggingface.co" if (client.token or "hf_").startswith("hf_") else ""


def _model(client: Any, arguments: Mapping[str, Any]) -> str | None:
    named = (arguments["model"] if "model" in arguments else None) or client.model
    return None if named is None or named.startswith(_URL) else named


def _read_text(reply: Reply, answer: Any) -> None:
    """Read a text with its details, which do not tell how long the prompt was."""
    details = answer.details
    if details:
        reply.finish_reasons.append(str(details.finish_reason))
        reply.more = {semconv.USAGE_OUTPUT_TOKENS: details.generated_tokens}


def _read_piece(reply: Reply, piece: Any) -> None:
    if piece.__class__ is str:  # no details were asked for
        if reply.output is not None:
            reply.output.add("text", piece)
        return
    if piece.details:
        reply.finish_reasons.append(str(piece.details.finish_reason))
        reply.usage = TokenUsage(piece.details.input_length, piece.details.generated_tokens)
    if reply.output is not None and not piece.token.special:
        reply.output.add("text", piece.token.text)


def _output(answer: Any) -> list[Any]:
    return [{"role": "assistant", "parts": [{"type": "text", "content": answer.generated_text}]}]


def _read_nothing(_reply: Reply, _vectors: Any) -> None:
    """Read nothing: embeddings come as numbers alone."""


SPEC = ProviderSpec(
    name="huggingface",
    provider="huggingface",
    distribution="huggingface_hub>=1",
    calls=(
        CallSpec(
            targets=_targets("chat_completion"),
            operation="chat",
            role="llm",
            positional=("messages",),
            model_of=_model,
            read=chat.read,
            read_chunk=chat.read_chunk,
            request=chat.REQUEST,
            prompt=("tools", "messages"),
            request_facts=chat.request_facts,
            read_content=chat.read_content,
            read_output=chat.output,
        ),
        CallSpec(
            targets=_targets("text_generation"),
            operation="text_completion",
            role="llm",
            positional=("prompt",),
            model_of=_model,
            read=_read_text,
            read_chunk=_read_piece,
            request={**chat.REQUEST, "max_new_tokens": semconv.REQUEST_MAX_TOKENS},
            prompt=("prompt",),
            read_content=chat.read_prompt,
            read_output=_output,
        ),
        CallSpec(
            targets=_targets("feature_extraction"),
            operation="embeddings",
            role="embedding",
            positional=("text",),
            model_of=_model,
            read=_read_nothing,
            request={"dimensions": semconv.EMBEDDINGS_DIMENSION_COUNT},
        ),
    ),
    client_of=lambda client: client,
    url_of=_url,
    caller_of=callers.of_hugging_face,
    provider_of=_provider,
    not_in_fingerprint=chat.NOT_IN_FINGERPRINT | {"details", "decoder_input_details"},
)
