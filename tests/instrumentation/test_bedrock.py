"""What only Bedrock does: families of models, bodies that can be read once, other AWS calls."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING, Any

import anthropic
import event_stream
import pytest
from botocore.exceptions import IncompleteReadError, ReadTimeoutError  # type: ignore[import-untyped]
from botocore.response import StreamingBody  # type: ignore[import-untyped]
from call_counting import calls_of
from genai_prices import Usage, calc_price
from loopback import WIRE, Answer
from providers.clients.bedrock_cases import body_of, connect
from providers.outcome import read
from urllib3.exceptions import ReadTimeoutError as RawTimeoutError

import otel_agentprof
from otel_agentprof.instrumentation import kept_body
from otel_agentprof.instrumentation.providers import bedrock
from otel_agentprof.instrumentation.registry import REGISTRY
from otel_agentprof.model import Span

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from conftest import Spans
    from loopback import Loopback

_NOW_NS = 1_796_000_000 * 10**9
_CLAUDE = (WIRE / "bedrock_invoke_model_anthropic.json").read_bytes()


@pytest.fixture
def client(server: Loopback) -> Iterator[Any]:
    made = connect(server.url, "sync")
    yield made
    made.close()


def _answer(document: Any, **headers: str) -> Answer:
    return Answer(json.dumps(document).encode(), headers=headers)


def _asked(prompt: str) -> list[Any]:
    return [{"role": "user", "content": [{"text": prompt}]}]


# --- Other AWS calls ----------------------------------------------------------------------------------------


def test_calls_of_other_services_pass_at_next_to_no_cost(server: Loopback, spans: Spans) -> None:
    tables = connect(server.url, "sync", "dynamodb")

    def ask() -> None:
        server.script.append(_answer({"TableNames": ["t"]}))
        assert tables.list_tables()["TableNames"] == ["t"]

    with_us = min(calls_of(ask, warm_up=3).total for _ in range(5))
    otel_agentprof.uninstrument()
    without = min(calls_of(ask, warm_up=3).total for _ in range(5))
    otel_agentprof.instrument(tracer_provider=spans.provider)

    tables.close()
    assert 0 < with_us - without <= 8
    assert spans.all() == ()


def test_other_calls_of_bedrock_are_no_spans(client: Any, server: Loopback, spans: Spans) -> None:
    server.script.append(_answer({"inputTokens": 5}))

    counted = client.count_tokens(modelId="m", input={"converse": {"messages": _asked("?")}})

    assert counted["inputTokens"] == 5
    assert spans.all() == ()


# --- Bodies -------------------------------------------------------------------------------------------------


def _into(body: Any) -> bytes:
    found, buffer = bytearray(), bytearray(64)
    while count := body.readinto(buffer):
        found += buffer[:count]
    return bytes(found)


@pytest.mark.parametrize(
    "read",
    [
        StreamingBody.read,
        lambda body: body.read(7) + body.read(),
        b"".join,
        lambda body: b"".join(body.iter_chunks(10)),
        lambda body: b"\n".join(body.iter_lines()) + b"\n",
        _into,
    ],
    ids=["read", "parts", "iter", "chunks", "lines", "into"],
)
def test_a_body_can_be_read_as_if_nobody_had(
    read: Callable[[Any], bytes], client: Any, server: Loopback, spans: Spans
) -> None:
    server.script.append(Answer(_CLAUDE))

    response = client.invoke_model(modelId="anthropic.claude-sonnet-4-5-20250929-v1:0", body=body_of())

    assert spans.facts()["gen_ai.usage.input_tokens"] == 176
    assert type(response["body"]) is StreamingBody
    assert response["body"].tell() == 0
    assert read(response["body"]) == _CLAUDE
    assert response["body"].read() == b""
    response["body"].close()


@pytest.mark.parametrize(
    "read",
    [
        lambda body: body.readlines(),
        lambda body: iter(body._raw_stream),
        lambda body: body._raw_stream.stream(10),
    ],
    ids=["lines", "raw", "stream"],
)
def test_a_connection_can_be_read_as_if_nobody_had(
    read: Callable[[Any], Iterator[bytes]], client: Any, server: Loopback, spans: Spans
) -> None:
    server.script.append(Answer(_CLAUDE))

    body = client.invoke_model(modelId="m", body=body_of())["body"]

    assert b"".join(read(body)) == _CLAUDE


def test_a_body_that_was_closed_has_nothing_left(client: Any, server: Loopback, spans: Spans) -> None:
    server.script.append(Answer(_CLAUDE))
    body = client.invoke_model(modelId="m", body=body_of())["body"]

    with body as raw:
        assert raw.status == 200

    assert kept_body.peek(body) == b""


class _Raw:
    """A connection that breaks."""

    def __init__(self, data: bytes, error: Exception | None) -> None:
        self._data, self._error = io.BytesIO(data), error

    def read(self, amount: int | None = None) -> bytes:
        data = self._data.read(amount)
        if not data and self._error is not None:
            raise self._error
        return data


def test_a_body_that_breaks_off_does_so_for_the_user_too() -> None:
    body = StreamingBody(_Raw(b"abcdef", RawTimeoutError(None, "/", "late")), 10)  # type: ignore[arg-type]

    assert kept_body.peek(body) is None

    assert body.read(4) == b"abcd"
    assert body.read(4) == b"ef"
    for amount in (4, None):
        with pytest.raises(ReadTimeoutError):
            body.read(amount)
    assert body.read(0) == b""


def test_a_body_that_is_too_short_is_so_for_the_user_too() -> None:
    body = StreamingBody(_Raw(b"abcdef", None), 10)

    assert kept_body.peek(body) == b"abcdef"

    with pytest.raises(IncompleteReadError):
        body.read()


@pytest.mark.parametrize("data", [b"no json", b"[1, 2]", b""])
def test_a_body_that_says_nothing_leaves_the_headers_to_count(
    data: bytes, client: Any, server: Loopback, spans: Spans
) -> None:
    headers = {"x-amzn-bedrock-input-token-count": "12", "x-amzn-bedrock-output-token-count": "34"}
    server.script.append(Answer(data, headers=headers))

    body = client.invoke_model(modelId="some.new-model-v1:0", body=json.dumps({"prompt": "?"}))["body"]

    assert spans.facts()["gen_ai.usage.input_tokens"] == 12
    assert spans.facts()["gen_ai.usage.output_tokens"] == 34
    assert body.read() == data


def test_a_body_that_says_nothing_at_all_has_no_tokens(client: Any, server: Loopback, spans: Spans) -> None:
    server.script.append(_answer({"words": 3}))

    client.invoke_model(modelId="some.new-model-v1:0", body=b"[]")

    assert not [name for name in spans.facts() if "usage" in name or "cost" in name]


def test_a_request_in_a_file_is_left_to_the_client(client: Any, server: Loopback, spans: Spans) -> None:
    server.script.append(Answer(_CLAUDE))

    client.invoke_model(modelId="anthropic.claude-3-haiku-20240307-v1:0", body=io.BytesIO(body_of().encode()))

    assert server.requests[0][1]["max_tokens"] == 512
    assert spans.facts()["gen_ai.usage.input_tokens"] == 176


def test_a_request_in_a_bytearray_is_read(client: Any, server: Loopback, spans: Spans) -> None:
    server.script.append(Answer(_CLAUDE))

    client.invoke_model(modelId="m", body=bytearray(body_of(top_k=5).encode()))

    assert spans.facts()["gen_ai.request.top_k"] == 5


class _Events:
    """An async stream as aiobotocore has it: closed without waiting, its ``__anext__`` makes a generator."""

    def __init__(self) -> None:
        self.is_closed = False

    def __aiter__(self) -> AsyncIterator[Any]:
        return self.__anext__()

    async def __anext__(self) -> AsyncIterator[Any]:
        for kind, document in event_stream.events_of("bedrock_converse_stream_events.json"):
            yield {kind: document}

    def close(self) -> str:
        self.is_closed = True
        return "closed"


class _Later:
    """A client whose calls are awaited."""

    def __init__(self, client: Any) -> None:
        self.meta = client.meta


@pytest.mark.parametrize("most", [2, None])
def test_an_async_stream_is_closed_as_it_always_was(
    most: int | None, client: Any, server: Loopback, spans: Spans
) -> None:
    engine = REGISTRY.slots["bedrock"].engine
    assert engine is not None
    asked = {"modelId": "m", "messages": _asked("?")}
    call = engine.open(bedrock.SPEC, bedrock.SPEC.calls[0], _Later(client), ("ConverseStream", asked), {})
    assert call is not None
    events = _Events()

    result = engine.settle(call, {"stream": events})

    stream = result["stream"]
    assert isinstance(stream, _Events)
    assert asyncio.run(read(stream, most=most))[0] == {"messageStart": {"role": "assistant"}}
    assert stream.close() == "closed"
    assert events.is_closed
    assert spans.facts().get("agentprof.stream.complete") is (False if most else None)
    assert ("gen_ai.usage.output_tokens" in spans.facts()) == (most is None)


# --- Families -----------------------------------------------------------------------------------------------

_FAMILIES: dict[str, Any] = {
    "nova": (
        {"messages": _asked("?"), "inferenceConfig": {"maxTokens": 9, "topP": 0.5}},
        {
            "output": {"message": {"role": "assistant", "content": [{"text": "Paris."}]}},
            "stopReason": "end_turn",
            "usage": {
                "inputTokens": 10,
                "outputTokens": 3,
                "cacheReadInputTokenCount": 4,
                "cacheWriteInputTokenCount": 2,
            },
        },
        (16, 3, "end_turn"),
    ),
    "titan": (
        {"inputText": "?", "textGenerationConfig": {"maxTokenCount": 9, "topP": 0.5}},
        {
            "inputTextTokenCount": 10,
            "results": [{"tokenCount": 3, "outputText": "Paris.", "completionReason": "FINISH"}],
        },
        (10, 3, "FINISH"),
    ),
    "llama": (
        {"prompt": "?", "max_gen_len": 9, "top_p": 0.5},
        {
            "generation": "Paris.",
            "prompt_token_count": 10,
            "generation_token_count": 3,
            "stop_reason": "stop",
        },
        (10, 3, "stop"),
    ),
    "mistral": (
        {"prompt": "?", "max_tokens": 9, "top_p": 0.5},
        {"outputs": [{"text": "Paris.", "stop_reason": "stop"}]},
        (11, 4, "stop"),  # from the headers
    ),
    "mistral chat": (
        {"messages": [{"role": "user", "content": "?"}], "max_tokens": 9, "top_p": 0.5},
        {"choices": [{"index": 0, "message": {"content": "Paris."}, "stop_reason": "stop"}]},
        (11, 4, "stop"),
    ),
    "openai": (
        {"messages": [{"role": "user", "content": "?"}], "max_completion_tokens": 9, "top_p": 0.5},
        {
            "id": "c-1",
            "model": "gpt-oss",
            "choices": [{"message": {"role": "assistant", "content": "Paris."}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 3},
        },
        (10, 3, "stop"),
    ),
    "cohere": (
        {"message": "?", "max_tokens": 9, "p": 0.5},
        {"text": "Paris.", "finish_reason": "COMPLETE", "generation_id": "g"},
        (11, 4, "COMPLETE"),
    ),
    "cohere old": (
        {"prompt": "?", "max_tokens": 9, "p": 0.5},
        {"generations": [{"text": "Paris.", "finish_reason": "COMPLETE"}]},
        (11, 4, "COMPLETE"),
    ),
}
_families = pytest.mark.parametrize("family", sorted(_FAMILIES))
_HEADERS = {"x-amzn-bedrock-input-token-count": "11", "x-amzn-bedrock-output-token-count": "4"}


@_families
def test_each_family_tells_its_tokens(family: str, client: Any, server: Loopback, spans: Spans) -> None:
    asked, answer, (taken, made, reason) = _FAMILIES[family]
    server.script.append(_answer(answer, **_HEADERS))

    client.invoke_model(modelId="some.model-v1:0", body=json.dumps(asked))

    facts = spans.facts()
    assert facts["gen_ai.operation.name"] == (
        "chat" if "messages" in asked or "message" in asked else "text_completion"
    )
    assert facts["gen_ai.usage.input_tokens"] == taken
    assert facts["gen_ai.usage.output_tokens"] == made
    assert facts["gen_ai.response.finish_reasons"] == (reason,)
    assert facts["gen_ai.request.max_tokens"] == 9
    assert facts["gen_ai.request.top_p"] == 0.5


@_families
def test_each_familys_words_are_on_the_span_when_asked_for(
    family: str, client: Any, server: Loopback, spans: Spans
) -> None:
    otel_agentprof.uninstrument()
    otel_agentprof.instrument(tracer_provider=spans.provider, capture_content=True)
    asked, answer, _ = _FAMILIES[family]
    server.script.append(_answer(answer))

    client.invoke_model(modelId="some.model-v1:0", body=json.dumps(asked))

    (question,) = json.loads(spans.facts()["gen_ai.input.messages"])
    (told,) = json.loads(spans.facts()["gen_ai.output.messages"])
    assert question["parts"] == [{"type": "text", "content": "?"}]
    assert told == {"role": "assistant", "parts": [{"type": "text", "content": "Paris."}]}


_METRICS = {
    "amazon-bedrock-invocationMetrics": {
        "inputTokenCount": 10,
        "outputTokenCount": 3,
        "cacheReadInputTokenCount": 4,
        "cacheWriteInputTokenCount": 2,
    }
}
_STREAMS: dict[str, Any] = {
    "llama": (
        [
            {"generation": "Par", "stop_reason": None},
            {"generation": "is.", "stop_reason": "stop", **_METRICS},
        ],
        "stop",
    ),
    "titan": (
        [{"outputText": "Par"}, {"outputText": "is.", "completionReason": "FINISH", **_METRICS}],
        "FINISH",
    ),
    "mistral": (
        [
            {"outputs": [{"text": "Par", "stop_reason": None}]},
            {"outputs": [{"text": "is.", "stop_reason": "stop"}], **_METRICS},
        ],
        "stop",
    ),
    "openai": (
        [
            {"choices": [{"delta": {"content": "Par"}}]},
            {"choices": [{"delta": {"content": "is."}, "finish_reason": "stop"}], **_METRICS},
        ],
        "stop",
    ),
    "nova": (
        [
            {"messageStart": {"role": "assistant"}},
            {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Par"}}},
            {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "is."}}},
            {"messageStop": {"stopReason": "end_turn"}},
            {
                "metadata": {
                    "usage": {
                        "inputTokens": 10,
                        "outputTokens": 3,
                        "cacheReadInputTokenCount": 4,
                        "cacheWriteInputTokenCount": 2,
                    }
                },
                **_METRICS,
            },
        ],
        "end_turn",
    ),
}


@pytest.mark.parametrize("captures", ["", "content"])
@pytest.mark.parametrize("family", sorted(_STREAMS))
def test_each_familys_stream_tells_its_tokens(
    family: str, captures: str, client: Any, server: Loopback, spans: Spans
) -> None:
    if captures:
        otel_agentprof.uninstrument()
        otel_agentprof.instrument(tracer_provider=spans.provider, capture_content=True)
    chunks, reason = _STREAMS[family]
    server.script.append(event_stream.stream([("chunk", {"bytes_json": chunk}) for chunk in chunks]))

    response = client.invoke_model_with_response_stream(modelId="m", body=json.dumps({"prompt": "?"}))

    assert len(list(response["body"])) == len(chunks)
    facts = spans.facts()
    assert facts["gen_ai.usage.input_tokens"] == 16
    assert facts["gen_ai.usage.cache_read.input_tokens"] == 4
    assert facts["gen_ai.usage.output_tokens"] == 3
    assert facts["gen_ai.response.finish_reasons"] == (reason,)
    if captures:
        (told,) = json.loads(facts["gen_ai.output.messages"])
        assert told["parts"] == [{"type": "text", "content": "Paris."}]


def test_chunks_that_are_no_json_are_passed_by(client: Any, server: Loopback, spans: Spans) -> None:
    odd = {"bytes": "Im1ldGFkYXRh"}  # of which no JSON can be made
    last = {"bytes_json": _METRICS}
    server.script.append(event_stream.stream([("chunk", odd), ("chunk", last)]))

    list(client.invoke_model_with_response_stream(modelId="m", body=body_of())["body"])

    assert spans.facts()["gen_ai.usage.output_tokens"] == 3


# --- Converse -----------------------------------------------------------------------------------------------

_WHOLE = json.loads((WIRE / "bedrock_converse.json").read_bytes())


def _converse(client: Any, model: str = "m") -> Any:
    return client.converse(modelId=model, messages=_asked("?"))


@pytest.mark.parametrize(
    ("named", "model"),
    [
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-pro-v1:0", "us.amazon.nova-pro-v1:0"),
        (
            "arn:aws:bedrock:us-east-1:1:application-inference-profile/a1b2",
            "arn:aws:bedrock:us-east-1:1:application-inference-profile/a1b2",
        ),
    ],
)
def test_a_model_behind_a_resource_name_is_found(
    named: str, model: str, client: Any, server: Loopback, spans: Spans
) -> None:
    server.script.append(_answer(_WHOLE))

    _converse(client, named)

    assert spans.facts()["gen_ai.request.model"] == model
    assert ("agentprof.cost.total" in spans.facts()) == ("nova" in model)


@pytest.mark.parametrize("prefix", ["global.", "us.", ""])
@pytest.mark.parametrize("way", ["converse", "invoke_model", "anthropic"])
def test_the_id_that_was_asked_for_decides_the_price(
    way: str, prefix: str, client: Any, server: Loopback, spans: Spans
) -> None:
    model = f"{prefix}anthropic.claude-sonnet-4-5-20250929-v1:0"
    server.script.append(_answer(_WHOLE) if way == "converse" else Answer(_CLAUDE))

    if way == "converse":
        _converse(client, model)
    elif way == "invoke_model":
        client.invoke_model(modelId=model, body=body_of())
    else:
        keys: dict[str, Any] = {"aws_region": "us-east-1", "aws_access_key": "none", "aws_secret_key": "none"}
        with anthropic.AnthropicBedrock(**keys, base_url=server.url) as bedrock_client:
            bedrock_client.messages.create(
                model=model, max_tokens=9, messages=[{"role": "user", "content": "?"}]
            )

    facts = spans.facts()
    usage = Usage(
        input_tokens=facts["gen_ai.usage.input_tokens"],
        output_tokens=facts["gen_ai.usage.output_tokens"],
        cache_read_tokens=facts.get("gen_ai.usage.cache_read.input_tokens", 0),
        cache_write_tokens=facts.get("gen_ai.usage.cache_write.input_tokens", 0),
    )
    expected = calc_price(usage, model, provider_id="aws").total_price
    assert facts["agentprof.cost.total"] == pytest.approx(float(expected))
    # Who reads the span back without the figure that it carries comes to the same.
    read_back = {name: value for name, value in facts.items() if "cost" not in name}
    span = Span("0" * 32, "1" * 16, None, "chat", _NOW_NS, _NOW_NS + 1, attributes=read_back)
    assert otel_agentprof.analyze([span]).cost_usd == expected


def test_an_id_that_tells_no_model_leaves_the_price_to_the_answers(
    client: Any, server: Loopback, spans: Spans
) -> None:
    server.script.append(Answer(_CLAUDE))

    profile = "arn:aws:bedrock:us-east-1:1:application-inference-profile/a1b2"
    client.invoke_model(modelId=profile, body=body_of())

    assert spans.facts()["agentprof.cost.total"] > 0


def test_what_is_kept_for_an_hour_is_told_apart(client: Any, server: Loopback, spans: Spans) -> None:
    details = [{"ttl": "5m", "inputTokens": 500}, {"ttl": "1h", "inputTokens": 12}]
    server.script.append(_answer({**_WHOLE, "usage": {**_WHOLE["usage"], "cacheDetails": details}}))

    _converse(client)

    assert spans.facts()["agentprof.usage.cache_write_1h.input_tokens"] == 12
    assert spans.facts()["gen_ai.usage.input_tokens"] == 1712


def test_an_answer_without_usage_has_no_tokens(client: Any, server: Loopback, spans: Spans) -> None:
    server.script.append(_answer({key: value for key, value in _WHOLE.items() if key != "usage"}))

    _converse(client)

    assert not [name for name in spans.facts() if "usage" in name or "cost" in name]


def test_the_tier_is_told(client: Any, server: Loopback, spans: Spans) -> None:
    server.script.append(_answer({**_WHOLE, "serviceTier": {"type": "flex"}}))
    events = event_stream.events_of("bedrock_converse_stream_events.json")
    events[-1][1]["serviceTier"] = {"type": "priority"}
    server.script.append(event_stream.stream(events))
    server.script.append(Answer(_CLAUDE, headers={"x-amzn-bedrock-service-tier": "flex"}))

    _converse(client)
    list(client.converse_stream(modelId="m", messages=_asked("?"))["stream"])
    client.invoke_model(modelId="m", body=body_of())

    told = [dict(span.attributes or {})["agentprof.service_tier"] for span in spans.all()]
    assert told == ["flex", "priority", "flex"]


def test_tools_that_bedrock_runs_are_not_the_callers(client: Any, server: Loopback, spans: Spans) -> None:
    answer = json.loads(json.dumps(_WHOLE))
    answer["output"]["message"]["content"][1]["toolUse"]["type"] = "server_tool_use"
    server.script.append(_answer(answer))

    _converse(client)

    assert "agentprof.tool_call.ids" not in spans.facts()


def test_a_call_that_was_sent_again_says_so(client: Any, server: Loopback, spans: Spans) -> None:
    server.script += [Answer("bedrock_error_throttling_429.json", 429), _answer(_WHOLE)]

    _converse(client)

    assert spans.facts()["agentprof.retry.count"] == 1


def test_the_words_of_a_stream_are_on_the_span_when_asked_for(
    client: Any, server: Loopback, spans: Spans
) -> None:
    otel_agentprof.uninstrument()
    otel_agentprof.instrument(tracer_provider=spans.provider, capture_content=True)
    asked = json.loads((WIRE / "bedrock_converse_request_with_tool_results.json").read_bytes())
    server.script.append(event_stream.stream(event_stream.events_of("bedrock_converse_stream_events.json")))
    server.script.append(event_stream.stream(event_stream.events_of("bedrock_invoke_stream_events.json")))

    list(client.converse_stream(**asked)["stream"])
    list(client.invoke_model_with_response_stream(modelId="m", body=body_of())["body"])

    converse, invoke = (dict(span.attributes or {}) for span in spans.all())
    (told,) = json.loads(str(converse["gen_ai.output.messages"]))
    assert told["parts"] == [
        {"type": "text", "content": "Paris."},
        {"type": "tool_call", "id": "tooluse_aa11", "name": "get_weather", "arguments": {"city": "Paris"}},
    ]
    question = json.loads(str(converse["gen_ai.input.messages"]))
    kinds = [message["parts"][0]["type"] for message in question]
    assert kinds == ["text", "tool_call", "tool_call_response"]
    assert "Par" in str(invoke["gen_ai.output.messages"])


@pytest.mark.parametrize("kind", ["throttlingException", "modelStreamErrorException"])
def test_a_failure_half_way_has_its_own_name(kind: str, client: Any, server: Loopback, spans: Spans) -> None:
    server.script.append(event_stream.stream([], ends_with=event_stream.failure(kind)))

    with pytest.raises(Exception, match=kind):
        list(client.converse_stream(modelId="m", messages=_asked("?"))["stream"])

    assert spans.facts()["error.type"] == kind


def test_a_request_that_no_one_answers_has_the_clients_own_error(spans: Spans) -> None:
    client = connect("http://127.0.0.1:9", "sync")

    with pytest.raises(Exception, match="Could not connect"):
        _converse(client)

    client.close()
    assert spans.facts()["error.type"] == "botocore.exceptions.EndpointConnectionError"
