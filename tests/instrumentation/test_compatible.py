"""Servers that speak as OpenAI or Anthropic do: who is paid, and what only they tell."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest
from http_library import ANTHROPIC_HTTP, OPENAI_HTTP
from loopback import WIRE

from otel_agentprof import pricing
from otel_agentprof.model import TokenUsage

if TYPE_CHECKING:
    from conftest import Spans

WHOLE = json.loads((WIRE / "openai_chat.json").read_bytes())
ASKED = [{"role": "user", "content": "Hello"}]


def _answer(model: str, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = copy.deepcopy(WHOLE)
    usage = more.pop("usage", {})
    return {**answer, "model": model, **more, "usage": {**answer["usage"], **usage}}


def _client(base_url: str, body: Any, make: Any = openai.OpenAI) -> Any:
    """Return a client of a server that answers this, without a network."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "text/event-stream" if isinstance(body, bytes) else "application/json"

    def serve(_request: Any) -> Any:
        return OPENAI_HTTP.Response(200, headers={"content-type": kind}, content=content)

    http = OPENAI_HTTP.Client(transport=OPENAI_HTTP.MockTransport(serve))
    return make(api_key="none", base_url=base_url, http_client=http, max_retries=0)


def _chat(base_url: str, model: str, **more: Any) -> None:
    with _client(base_url, _answer(model, **more)) as client:
        client.chat.completions.create(model=model, messages=ASKED)


@pytest.mark.parametrize(
    ("base_url", "model", "provider", "seller"),
    [
        ("https://api.deepseek.com/v1", "deepseek-chat", "deepseek", "deepseek"),
        ("https://api.x.ai/v1", "grok-4", "x_ai", "x-ai"),
        ("https://api.groq.com/openai/v1", "openai/gpt-oss-120b", "groq", "groq"),
        ("https://api.mistral.ai/v1", "mistral-large-latest", "mistral_ai", "mistral"),
        ("https://api.together.xyz/v1", "openai/gpt-oss-120b", "together_ai", "together"),
        ("https://api.together.ai/v1", "openai/gpt-oss-120b", "together_ai", "together"),
        (
            "https://api.fireworks.ai/inference/v1",
            "accounts/fireworks/models/gpt-oss-120b",
            "fireworks_ai",
            "fireworks",
        ),
        ("https://api.cerebras.ai/v1", "gpt-oss-120b", "cerebras", "cerebras"),
        ("https://api.perplexity.ai", "sonar-pro", "perplexity", "perplexity"),
        ("https://api.moonshot.ai/v1", "kimi-k2-0905-preview", "moonshot_ai", "moonshotai"),
        ("https://api.z.ai/api/paas/v4", "glm-4.6", "zai", "zai"),
        ("https://openrouter.ai/api/v1", "openai/gpt-4o", "openrouter", "openrouter"),
        ("https://me.openai.azure.com/openai/v1", "gpt-5-mini", "azure.ai.openai", "azure"),
        ("https://me.cognitiveservices.azure.com/openai/v1", "gpt-5-mini", "azure.ai.openai", "azure"),
        ("https://me.services.ai.azure.com/models", "DeepSeek-V3.2", "azure.ai.inference", "azure"),
        (
            "https://generativelanguage.googleapis.com/v1beta/openai/",
            "gemini-2.5-flash",
            "gcp.gemini",
            "google",
        ),
        (
            "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/openapi",
            "google/gemini-2.5-flash",
            "gcp.vertex_ai",
            "google",
        ),
        (
            "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1",
            "openai.gpt-oss-120b-1:0",
            "aws.bedrock",
            "aws",
        ),
        (
            "https://bedrock-mantle.us-west-2.api.aws/v1",
            "openai.gpt-oss-120b-1:0",
            "aws.bedrock",
            "aws",
        ),
    ],
)
def test_the_base_url_tells_who_is_paid(
    base_url: str, model: str, provider: str, seller: str, spans: Spans
) -> None:
    _chat(base_url, model)

    facts = spans.facts()
    card = pricing.rate_card(model, provider=seller)
    assert facts["gen_ai.provider.name"] == provider
    assert card is not None
    assert card.provider == seller
    cost = card.cost(TokenUsage(1200, 85, 1024, 0, 64))
    assert cost is not None
    assert facts["agentprof.cost.total"] == float(cost.total)
    assert facts["agentprof.cost.source"] == "local"


def test_deepseeks_cached_tokens_have_their_own_price(spans: Spans) -> None:
    usage = {"prompt_cache_hit_tokens": 1024, "prompt_cache_miss_tokens": 176, "prompt_tokens_details": None}

    _chat("https://api.deepseek.com", "deepseek-chat", usage=usage)

    facts = spans.facts()
    plain = pricing.price(TokenUsage(1200, 85), "deepseek-chat", provider="deepseek")
    assert plain is not None
    assert facts["gen_ai.usage.input_tokens"] == 1200
    assert facts["gen_ai.usage.cache_read.input_tokens"] == 1024
    assert facts["agentprof.cost.total"] < float(plain.total)


@pytest.mark.parametrize("host", ["api.together.xyz", "api.moonshot.ai"])
def test_cached_tokens_beside_the_details_are_read(host: str, spans: Spans) -> None:
    _chat(f"https://{host}/v1", "any", usage={"cached_tokens": 1000, "prompt_tokens_details": None})

    assert spans.facts()["gen_ai.usage.cache_read.input_tokens"] == 1000


def test_xais_reasoning_is_output_when_the_total_says_so(spans: Spans) -> None:
    _chat("https://api.x.ai/v1", "grok-4", usage={"completion_tokens": 21, "total_tokens": 1285})

    facts = spans.facts()
    assert facts["gen_ai.usage.output_tokens"] == 85
    assert facts["gen_ai.usage.reasoning.output_tokens"] == 64


def test_xais_reasoning_is_not_added_when_it_is_in_the_completion(spans: Spans) -> None:
    _chat("https://api.x.ai/v1", "grok-4")

    assert spans.facts()["gen_ai.usage.output_tokens"] == 85


def test_geminis_thoughts_are_output_though_only_the_total_has_them(spans: Spans) -> None:
    usage = {"completion_tokens": 5, "total_tokens": 1285, "completion_tokens_details": None}

    _chat("https://generativelanguage.googleapis.com/v1beta/openai/", "gemini-2.5-flash", usage=usage)

    facts = spans.facts()
    assert facts["gen_ai.usage.output_tokens"] == 85
    assert facts["gen_ai.usage.reasoning.output_tokens"] == 80


@pytest.mark.parametrize(
    ("base_url", "usage", "usd"),
    [
        ("https://openrouter.ai/api/v1", {"cost": 0.00095, "is_byok": False}, 0.00095),
        (
            "https://openrouter.ai/api/v1",
            {"cost": 0.0001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.002}},
            0.0021,
        ),
        ("https://openrouter.ai/api/v1", {"cost": 0}, 0.0),
        ("https://api.x.ai/v1", {"cost_in_usd_ticks": 37756000}, 0.0037756),
        ("https://api.perplexity.ai", {"cost": {"request_cost": 0.006, "total_cost": 0.0075}}, 0.0075),
    ],
)
def test_a_bill_in_the_answer_goes_before_the_price_table(
    base_url: str, usage: dict[str, Any], usd: float, spans: Spans
) -> None:
    _chat(base_url, "openai/gpt-4o", usage=usage)

    assert spans.facts()["agentprof.cost.total"] == pytest.approx(usd)
    assert spans.facts()["agentprof.cost.source"] == "provider"


def test_who_answered_behind_a_router_is_told(spans: Spans) -> None:
    _chat("https://openrouter.ai/api/v1", "openai/gpt-4o", provider="Azure")

    assert spans.facts()["agentprof.upstream.provider"] == "Azure"


def test_the_bill_of_a_stream_comes_with_its_last_chunk(spans: Spans) -> None:
    chunk = {"id": "gen-1", "object": "chat.completion.chunk", "created": 1, "model": "openai/gpt-4o"}
    text = {**chunk, "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}
    last = {**chunk, "choices": [], "usage": {**WHOLE["usage"], "cost": 0.0042}}
    events = [
        ": OPENROUTER PROCESSING",
        *(f"data: {json.dumps(c)}" for c in (text, text, last)),
        "data: [DONE]",
    ]

    with _client("https://openrouter.ai/api/v1", "\n\n".join([*events, ""]).encode()) as client:
        list(client.chat.completions.create(model="openai/gpt-4o", messages=ASKED, stream=True))

    assert spans.facts()["agentprof.cost.total"] == 0.0042
    assert spans.facts()["gen_ai.usage.output_tokens"] == 85


def test_the_bill_of_a_streamed_response_comes_with_its_last_event(spans: Spans) -> None:
    lines = (WIRE / "openai_responses_stream.sse").read_text(encoding="utf-8")
    told = lines.replace('"usage": {', '"usage": {"cost": 0.0042, ')

    with _client("https://openrouter.ai/api/v1", told.encode()) as client:
        list(client.responses.create(model="openai/gpt-4o", input="Hello", stream=True))

    assert spans.facts()["agentprof.cost.total"] == 0.0042


@pytest.mark.parametrize("model", ["llama-3.3-70b", "gpt-oss-120b", "openai/gpt-oss-120b", "Qwen/Qwen3-8B"])
def test_a_model_that_the_vendor_does_not_have_is_neither_its_nor_priced(model: str, spans: Spans) -> None:
    _chat("http://localhost:8000/v1", model)

    facts = spans.facts()
    assert facts["gen_ai.provider.name"] == "openai_compatible"
    assert facts["server.address"] == "localhost"
    assert facts["server.port"] == 8000
    assert "agentprof.cost.total" not in facts
    assert facts["gen_ai.usage.input_tokens"] == 1200


@pytest.mark.parametrize("model", ["gpt-5-mini", "o3-mini", "ft:gpt-4o:me", "text-embedding-3-small"])
def test_the_vendors_own_model_behind_a_gateway_is_the_vendors(model: str, spans: Spans) -> None:
    _chat("https://gateway.example/v1", model)

    assert spans.facts()["gen_ai.provider.name"] == "openai"


def test_another_vendors_model_in_anthropics_shape_is_not_anthropics(spans: Spans) -> None:
    body = (WIRE / "anthropic_message.json").read_bytes()
    transport = ANTHROPIC_HTTP.MockTransport(
        lambda _: ANTHROPIC_HTTP.Response(200, headers={"content-type": "application/json"}, content=body)
    )
    http = ANTHROPIC_HTTP.Client(transport=transport)
    options: dict[str, Any] = {"base_url": "http://localhost:4000", "http_client": http}

    with anthropic.Anthropic(api_key="none", **options) as client:
        for model in ("kimi-k3", "claude-sonnet-5", "us.anthropic.claude-sonnet-5"):
            client.messages.create(model=model, max_tokens=9, messages=[{"role": "user", "content": "Hello"}])

    names = [dict(span.attributes or {})["gen_ai.provider.name"] for span in spans.all()]
    assert names == ["anthropic_compatible", "anthropic", "anthropic"]
