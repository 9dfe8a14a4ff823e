"""A stream in our hands does what the client's own does, also where nobody looks."""

from __future__ import annotations

import copy
import pickle
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from surfaces import STREAMING, SURFACES, Surface
from test_calls import usage_of

import otel_agentprof

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Connect, Spans
    from loopback import Loopback

CHAT, MESSAGES = SURFACES[0], SURFACES[4]
each_stream = pytest.mark.parametrize("surface", STREAMING, ids=str)


def kind_of_error(work: Callable[[], object]) -> type[BaseException] | None:
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - any of them is compared
        return type(error)
    return None


def read_after_close(stream: Any) -> None:
    next(stream)
    stream.close()
    next(stream)


def close_twice(stream: Any) -> None:
    stream.close()
    stream.close()


def read_past_the_end(stream: Any) -> None:
    list(stream)
    next(stream)


def read_after_with(stream: Any) -> None:
    with stream:
        pass
    next(stream)


def write_to_it(stream: Any) -> None:
    stream.anything = 1
    assert stream.anything == 1
    stream.no_such_attribute  # noqa: B018 - what happens is compared


MISUSES: tuple[Callable[[Any], object], ...] = (
    read_after_close,
    close_twice,
    read_past_the_end,
    read_after_with,
    write_to_it,
    pickle.dumps,
    copy.deepcopy,
    copy.copy,
)


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # the client's, half deep-copied
@each_stream
@pytest.mark.parametrize("misuse", MISUSES, ids=lambda misuse: misuse.__name__)
def test_misuse_is_answered_as_without_us(
    surface: Surface, misuse: Callable[[Any], object], pipeline: Spans, server: Loopback, connect: Connect
) -> None:
    def make() -> Any:
        return surface.resource(connect(surface)).create(**surface.arguments, stream=True)

    bare = make()
    expected = kind_of_error(lambda: misuse(bare))

    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        stream = make()
        met = kind_of_error(lambda: misuse(stream))
        stream.close()

    assert met is expected
    assert len(pipeline.all()) == 1


@each_stream
def test_a_stream_has_the_attributes_of_the_clients_own(
    surface: Surface, pipeline: Spans, server: Loopback, connect: Connect
) -> None:
    bare = surface.resource(connect(surface)).create(**surface.arguments, stream=True)

    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        stream = surface.resource(connect(surface)).create(**surface.arguments, stream=True)

    assert set(dir(stream)) == set(dir(bare))
    assert stream.__class__ is bare.__class__
    assert repr(stream).partition(" at ")[0] == repr(bare).partition(" at ")[0]
    assert stream.response.status_code == 200
    stream.close()
    bare.close()


@pytest.mark.parametrize("surface", [CHAT, MESSAGES], ids=str)
async def test_an_async_stream_has_the_attributes_of_the_clients_own(
    surface: Surface, pipeline: Spans, server: Loopback
) -> None:
    async with surface.make(server.url, is_async=True) as client:
        bare = await surface.resource(client).create(**surface.arguments, stream=True)
        with otel_agentprof.instrument(tracer_provider=pipeline.provider):
            stream = await surface.resource(client).create(**surface.arguments, stream=True)

        assert set(dir(stream)) == set(dir(bare))
        assert hasattr(stream, "aclose") == hasattr(bare, "aclose")
        await bare.close()
        await stream.close()

    assert pipeline.facts()["agentprof.stream.complete"] is False


async def test_aclose_ends_the_span_where_there_is_one(server: Loopback, spans: Spans) -> None:
    async with CHAT.make(server.url, is_async=True) as client:
        stream = await client.chat.completions.create(**CHAT.arguments, stream=True)
        async with aclosing(stream):
            await anext(stream)

    assert spans.facts()["agentprof.stream.complete"] is False


@each_stream
def test_a_stream_is_taken_up_again_after_a_break(
    surface: Surface, server: Loopback, spans: Spans, connect: Connect
) -> None:
    def passed_on(stream: Any) -> Any:
        yield from stream

    stream = surface.resource(connect(surface)).create(**surface.arguments, stream=True)

    for _ in stream:
        break
    is_open_after_break = not spans.all()
    list(passed_on(stream))

    assert is_open_after_break
    assert usage_of(spans.facts()) == surface.usage


def test_spans_go_to_the_provider_of_the_moment(pipeline: Spans, server: Loopback, connect: Connect) -> None:
    exporter, client = InMemorySpanExporter(), connect(CHAT)
    other = TracerProvider(shutdown_on_exit=False)
    other.add_span_processor(SimpleSpanProcessor(exporter))

    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        stream = client.chat.completions.create(**CHAT.arguments, stream=True)
    with otel_agentprof.instrument(tracer_provider=other):
        client.chat.completions.create(**CHAT.arguments)
    list(stream)

    assert len(pipeline.all()) == 1
    assert len(exporter.get_finished_spans()) == 1
