"""Cohere's client: chat, embeddings and rerank of both APIs; on AWS too.

Two methods below each other are patched: the ones that people call, and those of the raw client that they go
through. A client that was made before us keeps the former as they were; who wants the headers calls the
latter. The outer one has the span.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from otel_agentprof import semconv
from otel_agentprof.instrumentation import callers, content
from otel_agentprof.instrumentation.shapes import chat, cohere
from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

_SAMPLING = {
    "frequency_penalty": semconv.REQUEST_FREQUENCY_PENALTY,
    "k": semconv.REQUEST_TOP_K,
    "max_tokens": semconv.REQUEST_MAX_TOKENS,
    "p": semconv.REQUEST_TOP_P,
    "presence_penalty": semconv.REQUEST_PRESENCE_PENALTY,
    "seed": semconv.REQUEST_SEED,
    "temperature": semconv.REQUEST_TEMPERATURE,
}


def _targets(module: str, name: str, method: str) -> tuple[str, ...]:
    return tuple(f"cohere.{module}:{kind}{name}.{method}" for kind in ("", "Async"))


def _raw(spec: CallSpec, *targets: str) -> CallSpec:
    """Return the spec for the raw client, which gives the answer together with its headers."""
    output = spec.read_output

    def read(reply: Reply, response: Any) -> None:
        spec.read(reply, response.data)

    return replace(
        spec,
        targets=targets,
        read=read,
        read_output=None if output is None else lambda response: output(response.data),
    )


def _embed_facts(arguments: Mapping[str, Any], facts: dict[str, Any]) -> None:
    content.add_texts(facts, semconv.REQUEST_ENCODING_FORMATS, arguments.get("embedding_types"))


def _url(client: Any) -> str | None:
    wrapper = (client._raw_client if hasattr(client, "_raw_client") else client)._client_wrapper  # noqa: SLF001 - has no public name
    return None if wrapper._client_name == "n/a" else wrapper.get_base_url()  # noqa: SLF001 - on AWS: never asked


def _raw_stream(spec: CallSpec, *targets: str) -> CallSpec:
    return replace(spec, targets=targets, read=_nothing, streams=True, is_entered=True, stream_at="_data")


def _nothing(_reply: Reply, _response: Any) -> None:
    """Read nothing of what only holds the stream."""


_CHAT = CallSpec(
    targets=_targets("v2.client", "V2Client", "chat"),
    operation="chat",
    role="llm",
    read=cohere.read,
    read_chunk=cohere.read_event,
    request=_SAMPLING,
    prompt=("tools", "documents", "messages"),
    request_facts=cohere.request_facts,
    read_content=chat.read_content,
    read_output=cohere.output,
)
_FIRST_CHAT = replace(
    _CHAT,
    targets=_targets("base_client", "BaseCohere", "chat"),
    read=cohere.read_first,
    read_chunk=cohere.read_first_event,
    prompt=("preamble", "tools", "documents", "conversation_id", "chat_history", "message"),
    read_content=cohere.read_first_content,
    read_output=cohere.first_output,
)
_EMBED = CallSpec(
    targets=_targets("v2.client", "V2Client", "embed"),
    operation="embeddings",
    role="embedding",
    read=cohere.read_embeddings,
    request={"output_dimension": semconv.EMBEDDINGS_DIMENSION_COUNT},
    request_facts=_embed_facts,
)
_RERANK = CallSpec(
    targets=_targets("v2.client", "V2Client", "rerank") + _targets("base_client", "BaseCohere", "rerank"),
    operation="rerank",
    role="retrieval",
    read=cohere.read_ranking,
)

SPEC = ProviderSpec(
    name="cohere",
    provider="cohere",
    distribution="cohere>=5.16",
    calls=(
        _CHAT,
        _raw(_CHAT, *_targets("v2.raw_client", "RawV2Client", "chat")),
        replace(
            _CHAT,
            targets=_targets("v2.client", "V2Client", "chat_stream"),
            streams=True,
            is_lazy=True,
        ),
        _raw_stream(_CHAT, *_targets("v2.raw_client", "RawV2Client", "chat_stream")),
        _FIRST_CHAT,
        _raw(_FIRST_CHAT, *_targets("raw_base_client", "RawBaseCohere", "chat")),
        replace(
            _FIRST_CHAT,
            targets=_targets("base_client", "BaseCohere", "chat_stream"),
            streams=True,
            is_lazy=True,
        ),
        _raw_stream(_FIRST_CHAT, *_targets("raw_base_client", "RawBaseCohere", "chat_stream")),
        _EMBED,
        _raw(_EMBED, *_targets("v2.raw_client", "RawV2Client", "embed")),
        # Not the method beneath: this one sends its batches from threads, which know nothing of the caller.
        replace(_EMBED, targets=_targets("client", "Client", "embed")),
        _RERANK,
        _raw(
            _RERANK,
            *_targets("v2.raw_client", "RawV2Client", "rerank"),
            *_targets("raw_base_client", "RawBaseCohere", "rerank"),
        ),
    ),
    client_of=lambda client: client,
    url_of=_url,
    caller_of=callers.of_cohere,
    provider_by_client={
        "AwsClient": "aws.bedrock",
        "AwsClientV2": "aws.bedrock",
        "SagemakerClient": "aws.sagemaker",
        "SagemakerClientV2": "aws.sagemaker",
    },
    not_in_fingerprint=frozenset({"priority", "request_options"}),
)
