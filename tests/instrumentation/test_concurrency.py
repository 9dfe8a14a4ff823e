"""Threads, tasks, timeouts and forks: one span per call, ended once, and no noise."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest
from endings import ends_with_open_streams
from http_library import OPENAI_HTTP
from loopback import WIRE, Answer
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import StatusCode
from surfaces import CHAT_USAGE, MESSAGE_USAGE, STREAMING, SURFACES, Surface
from test_calls import usage_of

import otel_agentprof
from otel_agentprof.instrumentation.registry import REGISTRY

if TYPE_CHECKING:
    from conftest import Connect, Spans
    from loopback import Loopback

CHAT, MESSAGES = SURFACES[0], SURFACES[4]
each_stream = pytest.mark.parametrize("surface", STREAMING, ids=str)


def test_calls_of_many_threads_are_a_span_each(server: Loopback, spans: Spans, connect: Connect) -> None:
    client = connect(CHAT)

    def call(number: int) -> Any:
        answer = client.chat.completions.create(**CHAT.arguments, stream=number % 2 == 0)
        return len(list(answer)) if number % 2 == 0 else answer.id

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(48)))

    assert len(spans.all()) == 48
    assert all(usage_of(dict(span.attributes or {})) == CHAT_USAGE for span in spans.all())


def test_two_threads_reading_one_stream_share_one_span(
    server: Loopback, spans: Spans, connect: Connect
) -> None:
    head, *rest = (WIRE / "openai_chat_stream.sse").read_bytes().split(b"\n\n", 1)
    server.script.append(
        Answer(b"\n\n".join([head] * 200 + rest), content_type="text/event-stream"),
    )
    stream = connect(CHAT).chat.completions.create(**CHAT.arguments, stream=True)
    lock, seen = threading.Lock(), []

    def read() -> None:
        while True:
            with lock:  # the client's own stream is a generator: it takes one reader at a time
                item = next(stream, None)
            if item is None:
                return
            seen.append(item)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()

    assert len(seen) == 205
    assert usage_of(spans.facts()) == CHAT_USAGE


def test_a_stream_closed_by_another_thread_ends_once(
    server: Loopback, spans: Spans, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        stream = connect(CHAT).chat.completions.create(**CHAT.arguments, stream=True)
        reader = threading.Thread(target=_read_to_any_end, args=(stream,))
        reader.start()
        stream.close()
        reader.join()

    assert len(spans.all()) == 20
    assert "ended span" not in caplog.text


def _read_to_any_end(stream: Any) -> None:
    try:
        for _ in stream:
            pass
    except Exception:  # noqa: BLE001, S110 - the client's own complaint about its closed response
        pass


def test_a_stream_made_in_one_thread_and_dropped_in_another_ends_once(
    server: Loopback, spans: Spans, connect: Connect
) -> None:
    streams = [connect(CHAT).chat.completions.create(**CHAT.arguments, stream=True)]

    def drop() -> None:
        streams.pop()
        gc.collect()

    dropper = threading.Thread(target=drop)
    dropper.start()
    dropper.join()

    assert spans.facts()["agentprof.stream.complete"] is False


def test_instrumenting_while_calls_run_breaks_none_of_them(
    pipeline: Spans, server: Loopback, connect: Connect
) -> None:
    client, is_over, failures, count = connect(CHAT), threading.Event(), [], 0

    def call() -> None:
        nonlocal count
        while not is_over.is_set():
            try:
                list(client.chat.completions.create(**CHAT.arguments, stream=True))
                client.chat.completions.create(**CHAT.arguments)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure
                failures.append(error)
            count += 1

    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    for _ in range(15):
        with otel_agentprof.instrument(tracer_provider=pipeline.provider):
            client.chat.completions.create(**CHAT.arguments)
    is_over.set()
    for caller in callers:
        caller.join()

    assert failures == []
    assert len(pipeline.all()) >= 15
    assert all(span.end_time for span in pipeline.all())


@each_stream
def test_a_stream_outlives_uninstrument(
    surface: Surface, pipeline: Spans, server: Loopback, connect: Connect
) -> None:
    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        stream = surface.resource(connect(surface)).create(**surface.arguments, stream=True)
        next(stream)
    list(stream)
    del stream
    gc.collect()

    assert usage_of(pipeline.facts()) == surface.usage


async def test_a_timeout_inside_a_stream_ends_its_span(server: Loopback, spans: Spans) -> None:
    slow = _SlowStream((WIRE / "openai_chat_stream.sse").read_bytes())
    async with await slow.start() as url, CHAT.make(url, is_async=True, max_retries=0) as client:
        stream = await client.chat.completions.create(**CHAT.arguments, stream=True)
        await anext(stream)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.05)

    assert spans.only().status.status_code is StatusCode.ERROR
    assert spans.facts()["agentprof.stream.complete"] is False
    assert trace.get_current_span() is trace.INVALID_SPAN


async def test_a_task_group_that_fails_ends_the_spans_of_its_streams(server: Loopback, spans: Spans) -> None:
    slow = _SlowStream((WIRE / "anthropic_message_stream.sse").read_bytes())
    is_reading = asyncio.Event()

    async def read(client: Any) -> None:
        async with client.messages.stream(**MESSAGES.arguments) as stream:
            async for _ in stream:
                is_reading.set()

    async def fail() -> None:
        await is_reading.wait()
        raise ZeroDivisionError

    async with await slow.start() as url, MESSAGES.make(url, is_async=True) as client:
        with pytest.raises(ExceptionGroup):
            await both(read(client), fail())

    assert spans.facts()["error.type"] == "asyncio.exceptions.CancelledError"
    assert spans.facts()["gen_ai.usage.input_tokens"] == MESSAGE_USAGE["gen_ai.usage.input_tokens"]


async def both(*work: Any) -> None:
    async with asyncio.TaskGroup() as group:
        for coroutine in work:
            group.create_task(coroutine)


class _SlowStream:
    """A server that sends the first event of a stream, and then nothing for as long as it runs."""

    def __init__(self, data: bytes) -> None:
        self._first = data.split(b"\n\n")[0] + b"\n\n"

    async def start(self) -> _SlowStream:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self._writers: list[asyncio.StreamWriter] = []
        return self

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + self._first)
        await writer.drain()

    async def __aenter__(self) -> str:
        host, port = self._server.sockets[0].getsockname()
        return f"http://{host}:{port}"

    async def __aexit__(self, *_: object) -> None:
        for writer in self._writers:
            writer.close()
        self._server.close()
        await self._server.wait_closed()


async def test_a_call_driven_from_several_contexts_leaves_no_noise(
    spans: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    async def answering(_request: Any) -> Any:
        await asyncio.sleep(0)
        return OPENAI_HTTP.Response(200, content=(WIRE / "openai_chat.json").read_bytes())

    http_client = OPENAI_HTTP.AsyncClient(transport=OPENAI_HTTP.MockTransport(answering))
    async with CHAT.make("http://127.0.0.1", is_async=True, http_client=http_client) as client:
        answer = await _Stepper(client.chat.completions.create(**CHAT.arguments))

    assert answer.id
    assert usage_of(spans.facts()) == CHAT_USAGE
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert "Failed to detach" not in caplog.text


class _Stack(threading.local):
    """A runtime context other than OpenTelemetry's default, with tokens of its own kind."""

    def __init__(self) -> None:
        self.contexts = [Context()]

    def attach(self, context: Context) -> object:
        self.contexts.append(context)
        return len(self.contexts)

    def get_current(self) -> Context:
        return self.contexts[-1]

    def detach(self, token: Any) -> None:
        del self.contexts[token - 1 :]


async def test_another_runtime_context_is_left_as_it_was_found(
    server: Loopback, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = _Stack()
    monkeypatch.setattr("opentelemetry.context._RUNTIME_CONTEXT", stack)

    async with CHAT.make(server.url, is_async=True) as client:
        await client.chat.completions.create(**CHAT.arguments)
        server.script.append(Answer(b"{}", 404))
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(**CHAT.arguments)

    assert len(stack.contexts) == 1
    assert usage_of(dict(spans.all()[0].attributes or {})) == CHAT_USAGE


class _Stepper:
    """Takes each step of a coroutine in a context of its own, as some frameworks do."""

    def __init__(self, coroutine: Any) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Any:
        while True:
            try:
                step = contextvars.copy_context().run(self._coroutine.send, None)
            except StopIteration as stop:
                return stop.value
            yield step


def test_the_wait_of_the_user_is_not_the_servers(server: Loopback, spans: Spans, connect: Connect) -> None:
    client = connect(CHAT)

    asked = time.perf_counter()
    stream = client.chat.completions.create(**CHAT.arguments, stream=True)
    answered = time.perf_counter()
    time.sleep(0.3)  # the user does something else before reading
    reading = time.perf_counter()
    next(stream)
    read = time.perf_counter()
    stream.close()

    # However slow the machine is: what the user waited for at the client, and nothing of the time in between.
    assert spans.facts()["gen_ai.response.time_to_first_chunk"] <= (answered - asked) + (read - reading)


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="this system has no fork")
def test_a_forked_child_makes_its_own_spans(server: Loopback) -> None:
    code = f"""
import os, sys, openai, otel_agentprof
parent = os.getpid()
def tell(report):  # in one write: two processes share this pipe
    os.write(1, f"{{os.getpid() == parent}} {{report.usage.input}}\\n".encode())
handle = otel_agentprof.instrument(on_report=tell)
client = openai.OpenAI(api_key="none", base_url="{server.url}/v1")
child = os.fork()
client.chat.completions.create(model="gpt-5-mini", messages=[])
handle.processor.force_flush()
if child:
    os.waitpid(child, 0)
else:
    os._exit(0)
"""

    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )

    assert sorted(done.stdout.split("\n")) == ["", "False 1200", "True 1200"]
    assert done.stderr == ""


EXITS = {
    "open sync streams": """
streams = [client.chat.completions.create(model="gpt-5-mini", messages=[], stream=True) for _ in range(2)]
next(streams[0])
""",
    "open async streams": """
async def main():
    global streams
    create = aclient.chat.completions.create
    streams = [await create(model="gpt-5-mini", messages=[], stream=True) for _ in range(2)]
    await anext(streams[0])
    await aclient.close()
asyncio.run(main())
""",
    "a raw stream": """
raw = client.chat.completions.with_raw_response.create(model="gpt-5-mini", messages=[], stream=True)
stream = raw.parse()
next(stream)
""",
    "an exception inside a stream": """
stream = client.chat.completions.create(model="gpt-5-mini", messages=[], stream=True)
next(stream)
sys.excepthook = lambda *_: None
raise SystemExit(0)
""",
}


@ends_with_open_streams
@pytest.mark.parametrize("end", EXITS.values(), ids=EXITS)
def test_a_program_that_ends_with_open_streams_ends_quietly_and_is_reported(
    end: str, server: Loopback
) -> None:
    code = f"""
import asyncio, sys, openai, otel_agentprof
otel_agentprof.instrument(on_report=lambda report: print(report.by_role["llm"].count, flush=True))
client = openai.OpenAI(api_key="none", base_url="{server.url}/v1")
aclient = openai.AsyncOpenAI(api_key="none", base_url="{server.url}/v1")
{end}"""

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True, timeout=300
    )

    assert set(done.stdout.split()) == {"1"}
    # asyncio may tell of the client's own generators; the folder that they are in may have any name.
    assert str(Path(otel_agentprof.__file__).parent) not in done.stderr
    assert done.stderr == "" or "async" in end  # the HTTP library itself complains of a loop that is gone


def test_streams_are_abandoned_while_others_are_opened(
    server: Loopback, spans: Spans, connect: Connect
) -> None:
    engine = REGISTRY.slots["openai"].engine
    assert engine is not None
    client, is_over = connect(CHAT), threading.Event()
    failures = []

    def abandon() -> None:
        while not is_over.is_set():
            try:
                engine.abandon_streams()
            except RuntimeError as error:
                failures.append(error)

    abandoner = threading.Thread(target=abandon)
    abandoner.start()
    for _ in range(40):
        list(client.chat.completions.create(**CHAT.arguments, stream=True))
    is_over.set()
    abandoner.join()

    assert failures == []
    assert len(spans.all()) == 40
