"""What every patched method of every client does: exactly one span, ended once, whatever happens."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest
from http_library import OPENAI_HTTP
from loopback import Answer
from opentelemetry import trace
from opentelemetry.trace import StatusCode
from surfaces import MESSAGE_USAGE, STREAMING, SURFACES, Surface

if TYPE_CHECKING:
    from conftest import Connect, Spans
    from loopback import Loopback

each = pytest.mark.parametrize("surface", SURFACES, ids=str)
each_stream = pytest.mark.parametrize("surface", STREAMING, ids=str)


def usage_of(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in facts.items()
        if name.startswith("gen_ai.usage.") and "cost" not in name
    }


@each
def test_a_call_is_one_span_with_all_its_tokens(
    surface: Surface, server: Loopback, spans: Spans, connect: Connect
) -> None:
    surface.resource(connect(surface)).create(**surface.arguments)

    span, facts = spans.only(), spans.facts()
    assert span.name == f"{surface.operation} {surface.arguments['model']}"
    assert span.kind is trace.SpanKind.CLIENT
    assert span.status.status_code is StatusCode.UNSET
    assert usage_of(facts) == surface.usage
    assert facts["gen_ai.operation.name"] == surface.operation
    assert facts["gen_ai.provider.name"] == surface.client
    assert facts["server.address"] == "127.0.0.1"
    assert "agentprof.stream.complete" not in facts


@each
async def test_an_async_call_is_one_span_with_all_its_tokens(
    surface: Surface, server: Loopback, spans: Spans
) -> None:
    async with surface.make(server.url, is_async=True) as client:
        await surface.resource(client).create(**surface.arguments)

    assert usage_of(spans.facts()) == surface.usage


@each_stream
def test_a_stream_read_to_its_end_has_everything(
    surface: Surface, server: Loopback, spans: Spans, connect: Connect
) -> None:
    stream = surface.resource(connect(surface)).create(**surface.arguments, stream=True)
    is_open_while_reading = not spans.all()

    items = list(stream)

    facts = spans.facts()
    assert is_open_while_reading
    assert len(items) > 1
    assert isinstance(stream, surface.stream_class["sync"])
    assert usage_of(facts) == surface.usage
    assert facts["gen_ai.request.stream"] is True
    assert facts["gen_ai.response.time_to_first_chunk"] > 0
    assert facts["gen_ai.response.finish_reasons"]
    assert "agentprof.stream.complete" not in facts
    assert spans.only().status.status_code is StatusCode.UNSET


@each_stream
async def test_an_async_stream_read_to_its_end_has_everything(
    surface: Surface, server: Loopback, spans: Spans
) -> None:
    async with surface.make(server.url, is_async=True) as client:
        stream = await surface.resource(client).create(**surface.arguments, stream=True)
        async for _ in stream:
            pass

    assert isinstance(stream, surface.stream_class["async"])
    assert usage_of(spans.facts()) == surface.usage


def _leave_by_break(stream: Any) -> None:
    for _ in stream:
        break


def _leave_by_with(stream: Any) -> None:
    with stream:
        next(stream)


def _leave_by_close(stream: Any) -> None:
    next(stream)
    stream.close()


def _leave_by_response(stream: Any) -> None:
    next(stream)
    stream.response.close()


def _leave_unread(stream: Any) -> None:
    del stream


@each_stream
@pytest.mark.parametrize(
    "leave", [_leave_by_break, _leave_by_with, _leave_by_close, _leave_by_response, _leave_unread]
)
def test_a_stream_that_is_left_ends_unset_and_incomplete(
    surface: Surface, leave: Any, server: Loopback, spans: Spans, connect: Connect
) -> None:
    leave(surface.resource(connect(surface)).create(**surface.arguments, stream=True))
    gc.collect()

    assert spans.facts()["agentprof.stream.complete"] is False
    assert spans.only().status.status_code is StatusCode.UNSET
    assert "gen_ai.usage.output_tokens" not in spans.facts()


@each_stream
@pytest.mark.parametrize("leave", ["break", "with", "close", "unread"])
async def test_an_async_stream_that_is_left_ends_unset_and_incomplete(
    surface: Surface, leave: str, server: Loopback, spans: Spans
) -> None:
    async with surface.make(server.url, is_async=True) as client:
        stream = await surface.resource(client).create(**surface.arguments, stream=True)
        if leave == "with":
            async with stream:
                await anext(stream)
        elif leave != "unread":
            await anext(stream)
        if leave == "close":
            await stream.close()
        del stream
        gc.collect()

    assert spans.facts()["agentprof.stream.complete"] is False
    assert spans.only().status.status_code is StatusCode.UNSET


@each_stream
def test_an_error_half_way_is_the_users_and_the_spans(
    surface: Surface, server: Loopback, spans: Spans, connect: Connect
) -> None:
    if surface.error_stream is None:
        pytest.skip("this API sends failures as events: see test_openai.py")
    server.script.append(Answer(surface.error_stream))
    stream = surface.resource(connect(surface)).create(**surface.arguments, stream=True)

    with pytest.raises(Exception, match=r".") as caught:
        list(stream)

    assert type(caught.value).__module__.partition(".")[0] == surface.client
    assert spans.only().status.status_code is StatusCode.ERROR
    assert spans.facts()["error.type"]


@each
def test_a_refusal_after_its_retries_is_one_span(
    surface: Surface, server: Loopback, spans: Spans, connect: Connect
) -> None:
    refusal = f"{surface.client}_error_429.json"
    server.script += [Answer(refusal, 429, headers={"retry-after-ms": "1"})] * 2
    client = connect(surface, max_retries=1)

    with pytest.raises(Exception, match="429"):
        surface.resource(client).create(**surface.arguments)

    facts = spans.facts()
    assert len(server.requests) == 2
    assert spans.only().status.status_code is StatusCode.ERROR
    assert facts["http.response.status_code"] == 429
    assert facts["error.type"] in {"rate_limit_exceeded", "rate_limit_error"}


@each
def test_a_call_that_succeeds_on_its_retry_is_one_span(
    surface: Surface, server: Loopback, spans: Spans, connect: Connect
) -> None:
    refusal = f"{surface.client}_error_429.json"
    server.script.append(Answer(refusal, 429, headers={"retry-after-ms": "1"}))

    surface.resource(connect(surface)).create(**surface.arguments)

    assert len(server.requests) == 2
    assert usage_of(spans.facts()) == surface.usage
    assert spans.only().status.status_code is StatusCode.UNSET


@each
def test_bad_arguments_are_one_failed_span_and_the_clients_own_error(
    surface: Surface, server: Loopback, spans: Spans, connect: Connect
) -> None:
    with pytest.raises(TypeError):
        surface.resource(connect(surface)).create(model="x", no_such_argument=1)

    assert spans.facts()["error.type"] == "TypeError"
    assert not server.requests


@each
def test_a_body_that_is_no_json_comes_to_the_user_as_ever(
    surface: Surface, server: Loopback, spans: Spans, connect: Connect
) -> None:
    server.script.append(Answer(b"<html>gateway</html>", content_type="text/html"))
    create = surface.resource(connect(surface)).create

    if surface.operation == "embeddings":  # the client itself trips over it
        with pytest.raises(AttributeError):
            create(**surface.arguments)
    else:
        assert create(**surface.arguments) == "<html>gateway</html>"

    assert usage_of(spans.facts()) == {}


@each
async def test_a_cancelled_call_ends_its_span(surface: Surface, server: Loopback, spans: Spans) -> None:
    server.gate.clear()
    async with surface.make(server.url, is_async=True) as client:
        task = asyncio.create_task(surface.resource(client).create(**surface.arguments))
        await asyncio.to_thread(server.asked.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    server.gate.set()

    assert spans.facts()["error.type"] == "asyncio.exceptions.CancelledError"
    assert trace.get_current_span() is trace.INVALID_SPAN


@each
@pytest.mark.parametrize("is_parsed", [True, False])
def test_a_raw_response_is_the_clients_own_and_has_its_tokens(
    surface: Surface, server: Loopback, spans: Spans, connect: Connect, *, is_parsed: bool
) -> None:
    plain = type(surface.resource(connect(surface)).with_raw_response.create(**surface.arguments))
    spans.exporter.clear()

    raw = surface.resource(connect(surface)).with_raw_response.create(**surface.arguments)
    if is_parsed:
        assert raw.parse() is raw.parse()

    assert type(raw) is plain
    assert plain.__module__.partition(".")[0] == surface.client
    assert usage_of(spans.facts()) == surface.usage


@each
async def test_an_async_raw_response_has_its_tokens(surface: Surface, server: Loopback, spans: Spans) -> None:
    async with surface.make(server.url, is_async=True) as client:
        await surface.resource(client).with_raw_response.create(**surface.arguments)

    assert usage_of(spans.facts()) == surface.usage


def _read_lines(response: Any) -> Any:
    return list(response.iter_lines())


def _read_bytes(response: Any) -> Any:
    return list(response.iter_bytes(7))


def _read_text(response: Any) -> Any:
    return list(response.iter_text())


def _read_parsed(response: Any) -> Any:
    return list(response.parse())


@each_stream
@pytest.mark.parametrize("read", [_read_lines, _read_bytes, _read_text, _read_parsed])
def test_a_streaming_response_is_read_along_with_the_user(
    surface: Surface, read: Any, server: Loopback, spans: Spans, connect: Connect
) -> None:
    resource = surface.resource(connect(surface))

    with resource.with_streaming_response.create(**surface.arguments, stream=True) as response:
        is_open_before_reading = not spans.all()
        read(response)

    assert is_open_before_reading
    assert usage_of(spans.facts()) == surface.usage
    assert "agentprof.stream.complete" not in spans.facts()


@each
def test_a_streaming_response_that_is_no_stream_has_its_tokens(
    surface: Surface, server: Loopback, spans: Spans, connect: Connect
) -> None:
    resource = surface.resource(connect(surface))

    with resource.with_streaming_response.create(**surface.arguments) as response:
        response.read()

    assert usage_of(spans.facts()) == surface.usage


@each
def test_a_streaming_response_that_nobody_reads_is_not_read_by_us(
    surface: Surface, server: Loopback, spans: Spans, connect: Connect
) -> None:
    resource = surface.resource(connect(surface))

    with resource.with_streaming_response.create(**surface.arguments) as response:
        is_unread = not response.http_response.is_stream_consumed

    assert is_unread
    assert spans.facts()["agentprof.stream.complete"] is False


@each_stream
async def test_an_async_streaming_response_is_read_along(
    surface: Surface, server: Loopback, spans: Spans
) -> None:
    async with surface.make(server.url, is_async=True) as client:
        resource = surface.resource(client)
        async with resource.with_streaming_response.create(**surface.arguments, stream=True) as response:
            async for _ in response.iter_lines():
                pass

    assert usage_of(spans.facts()) == surface.usage


@each_stream
def test_a_raw_stream_is_read_along(
    surface: Surface, server: Loopback, spans: Spans, connect: Connect
) -> None:
    resource = surface.resource(connect(surface))

    list(resource.with_raw_response.create(**surface.arguments, stream=True).parse())

    assert usage_of(spans.facts()) == surface.usage


@each_stream
def test_a_streams_span_is_not_current_while_the_user_reads(
    surface: Surface, server: Loopback, spans: Spans, connect: Connect
) -> None:
    outer = spans.provider.get_tracer("test").start_span("outer")

    with trace.use_span(outer):
        for _ in surface.resource(connect(surface)).create(**surface.arguments, stream=True):
            assert trace.get_current_span() is outer

    assert spans.only().parent == outer.get_span_context()


def test_the_http_client_works_below_the_span(server: Loopback, spans: Spans, connect: Connect) -> None:
    seen = []
    client = connect(
        STREAMING[0],
        http_client=OPENAI_HTTP.Client(
            event_hooks={"request": [lambda _: seen.append(trace.get_current_span())]}
        ),
    )

    client.chat.completions.create(model="gpt-5-mini", messages=[])

    assert [span.get_span_context() for span in seen] == [spans.only().context]


def test_anthropic_helpers_are_one_span_each(server: Loopback, spans: Spans, connect: Connect) -> None:
    surface = SURFACES[-2]
    client = connect(surface)

    for messages in (client.messages, client.beta.messages):
        for read in (list, lambda s: s.get_final_message(), lambda s: list(s.text_stream)):
            with messages.stream(**surface.arguments) as stream:
                read(stream)
            assert usage_of(spans.facts()) == MESSAGE_USAGE
            spans.exporter.clear()
        with messages.stream(**surface.arguments) as stream:
            next(iter(stream))
        assert spans.facts()["agentprof.stream.complete"] is False
        spans.exporter.clear()
