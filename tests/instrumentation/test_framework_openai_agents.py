"""The agents SDK's tracing, played: traces and spans that begin and end, with what the real ones tell."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from openai import OpenAIError
from opentelemetry import context as context_api
from opentelemetry.trace import INVALID_SPAN, get_current_span
from recording import Recorder, attributes_of
from stand_ins import attached, fail, stand_in

from otel_agentprof import semconv
from otel_agentprof.instrumentation.framework import TracedByOthersError
from otel_agentprof.instrumentation.frameworks.openai_agents import SPEC
from otel_agentprof.instrumentation.witness import WITNESS_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator


class Provider:
    def __init__(self) -> None:
        self._multi_processor = SimpleNamespace(_processors=())

    def register_processor(self, processor: Any) -> None:
        self._multi_processor._processors += (processor,)

    def set_processors(self, processors: list[Any]) -> None:
        self._multi_processor._processors = tuple(processors)


class ToolContext:
    tool_call_id = ""
    tool_arguments = "{}"

    @classmethod
    def from_agent_context(cls, call_id: str) -> ToolContext:
        made = cls()
        made.tool_call_id = call_id
        return made


class UserError(Exception):
    pass


PROVIDER = Provider()
CURRENT: list[Any] = [None]


@pytest.fixture(autouse=True)
def _agents(monkeypatch: pytest.MonkeyPatch) -> None:
    PROVIDER.set_processors([])
    stand_in(
        monkeypatch,
        "agents.tracing",
        get_trace_provider=lambda: PROVIDER,
        add_trace_processor=PROVIDER.register_processor,
        get_current_span=lambda: CURRENT[-1],
    )
    stand_in(monkeypatch, "agents.tracing.provider", DefaultTraceProvider=Provider)
    stand_in(monkeypatch, "agents.tool_context", ToolContext=ToolContext)


def listeners() -> tuple[Any, ...]:
    return PROVIDER._multi_processor._processors  # type: ignore[no-any-return]


@contextmanager
def trace(name: str = "city", **more: Any) -> Iterator[None]:
    told = SimpleNamespace(trace_id="t", name=name, **more)
    [listener] = listeners()
    listener.on_trace_start(told)
    try:
        yield
    finally:
        listener.on_trace_end(told)


@contextmanager
def span(kind: str, key: str, parent: str | None = None, **data: Any) -> Iterator[Any]:
    told = SimpleNamespace(
        span_id=key, parent_id=parent, trace_id="t", span_data=SimpleNamespace(type=kind, **data), error=None
    )
    [listener] = listeners()
    listener.on_span_start(told)
    CURRENT.append(told)
    try:
        yield told
    finally:
        CURRENT.pop()
        listener.on_span_end(told)


def weather(parent: str = "turn", **data: Any) -> Any:
    given = {"input": None, "output": None, **data}
    return span("function", "tool", parent, name="weather", **given)


@contextmanager
def turn(usage: dict[str, int] | None) -> Iterator[None]:
    with (
        trace(group_id="thread-1"),
        span("task", "task", usage={"input_tokens": 99}),
        span("agent", "agent", "task", name="guide"),
        span("turn", "turn", "agent", usage=usage),
    ):
        yield


def run(usage: dict[str, int] | None = None, response: Any = None) -> None:
    with turn(usage):
        if response is not None:
            told = {"input_tokens": 9, "output_tokens": 2}
            with span("response", "llm", "turn", usage=told, response=response):
                pass
        with weather():
            ToolContext.from_agent_context("call_1")
            with span("response", "inner", "tool", usage=None, response=None):
                pass


ANSWER = SimpleNamespace(
    id="r", model="gpt-5", output=[SimpleNamespace(type="function_call", call_id="call_1"), SimpleNamespace()]
)


def test_agents_and_tools_are_seen_and_tasks_and_turns_are_not() -> None:
    with attached(SPEC) as recorder:
        run(usage={"input_tokens": 9}, response=ANSWER)

    assert {name: recorder.parent_name(name) for name in recorder.names} == {
        "chat gpt-5": "invoke_agent guide",
        "chat": "execute_tool weather",
        "execute_tool weather": "invoke_agent guide",
        "invoke_agent guide": "invoke_workflow city",
        "invoke_workflow city": None,
    }
    assert attributes_of(recorder.one("chat gpt-5"))[semconv.TOOL_CALL_IDS] == ("call_1",)
    assert attributes_of(recorder.one("execute_tool weather"))[semconv.TOOL_CALL_ID] == "call_1"
    assert attributes_of(recorder.one("invoke_workflow city"))[semconv.CONVERSATION_ID] == "thread-1"
    with_usage = [one.name for one in recorder.spans if semconv.USAGE_INPUT_TOKENS in attributes_of(one)]
    assert with_usage == ["chat gpt-5"]
    assert get_current_span() is INVALID_SPAN


def test_a_model_of_the_programs_own_shows_by_the_usage_of_its_turn() -> None:
    with attached(SPEC) as recorder:
        run(usage={"input_tokens": 9, "output_tokens": 2})

    ours = [one for one in recorder.spans if semconv.USAGE_INPUT_TOKENS in attributes_of(one)]
    [call], tool = ours, recorder.one("execute_tool weather")
    assert attributes_of(call)[semconv.USAGE_INPUT_TOKENS] == 9
    assert call.end_time is not None
    assert tool.start_time is not None
    assert call.end_time <= tool.start_time


def test_a_call_that_a_client_told_of_gets_no_second_span() -> None:
    usage = {"input_tokens": 9}

    with (
        attached(SPEC) as recorder,
        turn(usage),
        span("generation", "llm", "turn", usage=usage, model="gpt-5"),
    ):
        witness: Any = context_api.get_value(WITNESS_KEY)
        witness.calls += 1

    assert recorder.names == ["invoke_agent guide", "invoke_workflow city"]


def test_handoffs_guardrails_and_the_programs_own_spans_are_steps() -> None:
    with attached(SPEC) as recorder, trace():
        with span("handoff", "1", from_agent="a", to_agent=None) as handoff:
            handoff.span_data.to_agent = "b"
        with span("guardrail", "2", name="polite"):
            pass
        with span("custom", "3", name="own"):
            pass
        with span("mcp_tools", "4", server="files"):
            pass
        with span("speech", "5"):
            pass

    assert recorder.names[:-1] == ["handoff a -> b", "guardrail polite", "own", "list tools of files"]


@pytest.mark.parametrize("captures_content", [True, False])
def test_content_is_told_only_where_asked_for(*, captures_content: bool) -> None:
    tool = {"parent": "t", "input": "{}", "output": "mild"}

    with attached(SPEC, captures_content=captures_content) as recorder, trace(), weather(**tool):
        pass

    facts = attributes_of(recorder.one("execute_tool weather"))
    content = (facts.get(semconv.TOOL_CALL_ARGUMENTS), facts.get(semconv.TOOL_CALL_RESULT))
    assert content == (("{}", "mild") if captures_content else (None, None))


def _told(recorder: Recorder, name: str) -> tuple[str, Any]:
    one = recorder.one(name)
    return one.status.status_code.name, attributes_of(one).get(semconv.ERROR_TYPE)


def test_an_error_that_became_a_result_is_the_tools_alone() -> None:
    with attached(SPEC) as recorder, turn(None), weather() as tool:
        tool.error = {"message": "Error running tool (non-fatal)"}

    assert _told(recorder, "execute_tool weather") == ("ERROR", "tool_error")
    assert _told(recorder, "invoke_agent guide") == ("UNSET", None)


def test_an_error_of_something_else_has_no_better_name() -> None:
    with attached(SPEC) as recorder, trace(), span("custom", "1", name="own") as own:
        own.error = {"message": "bad"}

    assert _told(recorder, "own") == ("ERROR", "_OTHER")


def test_what_ends_a_run_is_told_by_all_it_passes_and_a_tools_error_as_itself() -> None:
    def fatal() -> None:
        try:
            fail(KeyError("x"))
        except KeyError as cause:
            raise UserError from cause

    with attached(SPEC) as recorder, pytest.raises(UserError), trace(), weather(parent="t"):
        fatal()

    assert _told(recorder, "execute_tool weather") == ("ERROR", "KeyError")
    assert _told(recorder, "invoke_workflow city")[1].endswith("UserError")


def test_what_a_client_says_of_a_tools_failure_is_not_told() -> None:
    said = "canary"

    def fatal() -> None:
        try:
            fail(OpenAIError(said))
        except OpenAIError as cause:
            raise UserError(f"Error running tool: {cause}") from cause

    with attached(SPEC) as recorder, pytest.raises(UserError), trace(), weather(parent="t"):
        fatal()

    assert recorder.one("execute_tool weather").status.description == "OpenAIError"
    assert not any(said in span.to_json() for span in recorder.spans)


def test_an_error_that_the_program_is_handling_already_is_none_of_the_runs() -> None:
    with attached(SPEC) as recorder:
        try:
            fail(KeyError("x"))
        except KeyError:
            run(usage={"input_tokens": 9})

    assert {one.status.status_code.name for one in recorder.spans} == {"UNSET"}


def test_a_program_that_sets_its_processors_does_not_mean_ours() -> None:
    theirs = object()

    with attached(SPEC):
        PROVIDER.set_processors([theirs])
        both = listeners()
        both[1].force_flush()
        both[1].shutdown()

    assert (both[0], len(both), listeners()) == (theirs, 2, (theirs,))


def test_everything_is_as_it_was_afterwards() -> None:
    before = (vars(Provider)["set_processors"], vars(ToolContext)["from_agent_context"])

    with attached(SPEC):
        outside = ToolContext.from_agent_context("call_1")

    assert (vars(Provider)["set_processors"], vars(ToolContext)["from_agent_context"]) == before
    assert outside.tool_call_id == "call_1"
    assert listeners() == ()


def test_a_run_that_somebody_else_traces_is_left_to_them() -> None:
    theirs = type("Processor", (), {"__module__": "openinference.instrumentation.openai_agents"})()
    PROVIDER.set_processors([theirs])

    with pytest.raises(TracedByOthersError, match="openinference"), attached(SPEC):
        pass

    assert listeners() == (theirs,)
