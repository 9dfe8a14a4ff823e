"""LiteLLM: one function for every vendor; the clients that it calls itself make no span of their own."""

from __future__ import annotations

import functools
import sys
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from otel_agentprof import semconv
from otel_agentprof.instrumentation import callers, peer
from otel_agentprof.instrumentation.providers import openai
from otel_agentprof.instrumentation.shapes import litellm_answers as answers
from otel_agentprof.instrumentation.spec import ProviderSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES = {  # as OpenTelemetry calls them
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "azure_text": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "cohere_chat": "cohere",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "ollama_chat": "ollama",
    "text-completion-openai": "openai",
    "xai": "x_ai",
}


class _Server(NamedTuple):
    provider: str | None
    url: str
    model: str


@functools.lru_cache(maxsize=256)
def _server(model: str, vendor: str | None, url: str) -> _Server:
    """Return who is asked for which model: a vendor before the model's name, else LiteLLM's table."""
    litellm: Any = sys.modules["litellm"]
    first, slash, rest = model.partition("/")
    if vendor:
        rest = model.removeprefix(f"{vendor}/")
    elif slash and first in litellm.provider_list:
        vendor = first
    else:
        vendor, rest = litellm.model_cost.get(model, {}).get("litellm_provider"), model
    name = "gcp.vertex_ai" if vendor and vendor.startswith("vertex_ai") else _NAMES.get(vendor or "", vendor)
    if url and name in (None, "openai"):
        own = openai.SPEC.own_models
        other = "openai" if own is not None and own.match(rest) else "openai_compatible"
        name = peer.seller(urlsplit(url).hostname) or other
    return _Server(name, url, rest)


def _asked(arguments: Mapping[str, Any]) -> _Server:
    vendor = arguments["custom_llm_provider"] if "custom_llm_provider" in arguments else None
    url = arguments["api_base"] if "api_base" in arguments else None
    url = url or (arguments["base_url"] if "base_url" in arguments else None)
    return _server(str(arguments["model"] if "model" in arguments else ""), vendor, url or "")


def _model(_: Any, arguments: Mapping[str, Any]) -> str | None:
    return _asked(arguments).model or None


def _both(name: str) -> tuple[str, ...]:
    return f"litellm:{name}", f"litellm:a{name}"


def _beneath(name: str, path: str, home: str = "main") -> tuple[str, ...]:
    """Return what the public functions call: by way of ``path`` in newer versions; at their ``home``."""
    both = name, f"a{name}"
    return (
        *(f"litellm.{path}.dispatch:_PYTHON_{each.upper()}" for each in both),
        *(f"litellm.{home}:{each}.<original_function>" for each in both),
    )


SPEC = ProviderSpec(
    name="litellm",
    provider="litellm",
    distribution="litellm>=1.80",
    service_tier=semconv.SERVICE_TIER,
    calls=(
        replace(
            openai.CHAT,
            targets=_both("completion"),
            beneath=_beneath("completion", "chat_completions"),
            client_of=_asked,
            positional=("model", "messages"),
            model_of=_model,
            read=answers.read,
            read_chunk=answers.read_chunk,
            sends_late=True,
            constants={},
        ),
        replace(
            openai.TEXT_COMPLETION,
            targets=_both("text_completion"),
            client_of=_asked,
            positional=("prompt", "model"),
            model_of=_model,
            read=answers.read,
            read_chunk=answers.read_chunk,
            sends_late=True,
        ),
        replace(
            openai.RESPONSES,
            targets=_both("responses"),
            beneath=_beneath("responses", "responses", "responses.main"),
            client_of=_asked,
            positional=("input", "model"),
            model_of=_model,
            read=answers.read_response,
            sends_late=True,
            constants={},
            later=None,
        ),
        replace(
            openai.EMBEDDINGS,
            targets=_both("embedding"),
            beneath=_beneath("embedding", "embeddings"),
            client_of=_asked,
            positional=("model", "input"),
            model_of=_model,
            read=answers.read_embeddings,
        ),
    ),
    url_of=attrgetter("url"),
    caller_of=callers.of_litellm,
    provider_of=attrgetter("provider"),
    read_error=answers.error_of,
    not_in_fingerprint=openai.SPEC.not_in_fingerprint | {"num_retries", "max_retries", "api_key", "api_base"},
)
