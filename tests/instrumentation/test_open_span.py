from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from call_counting import calls_of
from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode, get_current_span
from recording import Recorder, attributes_of, is_traced, recording

from otel_agentprof.instrumentation import open_span, tracing
from otel_agentprof.instrumentation.tools import agent, step, tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording() as made:
        yield made


class OddError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "error_type", "description", "events"),
    [
        (ValueError("bad"), "ValueError", "ValueError: bad", 1),
        (json.JSONDecodeError("bad", "x", 0), "json.decoder.JSONDecodeError", None, 1),
        (KeyboardInterrupt(), "KeyboardInterrupt", "KeyboardInterrupt: ", 0),
        (asyncio.CancelledError(), "asyncio.exceptions.CancelledError", None, 0),
        (SystemExit(2), "SystemExit", "SystemExit: 2", 0),
    ],
)
def test_an_exception_is_recorded_and_passes_through_untouched(
    recorder: Recorder, error: BaseException, error_type: str, description: str | None, events: int
) -> None:
    @tool
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught, step("around"):
        fail()

    assert caught.value is error
    for name in ("execute_tool fail", "around"):
        span = recorder.one(name)
        assert span.status.status_code is StatusCode.ERROR
        assert attributes_of(span)["error.type"] == error_type
        assert description is None or span.status.description == description
        assert [event.name for event in span.events] == ["exception"] * events


def test_an_exception_gains_only_our_frame(recorder: Recorder) -> None:
    @tool
    def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError, match=r"^$") as caught:
        fail()

    functions = [entry.name for entry in caught.traceback]
    assert functions[1:] == ["call", "fail"]
    assert caught.value.__context__ is None
    assert len(recorder.names) == 1


def test_an_exception_that_cannot_describe_itself_is_recorded(recorder: Recorder) -> None:
    error = OddError()

    with pytest.raises(OddError) as caught, tool("odd"):
        raise error

    span = recorder.one("execute_tool odd")
    assert caught.value is error
    assert span.status.description == "OddError: (no message)"


@pytest.mark.parametrize("error", [SystemExit(0), SystemExit(None), GeneratorExit()])
def test_leaving_early_is_no_error(recorder: Recorder, error: BaseException) -> None:
    with pytest.raises(type(error)), step("left"):
        raise error

    span = recorder.one("left")
    assert span.status.status_code is StatusCode.UNSET
    assert attributes_of(span).get("agentprof.stream.complete") is (
        False if isinstance(error, GeneratorExit) else None
    )


async def test_a_cancelled_task_is_an_error(recorder: Recorder) -> None:
    started = asyncio.Event()

    @tool
    async def wait() -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    span = recorder.one("execute_tool wait")
    assert span.status.status_code is StatusCode.ERROR
    assert attributes_of(span)["error.type"] == "asyncio.exceptions.CancelledError"


def test_a_failing_span_processor_never_reaches_the_program(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:  # noqa: ARG002 - given by keyword
            raise RuntimeError

    class BrokenAtEnd(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:  # noqa: ARG002 - the SDK's signature
            raise RuntimeError

    provider, other = TracerProvider(), TracerProvider()
    provider.add_span_processor(Broken())
    other.add_span_processor(BrokenAtEnd())
    results = []

    try:
        for broken in (provider, other):
            tracing.use(broken)
            results += [tool("x")(lambda: 1)(), tool("x")(lambda: 2)()]
            with tool("x") as span:
                span.set("a", object())
    finally:
        tracing.reset()
        open_span._told.clear()

    assert results == [1, 2, 1, 2]
    warnings = [r for r in caplog.records if r.name == "otel_agentprof.instrumentation.open_span"]
    assert [record.levelno for record in warnings] == [logging.WARNING, logging.WARNING]


def marked_block() -> None:
    with tool("x"):
        pass


def test_a_marked_block_costs_little_over_a_bare_span() -> None:
    provider = TracerProvider()
    tracing.use(provider)
    tracer = provider.get_tracer("bare")

    def bare_block() -> None:
        with tracer.start_as_current_span("execute_tool x"):
            pass

    marked_function: Callable[[], None] = tool("x")(lambda: None)

    bare, block, function = (calls_of(work).total for work in (bare_block, marked_block, marked_function))
    tracing.reset()

    assert block - bare <= 60
    # A function that is over at once makes its fingerprint itself, for the worker had no time to.
    assert function - bare <= 130


def test_where_nothing_records_hardly_anything_is_called() -> None:
    tracing.use(trace.NoOpTracerProvider())
    nothing = calls_of(marked_block).total
    tracing.use(TracerProvider(sampler=ALWAYS_OFF))
    unsampled = calls_of(marked_block).total
    tracing.reset()

    assert nothing <= 45
    assert unsampled <= 90


def test_a_sampler_sees_what_is_known_at_the_start(recorder: Recorder) -> None:
    class Asked(type(ALWAYS_OFF)):  # type: ignore[misc]
        def should_sample(self, *args: Any, **kwargs: Any) -> Any:
            seen.append({**args[4]} if len(args) > 4 else kwargs["attributes"])
            return super().should_sample(*args, **kwargs)

    seen: list[Any] = []
    tracing.use(TracerProvider(sampler=Asked(ALWAYS_OFF._decision)))

    with tool("search", call_id="c"):
        assert not get_current_span().is_recording()

    assert seen[0]["gen_ai.tool.name"] == "search"
    assert seen[0]["gen_ai.tool.call.id"] == "c"
    assert recorder.names == []


def test_suppressed_instrumentation_makes_no_span_and_hides_no_parent(recorder: Recorder) -> None:
    with recorder.provider.get_tracer("user").start_as_current_span("mine") as mine:
        with suppress_instrumentation(), tool("x"), tool("x"):
            assert get_current_span() is mine
        assert get_current_span() is mine

    assert recorder.names == ["mine"]


def test_the_tracer_follows_a_global_provider_that_is_set_later(monkeypatch: pytest.MonkeyPatch) -> None:
    late = Recorder()
    tracing.reset()
    monkeypatch.setattr(trace, "get_tracer_provider", trace.NoOpTracerProvider)
    with tool("before"):
        pass

    monkeypatch.setattr(trace, "get_tracer_provider", lambda: late.provider)
    with tool("after"):
        first = tracing.tracer()
    second = tracing.tracer()
    tracing.reset()

    assert late.names == ["execute_tool after"]
    assert first is second


def test_another_runtime_context_than_the_default_one_works(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stack:
        def __init__(self) -> None:
            self.contexts = [context_api.Context()]

        def attach(self, context: Any) -> int:
            self.contexts.append(context)
            return len(self.contexts)

        def get_current(self) -> Any:
            return self.contexts[-1]

        def detach(self, _token: int) -> None:
            self.contexts.pop()

    monkeypatch.setattr(context_api, "_RUNTIME_CONTEXT", Stack())

    with agent("planner"), tool("search"):
        pass

    assert recorder.parent_name("execute_tool search") == "invoke_agent planner"
    assert not is_traced()
