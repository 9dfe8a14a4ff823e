"""What only LiteLLM does: any vendor behind one function, its own retries, router and cache."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest
from loopback import Answer

import otel_agentprof
from otel_agentprof.instrumentation import libraries
from otel_agentprof.instrumentation.peer import PeerBook
from otel_agentprof.instrumentation.shapes import litellm_answers
from otel_agentprof.instrumentation.spec import ProviderSpec, Reply
from otel_agentprof.model import TokenUsage

if TYPE_CHECKING:
    from conftest import Spans
    from loopback import Loopback

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
litellm: Any = pytest.importorskip("litellm")
pytestmark = pytest.mark.filterwarnings("ignore")  # LiteLLM's types warn of themselves

# Taken before anything is instrumented, as many programs do.
completion, acompletion = litellm.completion, litellm.acompletion
embedding, responses = litellm.embedding, litellm.responses
main_completion, main_acompletion = litellm.main.completion, litellm.main.acompletion
MODEL = "openai/gpt-5-mini"
TEXT_MODEL = "text-completion-openai/gpt-3.5-turbo-instruct"  # LiteLLM sends these when they are first read
HELLO = [{"role": "user", "content": "Hello"}]
BUSY = Answer("openai_error_429.json", 429, headers={"retry-after-ms": "1"})


def _settings(server: Loopback, **more: Any) -> dict[str, Any]:
    return {"api_base": f"{server.url}/v1", "api_key": "none", "max_retries": 0, **more}


@pytest.mark.parametrize(
    ("arguments", "provider", "model"),
    [
        ({"model": "openai/gpt-5-mini"}, "openai", "gpt-5-mini"),
        ({"model": "gpt-5-mini"}, "openai", "gpt-5-mini"),
        ({"model": "claude-sonnet-4-5"}, "anthropic", "claude-sonnet-4-5"),
        ({"model": "sonar", "custom_llm_provider": "perplexity"}, "perplexity", "sonar"),
        ({"model": "azure/mine"}, "azure.ai.openai", "mine"),
        (
            {"model": "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0"},
            "aws.bedrock",
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
        ),
        ({"model": "vertex_ai/gemini-2.5-pro"}, "gcp.vertex_ai", "gemini-2.5-pro"),
        ({"model": "gemini/gemini-2.5-pro"}, "gcp.gemini", "gemini-2.5-pro"),
        ({"model": "openrouter/openai/gpt-4o"}, "openrouter", "openai/gpt-4o"),
        ({"model": "xai/grok-4"}, "x_ai", "grok-4"),
        ({"model": "openai/grok-4", "base_url": "https://api.x.ai/v1"}, "x_ai", "grok-4"),
        ({"model": "openai/gpt-oss-20b", "api_base": "http://vllm:8000"}, "openai_compatible", "gpt-oss-20b"),
        ({"model": "hosted_vllm/mine", "api_base": "http://vllm:8000"}, "hosted_vllm", "mine"),
        ({"model": "nobody/knows"}, "litellm", "nobody/knows"),
    ],
)
def test_the_vendor_is_the_one_that_litellm_asks(
    arguments: dict[str, Any], provider: str, model: str
) -> None:
    spec = libraries.known()["litellm"].load()
    assert isinstance(spec, ProviderSpec)
    call = spec.calls[0]
    assert call.client_of is not None
    assert call.model_of is not None

    peer = PeerBook().peer(spec, call.client_of(arguments))

    assert (peer.provider, call.model_of(None, arguments)) == (provider, model)


def test_functions_that_were_imported_before_are_seen_once_each(server: Loopback, spans: Spans) -> None:
    async def main() -> None:
        await acompletion(MODEL, HELLO, **_settings(server))

    completion(MODEL, HELLO, **_settings(server))
    asyncio.run(main())
    embedding("openai/text-embedding-3-small", ["Hello"], **_settings(server))
    responses("Hello", MODEL, **_settings(server))

    assert [span.name for span in spans.all()] == [
        "chat gpt-5-mini",
        "chat gpt-5-mini",
        "embeddings text-embedding-3-small",
        "chat gpt-5-mini",
    ]


def test_functions_that_were_taken_from_within_are_seen_once_each(server: Loopback, spans: Spans) -> None:
    async def main() -> None:
        await main_acompletion(MODEL, HELLO, **_settings(server))
        async for _ in await main_acompletion(MODEL, HELLO, stream=True, **_settings(server)):
            pass

    main_completion(MODEL, HELLO, **_settings(server))
    for _ in main_completion(MODEL, HELLO, stream=True, **_settings(server)):
        pass
    asyncio.run(main())
    main_completion("anthropic/claude-sonnet-4-5", HELLO, **_settings(server, api_base=server.url))

    assert len(server.requests) == 5
    found = [dict(span.attributes or {}) for span in spans.all()]
    names = [facts["gen_ai.request.model"] for facts in found]
    assert names == ["gpt-5-mini"] * 4 + ["claude-sonnet-4-5"]
    assert [facts["gen_ai.usage.input_tokens"] for facts in found if "gen_ai.usage.input_tokens" in facts]


def test_litellms_own_retries_are_one_call(server: Loopback, spans: Spans) -> None:
    server.script.append(BUSY)

    litellm.completion(MODEL, HELLO, **_settings(server, max_retries=1))

    assert len(server.requests) == 2
    assert spans.facts()["agentprof.retry.count"] == 1


def test_num_retries_are_one_call(server: Loopback, spans: Spans) -> None:
    server.script += [BUSY] * 2

    litellm.completion(MODEL, HELLO, num_retries=2, **_settings(server))

    assert len(server.requests) == 3
    assert spans.facts()["gen_ai.usage.input_tokens"] == 1200


def test_a_model_that_the_table_has_not_costs_what_litellm_reckons(server: Loopback, spans: Spans) -> None:
    prices = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
    body = b'{"id": "c", "object": "chat.completion", "created": 1, "model": "mine", "choices": [{"index": 0,'
    body += b'"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],'
    body += b'"usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}}'
    server.script.append(Answer(body))

    litellm.completion("openai/mine", HELLO, **_settings(server, **prices))

    assert spans.facts()["agentprof.cost.total"] == pytest.approx(0.0012)
    assert spans.facts()["agentprof.cost.source"] == "litellm"


def test_a_stream_without_usage_has_no_counts_and_no_cost(server: Loopback, spans: Spans) -> None:
    server.script.append(Answer("openai_chat_stream_no_usage.sse"))

    for _ in litellm.completion(MODEL, HELLO, stream=True, **_settings(server)):
        pass

    assert not [name for name in spans.facts() if "usage" in name or "cost" in name]
    assert spans.facts()["gen_ai.response.finish_reasons"] == ("stop",)


@pytest.mark.parametrize(
    ("name", "asked"), [("text_completion", {"prompt": "Hello"}), ("completion", {"messages": HELLO})]
)
def test_a_stream_that_is_sent_with_its_first_item_is_one_call(
    name: str, asked: dict[str, Any], server: Loopback, spans: Spans
) -> None:
    settings = _settings(server, stream=True, stream_options={"include_usage": True}, **asked)

    async def main() -> None:
        stream = await getattr(litellm, f"a{name}")(model=TEXT_MODEL, **settings)
        assert await anext(stream)  # without aiter()
        async for _ in stream:
            pass

    stream = getattr(litellm, name)(model=TEXT_MODEL, **settings)
    assert server.requests == []
    for _ in stream:
        pass
    asyncio.run(main())

    assert len(server.requests) == 2
    assert [(span.attributes or {})["gen_ai.usage.input_tokens"] for span in spans.all()] == [12, 12]


def test_what_is_called_while_a_late_stream_is_read_is_another_call(server: Loopback, spans: Spans) -> None:
    settings = _settings(server)

    for _ in litellm.text_completion(model=TEXT_MODEL, prompt="Hello", stream=True, **settings):
        litellm.completion(MODEL, HELLO, **settings)
        break

    assert sorted(span.name.partition(" ")[0] for span in spans.all()) == ["chat", "text_completion"]


def test_a_late_stream_whose_request_fails_is_one_call_that_failed(server: Loopback, spans: Spans) -> None:
    server.script.append(BUSY)
    stream = litellm.completion(TEXT_MODEL, HELLO, stream=True, **_settings(server))

    with pytest.raises(Exception, match="Rate limit"):
        next(stream)

    assert not spans.only().status.is_ok


def test_an_answer_of_litellms_cache_took_no_tokens() -> None:
    # The cache itself wants the packages of LiteLLM's proxy; this is how it marks what it gives back.
    cached = litellm.completion(MODEL, HELLO, mock_response="Hi")
    cached._hidden_params["cache_hit"] = True
    reply = Reply()

    litellm_answers.read(reply, cached)

    assert reply.usage is None
    assert reply.reckoned_usd is None
    assert reply.finish_reasons == ["stop"]


def test_a_mock_is_a_call_like_any_other(spans: Spans) -> None:
    litellm.completion(MODEL, HELLO, mock_response="Hi")

    assert spans.only().name == "chat gpt-5-mini"


def test_a_routers_second_deployment_is_a_second_call(server: Loopback, spans: Spans) -> None:
    server.script += [Answer(b'{"error": {"message": "no"}}', 500)]
    deployments = [
        {"model_name": "mine", "litellm_params": {"model": MODEL, **_settings(server)}} for _ in range(2)
    ]
    router = litellm.Router(deployments, num_retries=1, retry_after=0)

    router.completion("mine", HELLO)

    assert [span.status.is_ok for span in spans.all()] == [False, True]


def test_what_is_taken_away_again_is_seen_no_more(server: Loopback, spans: Spans) -> None:
    otel_agentprof.uninstrument()

    litellm.completion(MODEL, HELLO, **_settings(server))

    assert spans.all() == ()


def test_tokens_of_images_and_videos_are_told_apart() -> None:
    kinds = litellm.types.utils
    usage = kinds.Usage(
        prompt_tokens=600,
        completion_tokens=1_300,
        total_tokens=1_900,
        prompt_tokens_details=kinds.PromptTokensDetailsWrapper(image_tokens=258, video_tokens=263),
        completion_tokens_details=kinds.CompletionTokensDetailsWrapper(image_tokens=1_290),
    )
    reply = Reply()

    litellm_answers.read(reply, litellm.ModelResponse(model="gemini-2.5-flash-image", usage=usage))

    assert reply.usage == TokenUsage(600, 1_300, image_input=258, image_output=1_290, video_input=263)
