"""CrewAI's bus, played: events get their ids, and are handed on, as the real one does it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import context as context_api
from opentelemetry.trace import INVALID_SPAN, get_current_span
from recording import Recorder, attributes_of
from stand_ins import attached, fail, stand_in

from otel_agentprof import semconv
from otel_agentprof.instrumentation.framework import TracedByOthersError
from otel_agentprof.instrumentation.frameworks.crewai import SPEC
from otel_agentprof.instrumentation.witness import WITNESS_KEY


class Bus:
    def emit(self, source: Any, event: Any) -> Any:
        return source, event.type


class Crew:
    def kickoff(self) -> None: ...


@pytest.fixture(autouse=True)
def _crewai(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, "crewai", Crew=Crew)
    stand_in(monkeypatch, "crewai.events.event_bus", CrewAIEventsBus=Bus)


def emit(kind: str, key: str, parent: str | None = None, source: Any = None, **more: Any) -> Any:
    is_end = not kind.endswith("_started")
    ids = {"event_id": f"{key}/end" if is_end else key, "started_event_id": key if is_end else None}
    return Bus().emit(source, SimpleNamespace(type=kind, parent_event_id=parent, **ids, **more))


def begin_agent(role: str = "guide ") -> None:
    emit("crew_kickoff_started", "crew", crew_name="city")
    emit("task_started", "task", "crew", source=SimpleNamespace(name=None))
    emit("agent_execution_started", "agent", "task", agent=SimpleNamespace(role=role))
    flow = type("AgentExecutor", (), {"__module__": "crewai.agents.agent_executor"})()
    emit("flow_started", "flow", "agent", source=flow, flow_name="AgentExecutor")


def end_agent() -> None:
    emit("flow_finished", "flow", "agent")
    emit("agent_execution_completed", "agent", "task")
    emit("task_completed", "task", "crew")
    emit("crew_kickoff_completed", "crew")


def ask(*names: str) -> None:
    asked = [{"id": f"call_{name}", "function": {"name": name, "arguments": "{}"}} for name in names]
    emit("llm_call_started", "llm", "flow")
    told = {
        "model": "gpt-5",
        "usage": {"prompt_tokens": 9, "completion_tokens": 2},
        "finish_reason": "tool_calls",
    }
    emit("llm_call_completed", "llm", "flow", response=asked, response_id="r", **told)


def run_tool(end: str = "tool_usage_finished", **more: Any) -> None:
    emit("tool_usage_started", "tool", "flow", tool_name="weather", tool_args={})
    emit(end, "tool", "flow", **more)


def test_the_flow_inside_an_agent_is_hidden_and_the_task_tells_no_prompt() -> None:
    with attached(SPEC) as recorder:
        begin_agent()
        ask("weather")
        run_tool(output="mild")
        end_agent()

    assert recorder.parent_name("execute_tool weather") == "invoke_agent guide"
    assert recorder.parent_name("invoke_agent guide") == "task"
    assert recorder.parent_name("task") == "invoke_workflow city"
    facts = attributes_of(recorder.one("chat gpt-5"))
    assert (facts[semconv.USAGE_INPUT_TOKENS], facts[semconv.TOOL_CALL_IDS]) == (9, ("call_weather",))
    assert get_current_span() is INVALID_SPAN


def test_the_bus_gives_back_what_it_did_and_is_the_same_afterwards() -> None:
    before = vars(Bus)["emit"]

    with attached(SPEC):
        handed_on = emit("some_event", "x")

    assert handed_on == (None, "some_event")
    assert vars(Bus)["emit"] is before


def test_a_tool_has_the_id_of_the_call_it_answers() -> None:
    with attached(SPEC) as recorder:
        begin_agent()
        ask("population", "weather")
        run_tool(output="mild")
        end_agent()

    assert attributes_of(recorder.one("execute_tool weather"))[semconv.TOOL_CALL_ID] == "call_weather"


@pytest.mark.parametrize("captures_content", [True, False])
def test_arguments_and_results_are_told_only_where_asked_for(*, captures_content: bool) -> None:
    with attached(SPEC, captures_content=captures_content) as recorder:
        run_tool(output="mild")

    facts = attributes_of(recorder.one("execute_tool weather"))
    content = (facts.get(semconv.TOOL_CALL_ARGUMENTS), facts.get(semconv.TOOL_CALL_RESULT))
    assert content == (("{}", "mild") if captures_content else (None, None))


def _failed(recorder: Recorder, name: str) -> tuple[str, Any]:
    span = recorder.one(name)
    return span.status.status_code.name, attributes_of(span)[semconv.ERROR_TYPE]


@pytest.mark.parametrize(
    ("end", "more", "error_type"),
    [
        ("tool_usage_error", {"error": ValueError("no")}, "ValueError"),
        ("tool_usage_error", {"error": "no"}, "tool_error"),
        ("tool_usage_finished", {"output": "", "failure": object()}, "tool_error"),
    ],
)
def test_a_tool_that_fails_is_an_error_and_its_agent_is_none(
    end: str, more: dict[str, Any], error_type: str
) -> None:
    with attached(SPEC) as recorder:
        begin_agent()
        run_tool(end, **more)
        end_agent()

    assert _failed(recorder, "execute_tool weather") == ("ERROR", error_type)
    assert recorder.one("invoke_agent guide").status.status_code.name == "UNSET"


def test_the_text_of_an_error_stands_for_the_exception_that_is_being_handled() -> None:
    with attached(SPEC) as recorder:
        begin_agent()
        try:
            fail(ConnectionError("gone"))
        except ConnectionError:
            emit("llm_call_started", "llm", "flow")
            emit("llm_call_failed", "llm", "flow", error="call failed: gone", model="gpt-5")
            emit("agent_execution_error", "agent", "task", error="gone")
        emit("task_failed", "task", "crew", error="another reason")
        emit("crew_kickoff_failed", "crew", error=None)

    assert _failed(recorder, "chat gpt-5") == ("ERROR", "ConnectionError")
    assert _failed(recorder, "invoke_agent guide") == ("ERROR", "ConnectionError")
    assert _failed(recorder, "task") == ("ERROR", "_OTHER")
    assert _failed(recorder, "invoke_workflow city") == ("ERROR", "_OTHER")


def test_a_failed_call_without_an_exception_is_an_error_too() -> None:
    with attached(SPEC) as recorder:
        emit("llm_call_started", "llm")
        emit("llm_call_failed", "llm", error="gone", model="gpt-5")

    assert _failed(recorder, "chat gpt-5") == ("ERROR", "_OTHER")


def test_a_call_that_a_client_told_of_gets_no_second_span() -> None:
    with attached(SPEC) as recorder:
        emit("llm_call_started", "llm")
        witness: Any = context_api.get_value(WITNESS_KEY)
        witness.calls += 1
        emit("llm_call_completed", "llm", response="Paris", model="gpt-5", usage=None)

    assert recorder.names == []


@pytest.mark.parametrize(
    ("kind", "more", "name"),
    [
        ("flow_started", {"flow_name": "F"}, "invoke_workflow F"),
        ("method_execution_started", {"method_name": "first"}, "first"),
        ("lite_agent_execution_started", {"agent_info": {"role": "lite"}}, "invoke_agent lite"),
        ("agent_reasoning_started", {}, "reasoning"),
        ("llm_guardrail_started", {}, "guardrail"),
        ("memory_query_started", {}, "retrieval memory"),
        ("knowledge_query_started", {}, "retrieval knowledge"),
    ],
)
def test_everything_worth_seeing_has_a_span_of_its_kind(kind: str, more: dict[str, Any], name: str) -> None:
    with attached(SPEC) as recorder:
        emit(kind, "x", **more)
        emit(kind.replace("_started", "_completed"), "x")

    assert recorder.names == [name]


def test_a_crew_that_somebody_else_traces_is_left_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def theirs(self: Any) -> None: ...

    theirs.__module__ = "openinference.instrumentation.crewai"
    monkeypatch.setattr(Crew, "kickoff", theirs)

    with pytest.raises(TracedByOthersError), attached(SPEC):
        pass

    assert "heard" not in str(Bus.emit)
