"""What only Cohere's client does."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from loopback import WIRE, Answer

import otel_agentprof
from otel_agentprof.instrumentation.shapes import cohere as shape
from otel_agentprof.instrumentation.spec import Reply
from otel_agentprof.model.tokens import TokenUsage

cohere = pytest.importorskip("cohere")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Spans
    from loopback import Loopback

MODEL = "command-a-03-2025"
MESSAGES = [{"role": "user", "content": "Paris?"}]
WHOLE = json.loads((WIRE / "cohere_v2_chat.json").read_bytes())
FIRST = {"generation_id": "g-1", "text": "Paris.", "finish_reason": "COMPLETE", "meta": WHOLE["usage"]}


@pytest.fixture
def client(server: Loopback) -> Iterator[Any]:
    with cohere.ClientV2(api_key="none", base_url=server.url) as client:
        yield client


@pytest.fixture
def first(server: Loopback) -> Iterator[Any]:
    with cohere.Client(api_key="none", base_url=server.url) as client:
        yield client


def _with_content(spans: Spans) -> None:
    otel_agentprof.uninstrument()
    otel_agentprof.instrument(tracer_provider=spans.provider, capture_content=True)


def _served(**changes: Any) -> Answer:
    return Answer(json.dumps({**WHOLE, **changes}).encode())


def _events(*events: dict[str, Any]) -> Answer:
    texts = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]
    return Answer("".join(texts).encode(), content_type="text/event-stream")


@pytest.mark.parametrize(
    ("usage", "cached"),
    [
        (WHOLE["usage"], 1024),
        (SimpleNamespace(**{**WHOLE["usage"], "cached_tokens": None}), 0),
        (SimpleNamespace(billed_units=None, tokens=SimpleNamespace(**WHOLE["usage"]["tokens"])), 0),
    ],
    ids=["a dict", "a model", "a model that knows no cache"],
)
def test_what_older_clients_have_no_model_for_is_read_all_the_same(usage: Any, cached: int) -> None:
    reply = Reply()
    delta = SimpleNamespace(usage=usage, finish_reason="COMPLETE")

    shape.read_event(reply, SimpleNamespace(type="message-end", delta=delta))

    assert reply.usage == TokenUsage(1200, 85, cached)


def test_a_client_that_was_made_before_is_seen_too(server: Loopback, pipeline: Spans) -> None:
    server.script += [Answer("cohere_v2_chat.json"), Answer("cohere_v2_chat_stream.sse")]

    with cohere.ClientV2(api_key="none", base_url=server.url) as client:
        with otel_agentprof.instrument(tracer_provider=pipeline.provider):
            client.chat(model=MODEL, messages=MESSAGES)
            list(client.chat_stream(model=MODEL, messages=MESSAGES))
        otel_agentprof.uninstrument()

    whole, streamed = (dict(span.attributes or {}) for span in pipeline.all())
    assert whole["gen_ai.usage.input_tokens"] == streamed["gen_ai.usage.input_tokens"] == 1200
    assert whole["agentprof.request.fingerprint"] == streamed["agentprof.request.fingerprint"]


def test_a_raw_stream_that_is_left_is_incomplete(server: Loopback, spans: Spans, client: Any) -> None:
    server.script.append(Answer("cohere_v2_chat_stream.sse"))

    with client.with_raw_response.chat_stream(model=MODEL, messages=MESSAGES) as response:
        next(response.data)
    del response

    assert spans.facts()["agentprof.stream.complete"] is False


def test_a_raw_stream_that_is_refused_is_an_error(server: Loopback, spans: Spans, client: Any) -> None:
    server.script.append(Answer("cohere_error_429.json", 400))

    with (
        pytest.raises(cohere.BadRequestError),
        client.with_raw_response.chat_stream(model=MODEL, messages=MESSAGES),
    ):
        pass

    assert spans.facts()["http.response.status_code"] == 400


def test_a_raw_stream_without_us_is_the_clients_own(server: Loopback, spans: Spans, client: Any) -> None:
    server.script.append(Answer("cohere_v2_chat_stream.sse"))
    method = client.with_raw_response.chat_stream
    otel_agentprof.uninstrument()

    with method(model=MODEL, messages=MESSAGES) as response:
        read = len(list(response.data))

    assert read == 9
    assert spans.all() == ()


def test_what_is_billed_as_taken_costs_what_was_taken(server: Loopback, spans: Spans, client: Any) -> None:
    tokens = {"input_tokens": 1200.0, "output_tokens": 85.0}
    server.script.append(_served(usage={"tokens": tokens}))

    client.chat(model=MODEL, messages=MESSAGES)

    assert spans.facts()["agentprof.cost.total"] == pytest.approx((1200 * 2.5 + 85 * 10) / 1e6)


def test_only_billed_tokens_are_better_than_none(server: Loopback, spans: Spans, client: Any) -> None:
    server.script.append(_served(usage={"billed_units": {"input_tokens": 20.0, "output_tokens": 12.0}}))

    client.chat(model=MODEL, messages=MESSAGES)

    assert spans.facts()["gen_ai.usage.input_tokens"] == 20
    assert spans.facts()["gen_ai.usage.output_tokens"] == 12


@pytest.mark.parametrize("usage", [None, {}, {"tokens": {}}, {"tokens": {"input_tokens": -1}}])
def test_tokens_that_nobody_told_are_absent(usage: Any, server: Loopback, spans: Spans, client: Any) -> None:
    server.script.append(_served(usage=usage))

    client.chat(model=MODEL, messages=MESSAGES)

    assert not [name for name in spans.facts() if name.startswith("gen_ai.usage.")]
    assert "agentprof.cost.total" not in spans.facts()


def test_a_failed_answer_is_an_error(server: Loopback, spans: Spans, client: Any) -> None:
    server.script.append(_served(finish_reason="ERROR"))

    client.chat(model=MODEL, messages=MESSAGES)

    assert spans.facts()["error.type"] == "ERROR"


def test_an_event_that_is_new_changes_nothing(server: Loopback, spans: Spans, client: Any) -> None:
    server.script.append(
        _events(
            {"type": "message-start", "id": "c-9"}, {"type": "debug"}, {"type": "message-end", "delta": {}}
        )
    )

    list(client.chat_stream(model=MODEL, messages=MESSAGES))

    assert spans.facts()["gen_ai.response.id"] == "c-9"
    assert "gen_ai.usage.input_tokens" not in spans.facts()


def test_requests_parameters_and_objects_are_read(server: Loopback, spans: Spans, client: Any) -> None:
    server.script.append(Answer("cohere_v2_chat.json"))
    result = cohere.ToolChatMessageV2(tool_call_id="call_1", content="18C")

    client.chat(model=MODEL, messages=[result], k=3, p=0.5, stop_sequences=["END"])

    facts = spans.facts()
    assert facts["gen_ai.request.top_k"] == 3
    assert facts["gen_ai.request.top_p"] == 0.5
    assert facts["gen_ai.request.stop_sequences"] == ("END",)
    assert facts["agentprof.tool_result.ids"] == ("call_1",)


def test_many_embeddings_are_one_span_in_its_place(server: Loopback, spans: Spans, first: Any) -> None:
    answer = {
        "response_type": "embeddings_floats",
        "id": "e-1",
        "texts": ["x"],
        "embeddings": [[0.1]],
        "meta": {"billed_units": {"input_tokens": 2}},
    }
    server.script += [Answer(json.dumps(answer).encode())] * 2

    with otel_agentprof.agent("planner"):
        first.embed(model="embed-v4.0", texts=["x"] * 100)

    embedding, agent = spans.all()
    assert len(server.requests) == 2
    assert embedding.parent == agent.get_span_context()
    assert dict(embedding.attributes or {})["gen_ai.usage.input_tokens"] == 4


def test_the_clouds_client_is_the_clouds(spans: Spans) -> None:
    keys = dict.fromkeys(("aws_access_key", "aws_secret_key"), "none")
    client = cohere.BedrockClientV2(aws_region="us-east-1", **keys)
    transport = httpx.MockTransport(lambda _: httpx.Response(404, json={"message": "no such model"}))
    client._client_wrapper.httpx_client.httpx_client = httpx.Client(transport=transport)

    with pytest.raises(cohere.NotFoundError):
        client.chat(model=f"cohere.{MODEL}", messages=MESSAGES)

    assert spans.facts()["gen_ai.provider.name"] == "aws.bedrock"
    assert "server.address" not in spans.facts()


def test_a_stream_is_content_when_asked_for(server: Loopback, spans: Spans, client: Any, first: Any) -> None:
    _with_content(spans)
    events = [
        {"event_type": "stream-start", "generation_id": "g-1"},
        {"event_type": "text-generation", "text": "Paris."},
        {"event_type": "search-queries-generation", "search_queries": []},
        {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": FIRST},
    ]
    lines = b"".join(json.dumps(event).encode() + b"\n" for event in events)
    server.script += [Answer("cohere_v2_chat_stream.sse"), Answer(lines)]

    list(client.chat_stream(model=MODEL, messages=MESSAGES))
    list(first.chat_stream(model=MODEL, message="Paris?", chat_history=[{"role": "USER", "message": "Hi"}]))

    second, old = (dict(span.attributes or {}) for span in spans.all())
    assert json.loads(str(second["gen_ai.output.messages"]))[0]["parts"] == [
        {"type": "text", "content": "Paris."},
        {
            "type": "tool_call",
            "id": "get_weather_aa11",
            "name": "get_weather",
            "arguments": '{"city":"Paris"}',
        },
    ]
    assert json.loads(str(old["gen_ai.output.messages"]))[0]["parts"] == [
        {"type": "text", "content": "Paris."}
    ]
    assert [turn["role"] for turn in json.loads(str(old["gen_ai.input.messages"]))] == ["USER", "user"]


def test_a_preamble_and_raw_answers_are_content_when_asked_for(
    server: Loopback, spans: Spans, client: Any, first: Any
) -> None:
    _with_content(spans)
    server.script += [Answer(json.dumps(FIRST).encode()), Answer("cohere_v2_chat.json")]

    first.chat(model=MODEL, message="Paris?", preamble="Be brief.")
    client.with_raw_response.chat(model=MODEL, messages=MESSAGES)

    old, raw = (dict(span.attributes or {}) for span in spans.all())
    assert json.loads(str(old["gen_ai.system_instructions"])) == [{"type": "text", "content": "Be brief."}]
    assert json.loads(str(old["gen_ai.output.messages"]))[0]["parts"][0]["content"] == "Paris."
    assert json.loads(str(raw["gen_ai.output.messages"]))[0]["parts"][0]["content"] == "Paris."
