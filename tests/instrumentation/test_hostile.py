"""Nothing of ours reaches the user, whatever is broken around a call: SDK parts, arguments, answers."""

from __future__ import annotations

import gc
import logging
import sys
import traceback
from collections import UserDict
from typing import TYPE_CHECKING, Any

import pytest
from loopback import WIRE, Answer
from openai.types.chat import ChatCompletion, ChatCompletionMessage
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import StatusCode
from surfaces import CHAT_USAGE, MESSAGES, SURFACES, Surface
from test_calls import usage_of

import otel_agentprof
from otel_agentprof import pricing
from otel_agentprof.instrumentation import peer
from otel_agentprof.instrumentation.providers.openai import SPEC as OPENAI
from otel_agentprof.instrumentation.registry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Connect, Spans
    from loopback import Loopback

CHAT, RESPONSES, EMBEDDINGS, ANTHROPIC = SURFACES[0], SURFACES[2], SURFACES[3], SURFACES[4]


class BrokenError(Exception):
    """What the parts below raise."""


class BrokenSampler(Sampler):
    def should_sample(self, *_args: Any, **_named: Any) -> Any:
        raise BrokenError

    def get_description(self) -> str:
        return "broken"


class BrokenProcessor(SpanProcessor):
    def __init__(self, *broken: str) -> None:
        for name in broken:
            setattr(self, name, self._raise)

    @staticmethod
    def _raise(*_args: Any, **_named: Any) -> None:
        raise BrokenError


def broken_provider(part: str) -> TracerProvider:
    if part == "sampler":
        return TracerProvider(sampler=BrokenSampler(), shutdown_on_exit=False)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BrokenProcessor(part))
    return provider


@pytest.mark.parametrize("part", ["sampler", "on_start", "on_end"])
@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_broken_sdk_part_is_told_once_and_never_raised(
    part: str, server: Loopback, connect: Connect, caplog: pytest.LogCaptureFixture, *, is_streamed: bool
) -> None:
    create = connect(CHAT).chat.completions.create

    with otel_agentprof.instrument(tracer_provider=broken_provider(part)):
        for _ in range(3):
            answer = connect(CHAT).chat.completions.create(**CHAT.arguments, stream=is_streamed)
            assert (next(iter(list(answer))) if is_streamed else answer).model
        engine = REGISTRY.slots["openai"].engine
        assert engine is not None

    assert sum(engine.failures.values()) == 3
    assert len([r for r in caplog.records if r.name.startswith("otel_agentprof.instrumentation")]) == 1
    assert create(**CHAT.arguments).id


def test_a_broken_meter_provider_costs_no_span(
    pipeline: Spans, server: Loopback, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    meters = MeterProvider(shutdown_on_exit=False)
    meters.get_meter = BrokenProcessor._raise  # type: ignore[method-assign,assignment]

    with otel_agentprof.instrument(tracer_provider=pipeline.provider, meter_provider=meters):
        connect(CHAT).chat.completions.create(**CHAT.arguments)

    assert usage_of(pipeline.facts()) == CHAT_USAGE
    assert "failed in end" in caplog.text


def test_broken_prices_cost_no_span(
    pipeline: Spans, server: Loopback, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object, **_named: object) -> None:
        raise BrokenError

    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        monkeypatch.setattr(pricing, "rate_card", broken)
        connect(CHAT).chat.completions.create(**CHAT.arguments)

    assert usage_of(pipeline.facts()) == CHAT_USAGE
    assert "agentprof.cost.total" not in pipeline.facts()


def test_a_request_that_we_cannot_read_is_still_one_span(
    pipeline: Spans, server: Loopback, connect: Connect
) -> None:
    endless: dict[str, Any] = {"role": "user"}
    endless["content"] = [endless]

    with (
        otel_agentprof.instrument(tracer_provider=pipeline.provider, capture_content=True),
        pytest.raises((ValueError, RecursionError)),
    ):
        connect(CHAT).chat.completions.create(model="gpt-5-mini", messages=[endless])

    assert pipeline.only().status.status_code is StatusCode.ERROR


class UnprintableError(Exception):
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        raise BrokenError


def test_an_error_without_a_text_is_the_users_and_the_spans(
    pipeline: Spans, server: Loopback, connect: Connect
) -> None:
    def refuse(_response: Any) -> None:
        raise UnprintableError

    client = connect(CHAT, max_retries=0)
    client._make_status_error_from_response = refuse
    server.script.append(Answer(b"{}", 400))

    with otel_agentprof.instrument(tracer_provider=pipeline.provider, capture_content=True):
        error = raised_by(client.chat.completions.create, CHAT.arguments)

    assert UnprintableError in chain_of(error)
    assert pipeline.only().status.status_code is StatusCode.ERROR


def raised_by(create: Any, arguments: dict[str, Any]) -> BaseException:
    try:
        create(**arguments)
    except Exception as error:  # noqa: BLE001 - any of them is looked at
        return error
    raise AssertionError


def chain_of(error: BaseException | None) -> list[type[BaseException]]:
    return [] if error is None else [type(error), *chain_of(error.__cause__ or error.__context__)]


@pytest.mark.parametrize("surface", [CHAT, ANTHROPIC], ids=str)
@pytest.mark.parametrize("is_captured", [False, True])
def test_an_exception_and_its_causes_are_as_without_us(
    surface: Surface, pipeline: Spans, server: Loopback, connect: Connect, *, is_captured: bool
) -> None:
    refusal = Answer(f"{surface.client}_error_429.json", 429)
    server.script += [refusal] * 2
    create = surface.resource(connect(surface, max_retries=0)).create
    bare = raised_by(create, surface.arguments)

    with otel_agentprof.instrument(tracer_provider=pipeline.provider, capture_content=is_captured):
        error = raised_by(surface.resource(connect(surface, max_retries=0)).create, surface.arguments)

    frames, bare_frames = (traceback.extract_tb(e.__traceback__) for e in (error, bare))
    ours = [frame.name for frame in frames if "otel_agentprof" in frame.filename]
    assert chain_of(error) == chain_of(bare)
    assert (error.__suppress_context__, str(error)) == (bare.__suppress_context__, str(bare))
    assert len(frames) == len(bare_frames) + len(ours)
    assert len(ours) <= 2


def test_an_exception_inside_a_with_block_is_the_users_own(
    server: Loopback, spans: Spans, connect: Connect
) -> None:
    mine = BrokenError("mine")

    def read_and_fail() -> None:
        with connect(CHAT).chat.completions.create(**CHAT.arguments, stream=True) as stream:
            next(stream)
            raise mine

    with pytest.raises(BrokenError) as caught:
        read_and_fail()

    assert caught.value is mine
    assert mine.__context__ is None
    assert mine.__cause__ is None
    assert spans.only().status.status_code is StatusCode.UNSET
    assert spans.facts()["agentprof.stream.complete"] is False


def test_a_call_inside_an_except_block_leaves_its_exception_alone(
    server: Loopback, spans: Spans, connect: Connect
) -> None:
    mine = BrokenError("mine")
    client = connect(CHAT)

    try:
        raise mine
    except BrokenError:
        client.chat.completions.create(**CHAT.arguments)
        list(client.chat.completions.create(**CHAT.arguments, stream=True))
        assert sys.exc_info()[1] is mine

    assert (mine.__context__, mine.__cause__) == (None, None)
    assert len(spans.all()) == 2


def once_only() -> Iterator[dict[str, str]]:
    yield {"role": "user", "content": "told once"}


@pytest.mark.parametrize("is_captured", [False, True])
def test_messages_from_a_generator_reach_the_server(
    pipeline: Spans, server: Loopback, connect: Connect, *, is_captured: bool
) -> None:
    with otel_agentprof.instrument(tracer_provider=pipeline.provider, capture_content=is_captured):
        connect(CHAT).chat.completions.create(model="gpt-5-mini", messages=once_only())
        connect(ANTHROPIC).messages.create(**{**ANTHROPIC.arguments, "messages": once_only()})
        connect(EMBEDDINGS).embeddings.create(model="text-embedding-3-small", input=["a", "b"])

    sent = [request[1].get("messages") for request in server.requests]
    assert sent[:2] == [[{"role": "user", "content": "told once"}]] * 2
    assert len(pipeline.all()) == 3


@pytest.mark.parametrize("is_captured", [False, True])
def test_messages_that_are_objects_of_the_client_are_understood(
    pipeline: Spans, server: Loopback, connect: Connect, *, is_captured: bool
) -> None:
    asked = ChatCompletion.model_validate_json((WIRE / "openai_chat_tool_calls.json").read_bytes())
    messages: list[Any] = [
        *MESSAGES,
        asked.choices[0].message,
        {"role": "tool", "tool_call_id": "call_aa11", "content": "18C"},
        {"role": "tool", "tool_call_id": "call_bb22", "content": "16:05"},
    ]
    assert isinstance(messages[1], ChatCompletionMessage)

    with otel_agentprof.instrument(tracer_provider=pipeline.provider, capture_content=is_captured):
        connect(CHAT).chat.completions.create(model="gpt-5-mini", messages=messages)

    assert pipeline.facts()["agentprof.tool_result.ids"] == ("call_aa11", "call_bb22")
    assert ("get_weather" in str(pipeline.facts().get("gen_ai.input.messages"))) is is_captured


def test_what_the_user_changes_after_the_call_is_not_on_the_span(
    pipeline: Spans, server: Loopback, connect: Connect
) -> None:
    messages = [dict(message) for message in MESSAGES]

    with otel_agentprof.instrument(tracer_provider=pipeline.provider, capture_content=True):
        stream = connect(CHAT).chat.completions.create(model="gpt-5-mini", messages=messages, stream=True)
        messages[0]["content"] = "changed"
        messages.append({"role": "user", "content": "changed"})
        list(stream)

    assert "changed" not in str(pipeline.facts())


def test_a_mapping_that_is_no_dict_is_passed_on(server: Loopback, spans: Spans, connect: Connect) -> None:
    arguments: Any = UserDict({**CHAT.arguments, "temperature": 0.5})

    connect(CHAT).chat.completions.create(**arguments)

    assert spans.facts()["gen_ai.request.temperature"] == 0.5


def test_a_stream_asked_for_by_any_true_value_is_a_stream(
    server: Loopback, spans: Spans, connect: Connect
) -> None:
    server.script.append(Answer("openai_chat_stream.sse"))

    stream = connect(CHAT).chat.completions.create(
        **CHAT.arguments,
        stream=1,
        extra_body={"stream": True},
    )
    list(stream)

    assert usage_of(spans.facts()) == CHAT_USAGE
    assert spans.facts()["gen_ai.request.stream"] is True


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"message": "no", "code": 502}, "choices": null, "usage": null}',
        b'{"id": null, "choices": null, "usage": {"prompt_tokens": 3, "completion_tokens": 2}}',
        b'{"choices": [{"index": 0, "finish_reason": null, "message": null}]}',
        b"[1, 2]",
        b"null",
        b"{}",
    ],
)
def test_answers_of_servers_that_are_only_nearly_compatible(
    body: bytes, pipeline: Spans, server: Loopback, connect: Connect
) -> None:
    server.script += [Answer(body)] * 2
    bare = connect(CHAT).chat.completions.create(**CHAT.arguments)

    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        answer = connect(CHAT).chat.completions.create(**CHAT.arguments)

    assert answer == bare
    assert usage_of(pipeline.facts()) == (
        {"gen_ai.usage.input_tokens": 3, "gen_ai.usage.output_tokens": 2} if b"tokens" in body else {}
    )


def test_null_choices_are_no_failure_of_ours(server: Loopback, spans: Spans, connect: Connect) -> None:
    server.script += [
        Answer(b'{"id": "c", "choices": null, "usage": {"prompt_tokens": 3, "completion_tokens": 2}}'),
        Answer(b'data: {"id": "c", "choices": null}\n\ndata: [DONE]\n\n', content_type="text/event-stream"),
    ]
    client = connect(CHAT)

    client.chat.completions.create(**CHAT.arguments)
    list(client.chat.completions.create(**CHAT.arguments, stream=True))

    assert len(spans.all()) == 2  # and the fixture finds no failures


def test_span_limits_are_the_users(pipeline: Spans, server: Loopback, connect: Connect) -> None:
    limits = SpanLimits(max_span_attributes=5, max_span_attribute_length=3)
    provider = TracerProvider(span_limits=limits, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(pipeline.exporter))

    with otel_agentprof.instrument(tracer_provider=provider):
        connect(CHAT).chat.completions.create(**CHAT.arguments)

    assert len(pipeline.facts()) == 5
    assert len(server.requests) == 1


def test_many_clients_are_no_leak(server: Loopback, spans: Spans, connect: Connect) -> None:
    client = connect(CHAT)
    engine = REGISTRY.slots["openai"].engine
    assert engine is not None

    for number in range(peer._MAX_KNOWN + 10):
        engine._peers.peer(OPENAI, client.with_options(base_url=f"http://h{number}/"))

    assert len(engine._peers._known) <= peer._MAX_KNOWN
    client.with_options(timeout=5).chat.completions.create(**CHAT.arguments)
    assert spans.facts()["server.address"] == "127.0.0.1"


def test_streams_leave_nothing_behind(server: Loopback, spans: Spans, connect: Connect) -> None:
    engine = REGISTRY.slots["openai"].engine
    assert engine is not None
    client = connect(CHAT)

    for count in range(30):
        stream = client.chat.completions.create(**CHAT.arguments, stream=True)
        if count % 2:
            list(stream)
        else:
            next(stream)
            stream.close()
    del stream
    gc.collect()

    assert len(spans.all()) == 30
    assert len(engine._streams) == 0


def test_our_log_lines_carry_no_content(
    pipeline: Spans, server: Loopback, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server.script.append(Answer(b'{"choices": [7], "canary": "canary"}'))

    with caplog.at_level(logging.DEBUG), otel_agentprof.instrument(tracer_provider=pipeline.provider):
        connect(CHAT).chat.completions.create(
            model="gpt-5-mini", messages=[{"role": "user", "content": "canary"}]
        )

    ours = [r for r in caplog.records if r.name.startswith("otel_agentprof")]
    assert "canary" not in "".join(logging.Formatter().format(record) for record in ours)
