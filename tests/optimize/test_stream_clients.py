"""The real clients, sync and async: their text, and the pace on the one span of the call."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from recording import attributes_of

import otel_agentprof as ap
from otel_agentprof import pricing
from otel_agentprof.cli import local_http
from otel_agentprof.errors import StreamStalledError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loopback import Loopback
    from opentelemetry.sdk.trace import ReadableSpan

MESSAGES = [{"role": "user", "content": "Capital of France?"}]
CLIENTS = (
    (openai, "OpenAI", "DefaultHttpxClient"),
    (openai, "AsyncOpenAI", "DefaultAsyncHttpxClient"),
    (anthropic, "Anthropic", "DefaultHttpxClient"),
    (anthropic, "AsyncAnthropic", "DefaultAsyncHttpxClient"),
)
REQUEST: dict[str, Any] = {"model": "gpt-5-mini", "max_tokens": 50}


def connect(url: str, module: Any, name: str, http: str) -> Any:
    base = f"{url}/v1" if module is openai else url
    http_client = getattr(module, http)(trust_env=False)
    return getattr(module, name)(api_key="k", base_url=base, http_client=http_client, max_retries=0)


async def close(client: Any) -> None:
    closing = client.close()
    if closing is not None:
        await closing


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with ap.instrument(tracer_provider=provider):
        assert pricing.wait()
        yield exporter
    provider.shutdown()


def only(exporter: InMemorySpanExporter) -> ReadableSpan:
    (span,) = exporter.get_finished_spans()
    return span


@pytest.mark.parametrize("kind", CLIENTS, ids=lambda kind: kind[1])
async def test_a_call_has_one_span_which_tells_the_pace(
    kind: Any, server: Loopback, spans: InMemorySpanExporter
) -> None:
    pieces: list[str] = []
    client = connect(server.url, *kind)
    optimizer = ap.StreamingOptimizer(stall_timeout_s=60)

    text = await optimizer.stream_llm_response(client, MESSAGES, pieces.append, **REQUEST)
    await close(client)

    assert text == "".join(pieces) == "Paris."
    facts = attributes_of(only(spans))
    assert facts["gen_ai.operation.name"] == "chat"
    assert facts["agentprof.stream.time_to_first_text"] == optimizer.pace.time_to_first_text_s
    assert facts["agentprof.stream.chunks"] == optimizer.pace.chunks
    assert facts["agentprof.stream.tokens_per_second"] > 0
    assert optimizer.pace.told_tokens == facts["gen_ai.usage.output_tokens"] == 85
    assert "agentprof.stream.complete" not in facts


@pytest.mark.parametrize("kind", CLIENTS, ids=lambda kind: kind[1])
async def test_an_early_stop_closes_the_stream_of_the_client(
    kind: Any, server: Loopback, spans: InMemorySpanExporter
) -> None:
    client = connect(server.url, *kind)

    text = await ap.StreamingOptimizer(stop_when=bool).stream_llm_response(client, MESSAGES, **REQUEST)
    await close(client)

    assert text == "Par"
    facts = attributes_of(only(spans))
    assert facts["agentprof.stream.stopped_early"] is True
    assert facts["agentprof.stream.saved_output_tokens.estimate"] == 50
    assert facts["agentprof.stream.complete"] is False


@pytest.mark.parametrize("kind", CLIENTS, ids=lambda kind: kind[1])
async def test_without_instrumentation_it_is_a_step(kind: Any, server: Loopback, recorder: Any) -> None:
    client = connect(server.url, *kind)

    assert await ap.StreamingOptimizer().stream_llm_response(client, MESSAGES, **REQUEST) == "Paris."
    await close(client)

    assert recorder.names == ["agentprof.stream"]


async def test_a_call_made_in_on_chunk_has_a_pace_of_its_own(
    server: Loopback, spans: InMemorySpanExporter
) -> None:
    client = connect(server.url, *CLIENTS[1])

    async def ask_again(_piece: str) -> None:
        async for _ in await client.chat.completions.create(messages=MESSAGES, stream=True, **REQUEST):
            pass

    stop = ap.StreamingOptimizer(stop_when=bool)
    await stop.stream_llm_response(client, MESSAGES, ask_again, **REQUEST)
    await client.close()

    inner, outer = map(attributes_of, spans.get_finished_spans())
    assert "agentprof.stream.chunks" not in inner
    assert outer["agentprof.stream.chunks"] == 2


@contextmanager
def stalling() -> Iterator[tuple[str, threading.Event]]:
    """Serve the beginning of a stream, and the rest when the event is set."""
    go_on = threading.Event()

    def answer(request: local_http.Request) -> None:
        request.body()
        request.send_response(200)
        request.send_header("content-type", "text/event-stream")
        request.send_header("connection", "close")
        request.end_headers()
        choice = {"index": 0, "delta": {"content": "half"}, "finish_reason": None}
        chunk = {
            "id": "1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [choice],
        }
        request.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        go_on.wait(20)
        request.close_connection = True

    with local_http.serving(answer) as url:
        try:
            yield url, go_on
        finally:
            go_on.set()


@pytest.mark.parametrize("kind", CLIENTS[:2], ids=lambda kind: kind[1])
async def test_the_user_sees_the_first_text_before_the_last_is_written(kind: Any) -> None:
    with stalling() as (url, go_on):
        client = connect(url, *kind)
        seen: list[bool] = []

        def show(_piece: str) -> None:
            seen.append(go_on.is_set())
            go_on.set()  # only now does the server write on

        text = await ap.StreamingOptimizer().stream_llm_response(client, MESSAGES, show, **REQUEST)
        await close(client)

    assert (text, seen) == ("half", [False])


@pytest.mark.parametrize("kind", CLIENTS[:2], ids=lambda kind: kind[1])
async def test_a_stall_of_a_real_server_is_told_with_what_has_come(
    kind: Any, spans: InMemorySpanExporter
) -> None:
    with stalling() as (url, go_on):
        client = connect(url, *kind)
        optimizer = ap.StreamingOptimizer(stall_timeout_s=0.05, first_timeout_s=60)

        with pytest.raises(StreamStalledError) as caught:
            await optimizer.stream_llm_response(client, MESSAGES, **REQUEST)
        go_on.set()
        while not spans.get_finished_spans():  # noqa: ASYNC110 - the thread that waits for the server has no event
            await asyncio.sleep(0.001)
        await close(client)

    assert caught.value.partial == "half"
    facts = attributes_of(only(spans))
    assert (facts["agentprof.stream.chunks"], facts["agentprof.stream.stalled"]) == (1, True)
