"""The open runs of a framework: parents, currentness, and whose span tells of a call of a model."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context as context_api
from opentelemetry.trace import INVALID_SPAN, StatusCode, get_current_span

from otel_agentprof import pricing, semconv
from otel_agentprof.instrumentation.frameworks import run_book
from otel_agentprof.instrumentation.frameworks.run_book import ModelAnswer, RunBook
from otel_agentprof.instrumentation.kinds import AGENT, STEP, TOOL
from otel_agentprof.instrumentation.witness import WITNESS_KEY
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Spans
    from opentelemetry.sdk.trace import ReadableSpan

ANSWER = ModelAnswer(model="gpt-5-nano", provider="openai", usage=TokenUsage(100, 10))


@pytest.fixture
def book(pipeline: Spans) -> Iterator[RunBook]:
    """A book, that must leave nothing current."""
    before = context_api.get_current()
    yield RunBook(pipeline.provider.get_tracer("test"))
    assert context_api.get_current() == before


def a_client_is_called() -> None:
    witness: Any = context_api.get_value(WITNESS_KEY)
    if witness is not None:
        witness.calls += 1


def named(spans: Spans, name: str) -> ReadableSpan:
    [found] = [span for span in spans.all() if span.name == name]
    return found


def parent_of(spans: Spans, name: str) -> str | None:
    parent = named(spans, name).parent
    if parent is None:
        return None
    [found] = [span.name for span in spans.all() if (span.context and span.context.span_id) == parent.span_id]
    return found


def test_what_is_in_a_hidden_run_counts_as_its_parents(book: RunBook, pipeline: Spans) -> None:
    book.start("agent", AGENT, "guide", is_current=False)
    book.hide("node", parent="agent")
    book.hide("chain", parent="node")

    book.start("tool", TOOL, "search", parent="chain", is_current=False)
    shown = book.get("chain")
    for key in ("tool", "chain", "node", "agent"):
        book.end(key)

    assert shown is not None
    assert parent_of(pipeline, "execute_tool search") == "invoke_agent guide"
    assert len(pipeline.all()) == 2


def test_a_span_of_the_users_comes_between_a_run_and_what_it_starts(book: RunBook, pipeline: Spans) -> None:
    book.start("agent", AGENT, "guide")

    with pipeline.provider.get_tracer("user").start_as_current_span("mine"):
        book.start("tool", TOOL, "search", parent="agent")
        book.end("tool")
    book.end("agent")

    assert parent_of(pipeline, "execute_tool search") == "mine"
    assert parent_of(pipeline, "mine") == "invoke_agent guide"


def test_a_span_outside_a_run_is_not_the_parent_of_what_the_run_starts(
    book: RunBook, pipeline: Spans
) -> None:
    book.start("agent", AGENT, "guide", is_current=False)

    with pipeline.provider.get_tracer("user").start_as_current_span("consumer"):
        book.start("tool", TOOL, "search", parent="agent")
        book.end("tool")
    book.end("agent")

    assert parent_of(pipeline, "execute_tool search") == "invoke_agent guide"


def test_a_run_is_entered_once_however_deep_its_work_is(book: RunBook) -> None:
    book.start("agent", AGENT, "guide", is_current=False)
    book.hide("chain", parent="agent")

    async def entered() -> tuple[bool, bool]:
        book.enter("agent")
        first = context_api.get_current()
        book.enter("chain")
        return get_current_span() is not INVALID_SPAN, context_api.get_current() is first

    assert asyncio.run(entered()) == (True, True)
    book.end("agent")


def test_what_went_on_in_a_run_that_was_stopped_is_ended(book: RunBook, pipeline: Spans) -> None:
    book.start("agent", AGENT, "guide", is_current=False)
    book.start("tool", TOOL, "search", parent="agent", is_current=False)
    book.start("other", STEP, "other", is_current=False)

    book.end("agent", ValueError("bad"))
    stopped = dict(named(pipeline, "execute_tool search").attributes or {})
    book.end("tool")
    book.end("other")

    assert stopped[semconv.ERROR_TYPE] == "asyncio.exceptions.CancelledError"
    assert named(pipeline, "other").status.status_code is StatusCode.UNSET
    assert len(pipeline.all()) == 3


def test_a_stream_that_was_left_leaves_what_was_in_it_incomplete(book: RunBook, pipeline: Spans) -> None:
    book.start("agent", AGENT, "guide", is_current=False)
    book.start("tool", TOOL, "search", parent="agent", is_current=False)

    book.end("agent", GeneratorExit())

    tool = named(pipeline, "execute_tool search")
    assert tool.status.status_code is StatusCode.UNSET
    assert (tool.attributes or {})[semconv.STREAM_COMPLETE] is False


def test_a_failure_without_an_exception_is_told(book: RunBook, pipeline: Spans) -> None:
    book.start("tool", TOOL, "search")

    book.fail("tool", "tool_error")
    book.fail("nobody", "tool_error")
    book.end("tool")

    assert pipeline.only().status.status_code is StatusCode.ERROR
    assert pipeline.facts()[semconv.ERROR_TYPE] == "tool_error"


def test_a_run_can_be_handed_over(book: RunBook, pipeline: Spans) -> None:
    book.start("query", AGENT, "query")

    span = book.hand_over("query")
    nothing = book.hand_over("query")
    book.end("query")

    assert (nothing, pipeline.all()) == (None, ())
    assert span is not None
    span.end()
    assert pipeline.only().name == "invoke_agent query"


def test_a_model_without_a_client_gets_a_span_with_tokens_and_cost(book: RunBook, pipeline: Spans) -> None:
    pricing.load_in_background()
    assert pricing.wait(600)

    book.start_model("call", asked=ModelAnswer(model="gpt-5-nano-2025"))
    book.first_chunk("call")
    book.first_chunk("call")
    book.end_model("call", ANSWER._replace(tool_call_ids=("c1",), finish_reasons=("stop",)))

    facts = pipeline.facts()
    assert pipeline.only().name == "chat gpt-5-nano-2025"
    assert (facts[semconv.USAGE_INPUT_TOKENS], facts[semconv.USAGE_OUTPUT_TOKENS]) == (100, 10)
    assert (facts[semconv.TOOL_CALL_IDS], facts[semconv.RESPONSE_FINISH_REASONS]) == (("c1",), ("stop",))
    assert facts[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] >= 0
    assert facts[semconv.COST_TOTAL] > 0


def test_an_embedding_is_no_chat(book: RunBook, pipeline: Spans) -> None:
    book.start_model("call", operation="embeddings")
    book.end_model("call", ANSWER)

    facts = pipeline.facts()
    assert (facts[semconv.OPERATION_NAME], facts[semconv.ROLE]) == ("embeddings", "embedding")
    assert semconv.USAGE_OUTPUT_TOKENS not in facts


def test_a_client_that_was_seen_tells_of_the_call_alone(book: RunBook, pipeline: Spans) -> None:
    book.start_model("call")
    a_client_is_called()
    book.end_model("call", ANSWER)

    assert pipeline.all() == ()


def test_a_model_within_a_model_is_one_call(book: RunBook, pipeline: Spans) -> None:
    book.start_model("outer")
    book.start_model("inner")
    book.end_model("inner", ANSWER)
    book.end_model("outer", ANSWER)

    assert len(pipeline.all()) == 1


@pytest.mark.parametrize("is_seen", [True, False])
def test_calls_that_begin_together_share_a_witness(book: RunBook, pipeline: Spans, *, is_seen: bool) -> None:
    async def told_in_tasks() -> None:
        scope = book.start_models()
        book.start_model("one")
        book.start_model("two")
        if is_seen:
            a_client_is_called()
        for key in ("one", "two"):
            await asyncio.create_task(ended(key))
        book.start_model("three")  # failed, and nobody tells
        book.end_models(scope)
        assert context_api.get_value(WITNESS_KEY) is None

    async def ended(key: str) -> None:
        book.end_model(key, ANSWER)

    asyncio.run(told_in_tasks())

    assert len(pipeline.all()) == (0 if is_seen else 2)
    assert not book.is_calling("three")


@pytest.mark.parametrize("is_seen", [True, False])
def test_a_stream_is_watched_until_it_is_read(book: RunBook, pipeline: Spans, *, is_seen: bool) -> None:
    book.start("agent", AGENT, "guide", is_current=False)
    book.start_model("outer", parent="agent")
    book.start_model("inner", parent="agent")
    book.wait_for_reader("inner")
    book.wait_for_reader("outer")
    current = get_current_span()

    if is_seen:
        a_client_is_called()
    for key in ("inner", "outer"):
        book.first_chunk(key)
        book.end_model(key, ANSWER)
    book.end("agent")

    assert current is INVALID_SPAN
    calls = [] if is_seen else ["chat gpt-5-nano"]
    assert [span.name for span in pipeline.all()] == [*calls, "invoke_agent guide"]


def test_a_call_that_is_over_does_not_see_what_follows(book: RunBook, pipeline: Spans) -> None:
    book.start_model("call")
    book.model_answered("call")
    a_client_is_called()
    book.model_answered("call")
    book.end_model("call", ANSWER, error_type="odd")

    assert pipeline.facts()[semconv.ERROR_TYPE] == "odd"


def test_calls_can_be_forgotten(book: RunBook, pipeline: Spans) -> None:
    book.start_model("call")
    is_calling = book.is_calling("call")

    book.forget_model("call")
    book.forget_model("call")
    book.end_model("call", ANSWER)

    assert is_calling
    assert pipeline.all() == ()


def test_close_ends_what_is_open(book: RunBook, pipeline: Spans) -> None:
    book.start("agent", AGENT, "guide", is_current=False)
    book.start_model("call")

    book.close()

    assert pipeline.facts()[semconv.STREAM_COMPLETE] is False
    assert not book.is_calling("call")


def test_a_framework_that_never_tells_of_ends_fills_no_memory(
    book: RunBook, pipeline: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_book, "_MOST_OPEN", 10)

    for number in range(100):
        book.start(f"run {number}", STEP, "step", is_current=False)
        book.hide(f"hidden {number}")
        book.start_model(f"call {number}")
        book.forget_model(f"call {number}")

    assert len(pipeline.all()) >= 90
    assert book.get("hidden 0") is None
    book.close()
