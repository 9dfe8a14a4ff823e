"""OpenAI's client: chat, legacy completions, responses, embeddings; Azure and compatible servers too."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from otel_agentprof import semconv
from otel_agentprof.instrumentation import callers, content
from otel_agentprof.instrumentation.shapes import chat, responses, stainless
from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec

if TYPE_CHECKING:
    from collections.abc import Mapping


# Not gpt-oss, whose weights are for everybody: it runs anywhere but at OpenAI.
_OWN_MODELS = re.compile(
    r"(openai/)?(gpt-(?!oss)|chatgpt|o\d|ft:|text-|davinci|babbage|codex|computer-use|tts|whisper)"
)


def _embeddings_request(arguments: Mapping[str, Any], facts: dict[str, Any]) -> None:
    if "encoding_format" in arguments:
        content.add_texts(facts, semconv.REQUEST_ENCODING_FORMATS, arguments["encoding_format"])


CHAT = CallSpec(
    targets=(
        "openai.resources.chat.completions.completions:Completions.create",
        "openai.resources.chat.completions.completions:Completions.parse",
        "openai.resources.chat.completions.completions:AsyncCompletions.create",
        "openai.resources.chat.completions.completions:AsyncCompletions.parse",
    ),
    operation="chat",
    role="llm",
    read=chat.read,
    read_chunk=chat.read_chunk,
    request=chat.REQUEST,
    prompt=("tools", "functions", "messages"),
    request_facts=chat.request_facts,
    constants={semconv.OPENAI_API_TYPE: "chat_completions"},
    read_content=chat.read_content,
    read_output=chat.output,
)
TEXT_COMPLETION = CallSpec(
    targets=(
        "openai.resources.completions:Completions.create",
        "openai.resources.completions:AsyncCompletions.create",
    ),
    operation="text_completion",
    role="llm",
    read=chat.read,
    read_chunk=chat.read_chunk,
    request=chat.REQUEST,
    prompt=("prompt",),
    request_facts=chat.request_facts,
    read_content=chat.read_prompt,
    read_output=chat.output,
)
RESPONSES = CallSpec(
    targets=(
        "openai.resources.responses.responses:Responses.create",
        "openai.resources.responses.responses:Responses.parse",
        "openai.resources.responses.responses:AsyncResponses.create",
        "openai.resources.responses.responses:AsyncResponses.parse",
        "openai.resources.beta.responses.responses:Responses.create",
        "openai.resources.beta.responses.responses:AsyncResponses.create",
    ),
    operation="chat",
    role="llm",
    read=responses.read,
    read_chunk=responses.read_event,
    request={
        **chat.SAMPLING,
        "max_output_tokens": semconv.REQUEST_MAX_TOKENS,
        "previous_response_id": semconv.REQUEST_PREVIOUS_RESPONSE_ID,
    },
    # What an id stands for comes before the input; two turns after different ones share no prompt.
    prompt=("tools", "instructions", "prompt", "previous_response_id", "conversation", "input"),
    request_facts=responses.request_facts,
    constants={semconv.OPENAI_API_TYPE: "responses"},
    read_content=responses.read_content,
    read_output=responses.output,
    later="asked",
)
_FETCHED = CallSpec(
    targets=(
        "openai.resources.responses.responses:Responses.retrieve",
        "openai.resources.responses.responses:AsyncResponses.retrieve",
        "openai.resources.beta.responses.responses:Responses.retrieve",
        "openai.resources.beta.responses.responses:AsyncResponses.retrieve",
    ),
    operation="fetch_response",
    role="other",
    read=responses.read,
    read_chunk=responses.read_event,
    constants={semconv.OPENAI_API_TYPE: "responses"},
    read_output=responses.output,
    later="fetched",
    has_fingerprint=False,  # the same request again brings something else
)
_COMPACTED = replace(
    RESPONSES,
    targets=(
        "openai.resources.responses.responses:Responses.compact",
        "openai.resources.responses.responses:AsyncResponses.compact",
        "openai.resources.beta.responses.responses:Responses.compact",
        "openai.resources.beta.responses.responses:AsyncResponses.compact",
    ),
    read=responses.read_compacted,
    read_chunk=None,
    later=None,
)
EMBEDDINGS = CallSpec(
    targets=(
        "openai.resources.embeddings:Embeddings.create",
        "openai.resources.embeddings:AsyncEmbeddings.create",
    ),
    operation="embeddings",
    role="embedding",
    read=chat.read_embeddings,
    request={"dimensions": semconv.EMBEDDINGS_DIMENSION_COUNT},
    request_facts=_embeddings_request,
)

_RETRIES = stainless.retries("openai._base_client")
SPEC = ProviderSpec(
    name="openai",
    provider="openai",
    distribution="openai>=2",
    calls=(CHAT, TEXT_COMPLETION, RESPONSES, _FETCHED, _COMPACTED, EMBEDDINGS, _RETRIES),
    caller_of=callers.of_stainless,
    transport="openai._base_client",
    own_models=_OWN_MODELS,
    provider_by_client={
        "AzureOpenAI": "azure.ai.openai",
        "AsyncAzureOpenAI": "azure.ai.openai",
        "BedrockOpenAI": "aws.bedrock",
        "AsyncBedrockOpenAI": "aws.bedrock",
    },
    service_tier=semconv.OPENAI_RESPONSE_SERVICE_TIER,
    not_in_fingerprint=chat.NOT_IN_FINGERPRINT,
    replay=stainless.Replay("openai", has_final_event=False),
    stateful=frozenset({"background", "conversation"}),
)
