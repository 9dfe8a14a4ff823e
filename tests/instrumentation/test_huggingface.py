"""What only Hugging Face's client does: a router, other vendors' keys, models that are addresses."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub import ChatCompletionInputMessage, InferenceClient
from loopback import Answer
from providers.served import document, events

import otel_agentprof
from otel_agentprof.instrumentation import libraries
from otel_agentprof.instrumentation.peer import PeerBook
from otel_agentprof.instrumentation.spec import ProviderSpec
from otel_agentprof.model import TokenUsage
from otel_agentprof.pricing import price

if TYPE_CHECKING:
    from conftest import Spans
    from loopback import Loopback

LLAMA = "meta-llama/Llama-3.3-70B-Instruct"
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize(
    ("options", "provider", "address"),
    [
        ({}, "huggingface", "router.huggingface.co"),
        ({"provider": "auto", "token": "hf_x"}, "huggingface", "router.huggingface.co"),
        ({"provider": "hf-inference"}, "huggingface", "router.huggingface.co"),
        ({"provider": "groq", "token": "hf_x"}, "huggingface_groq", "router.huggingface.co"),
        ({"provider": "groq", "token": "gsk_x"}, "groq", None),
        ({"provider": "together", "token": "tk_x"}, "together_ai", None),
        (
            {"model": "https://me.endpoints.huggingface.cloud"},
            "huggingface",
            "me.endpoints.huggingface.cloud",
        ),
        ({"base_url": "http://localhost:8080/v1", "provider": "groq"}, "huggingface", "localhost"),
    ],
)
def test_who_is_paid_is_told_by_vendor_and_key(
    options: dict[str, Any], provider: str, address: str | None
) -> None:
    spec = libraries.known()["huggingface"].load()
    assert isinstance(spec, ProviderSpec)

    peer = PeerBook().peer(spec, InferenceClient(**options))

    assert (peer.provider, peer.address) == (provider, address)


def test_what_the_router_sends_to_a_vendor_has_its_price(
    server: Loopback, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    common: Any = importlib.import_module("huggingface_hub.inference._providers._common")
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    server.script.append(document("huggingface_chat.json", model=LLAMA, usage=usage))
    monkeypatch.setattr(common.constants, "INFERENCE_PROXY_TEMPLATE", f"{server.url}/{{provider}}")
    monkeypatch.setitem(
        common.HARDCODED_MODEL_INFERENCE_MAPPING["groq"],
        LLAMA,
        common.InferenceProviderMapping(
            provider="groq", hf_model_id=LLAMA, providerId="llama", task="conversational", status="live"
        ),
    )

    InferenceClient(LLAMA, provider="groq", token="hf_x").chat_completion(HELLO)  # noqa: S106 - nobody's

    known = price(TokenUsage(1000, 100), LLAMA, provider="huggingface_groq")
    assert known is not None
    assert spans.only().name == f"chat {LLAMA}"
    assert spans.facts()["agentprof.cost.total"] == float(known.total)


def test_messages_as_objects_are_read_as_messages(server: Loopback, spans: Spans) -> None:
    server.script.append(Answer("huggingface_chat.json"))
    otel_agentprof.uninstrument()
    otel_agentprof.instrument(tracer_provider=spans.provider, capture_content=True)
    asked = ChatCompletionInputMessage(role="user", content="Hello you")

    InferenceClient(base_url=server.url).chat_completion([asked])

    assert spans.facts()["agentprof.request.fingerprint"]
    assert "Hello you" in spans.facts()["gen_ai.input.messages"]


def test_a_text_without_details_has_no_counts(server: Loopback, spans: Spans) -> None:
    server.script.append(Answer(json.dumps([{"generated_text": "Paris."}]).encode()))

    assert InferenceClient(base_url=server.url).text_generation("Where?") == "Paris."

    assert not [name for name in spans.facts() if name.startswith("gen_ai.usage")]


def test_a_streamed_text_without_details_is_its_pieces(server: Loopback, spans: Spans) -> None:
    token = {"token": {"id": 1, "text": "Paris", "logprob": -0.1, "special": False}}
    server.script.append(events(token, token, done=""))
    otel_agentprof.uninstrument()
    otel_agentprof.instrument(tracer_provider=spans.provider, capture_content=True)

    assert list(InferenceClient(base_url=server.url).text_generation("Where?", stream=True)) == ["Paris"] * 2

    assert "ParisParis" in spans.facts()["gen_ai.output.messages"]
    assert spans.facts()["gen_ai.response.time_to_first_chunk"] > 0
