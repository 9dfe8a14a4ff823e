"""What only Azure's client for any model does: its own objects, models named by nobody, images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.ai.inference import ChatCompletionsClient, ImageEmbeddingsClient
from azure.ai.inference.models import (
    AssistantMessage,
    ChatCompletionsToolCall,
    FunctionCall,
    ImageEmbeddingInput,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from azure.core.credentials import AzureKeyCredential
from loopback import Answer

import otel_agentprof
from otel_agentprof.instrumentation import libraries
from otel_agentprof.instrumentation.peer import PeerBook
from otel_agentprof.instrumentation.spec import ProviderSpec

if TYPE_CHECKING:
    from conftest import Spans
    from loopback import Loopback

CALLED = AssistantMessage(
    tool_calls=[ChatCompletionsToolCall(id="call_1", function=FunctionCall(name="weather", arguments="{}"))]
)
HELLO: list[Any] = [UserMessage("Hello")]
TALK: list[Any] = [
    SystemMessage("Be brief."),
    UserMessage("Hello"),
    CALLED,
    ToolMessage("18C", tool_call_id="call_1"),
]


def _client(url: str) -> ChatCompletionsClient:
    return ChatCompletionsClient(url, AzureKeyCredential("none"), retry_total=0)


def test_messages_as_objects_are_read_as_messages(server: Loopback, spans: Spans) -> None:
    server.script.append(Answer("openai_chat.json"))
    otel_agentprof.uninstrument()
    otel_agentprof.instrument(tracer_provider=spans.provider, capture_content=True)

    with _client(server.url) as client:
        client.complete(messages=TALK)

    facts = spans.facts()
    assert facts["agentprof.tool_result.ids"] == ("call_1",)
    assert facts["agentprof.request.fingerprint"]
    assert "Be brief." in facts["gen_ai.input.messages"]
    assert '"name": "weather"' in facts["gen_ai.input.messages"]


def test_a_model_that_nobody_names_is_known_by_its_answer(server: Loopback, spans: Spans) -> None:
    server.script.append(Answer("openai_chat.json"))

    with _client(server.url) as client:
        client.complete(messages=HELLO)

    assert spans.only().name == "chat"
    assert spans.facts()["gen_ai.response.model"] == "gpt-5-mini-2026-01-15"
    assert spans.facts()["agentprof.cost.total"] > 0


def test_tool_calls_of_a_stream_are_told(server: Loopback, spans: Spans) -> None:
    server.script.append(Answer("openai_chat_stream_tool_calls.sse"))
    otel_agentprof.uninstrument()
    otel_agentprof.instrument(tracer_provider=spans.provider, capture_content=True)

    with _client(server.url) as client:
        list(client.complete(messages=HELLO, stream=True))

    assert len(spans.facts()["agentprof.tool_call.ids"]) == 2
    assert spans.facts()["agentprof.tool_call.ids"][0] in spans.facts()["gen_ai.output.messages"]


def test_images_are_embeddings_too(server: Loopback, spans: Spans) -> None:
    server.script.append(Answer("openai_embeddings.json"))
    url: Any = f"{server.url}/images"

    with ImageEmbeddingsClient(url, AzureKeyCredential("none"), model="some-images") as client:
        client.embed(input=[ImageEmbeddingInput(image="data:,")])

    assert spans.only().name == "embeddings some-images"
    assert spans.facts()["gen_ai.usage.input_tokens"] == 12


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://me.services.ai.azure.com/models", "azure.ai.inference"),
        ("https://me.openai.azure.com/openai/deployments/mine", "azure.ai.openai"),
        ("https://models.github.ai/inference", "github"),
    ],
)
def test_the_endpoint_tells_who_is_paid(url: str, provider: str) -> None:
    spec = libraries.known()["azure_ai_inference"].load()
    assert isinstance(spec, ProviderSpec)

    with _client(url) as client:
        peer = PeerBook().peer(spec, client)

    assert peer.provider == provider
