"""Haystack's tracing, played: operations with tags, spans handed on as parents, content shown to spans."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from openai import OpenAIError
from opentelemetry.trace import INVALID_SPAN, get_current_span
from recording import Recorder, attributes_of
from stand_ins import attached, fail, stand_in

from otel_agentprof import semconv
from otel_agentprof.instrumentation.framework import TracedByOthersError
from otel_agentprof.instrumentation.frameworks.haystack import SPEC

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

NOBODY = object()
PROXY = SimpleNamespace(actual_tracer=NOBODY)


class Pipeline:
    async def run_async_generator(self) -> AsyncIterator[int]:
        with tracer().trace("haystack.pipeline.run"):
            yield 1
            yield 2


@pytest.fixture(autouse=True)
def _haystack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PROXY, "actual_tracer", NOBODY)
    stand_in(monkeypatch, "haystack", Pipeline=Pipeline)
    stand_in(
        monkeypatch,
        "haystack.tracing",
        tracer=PROXY,
        is_tracing_enabled=lambda: PROXY.actual_tracer is not NOBODY,
        enable_tracing=lambda given: setattr(PROXY, "actual_tracer", given),
    )


def tracer() -> Any:
    return PROXY.actual_tracer


@contextmanager
def component(name: str, kind: str, parent: Any = None) -> Iterator[Any]:
    tags = {"haystack.component.name": name, "haystack.component.type": kind}
    with tracer().trace("haystack.component.run", tags=tags, parent_span=parent) as span:
        yield span


@contextmanager
def pipeline_with(agent: str) -> Iterator[None]:
    with tracer().trace("haystack.pipeline.run") as pipeline, component(agent, "Agent", pipeline):
        yield


def reply(*calls: str, **meta: Any) -> dict[str, Any]:
    asked = [SimpleNamespace(id=f"call_{name}", tool_name=name, arguments={"city": "P"}) for name in calls]
    told = {"model": "gpt-5", "usage": {"prompt_tokens": 9, "completion_tokens": 2}, "finish_reason": "stop"}
    return {"replies": [SimpleNamespace(tool_calls=asked, meta={**told, **meta})]}


def run_agent(tool: str = "weather", error: BaseException | None = None) -> None:
    parent = tracer().current_span()
    with tracer().trace("haystack.agent.run", parent_span=parent) as agent, step(agent) as around:
        with tracer().trace("haystack.agent.step.llm", parent_span=around) as model:
            model.set_content_tag("haystack.agent.step.llm.output", reply("weather", "population"))
        tags = {"haystack.tool.name": tool}
        with tracer().trace("haystack.agent.step.tool", tags=tags, parent_span=around) as span:
            span.set_content_tag("haystack.agent.step.tool.input", {"city": "P"})
            if error is not None:
                tell(span, error)
            span.set_content_tag("haystack.agent.step.tool.output", "mild")


def step(agent: Any) -> Any:
    return tracer().trace("haystack.agent.step", parent_span=agent)


def tell(span: Any, error: BaseException) -> None:
    """Report a tool's error as Haystack does: from within the handler of its own."""
    try:
        try:
            fail(error)
        except ValueError as cause:
            raise RuntimeError("Failed to invoke Tool") from cause
    except RuntimeError:
        span.set_tags({"haystack.tool.error": True})


def test_an_agent_is_named_by_its_component_and_its_steps_are_hidden() -> None:
    with attached(SPEC) as recorder, pipeline_with("guide"):
        run_agent()

    assert {name: recorder.parent_name(name) for name in recorder.names} == {
        "chat gpt-5": "invoke_agent guide",
        "execute_tool weather": "invoke_agent guide",
        "invoke_agent guide": "invoke_workflow pipeline",
        "invoke_workflow pipeline": None,
    }
    assert attributes_of(recorder.one("chat gpt-5"))[semconv.USAGE_INPUT_TOKENS] == 9
    assert attributes_of(recorder.one("execute_tool weather"))[semconv.TOOL_CALL_ID] == "call_weather"
    assert get_current_span() is INVALID_SPAN


def test_an_agent_alone_and_one_inside_a_tool() -> None:
    with attached(SPEC) as recorder:
        run_agent()
        with tracer().trace("haystack.agent.step.tool", tags={"haystack.tool.name": "helper"}):
            run_agent()

    agents = [name for name in recorder.names if name.startswith("invoke_agent")]
    assert agents == ["invoke_agent Agent", "invoke_agent helper"]


@pytest.mark.parametrize("captures_content", [True, False])
def test_content_is_told_only_where_asked_for(*, captures_content: bool) -> None:
    with attached(SPEC, captures_content=captures_content) as recorder:
        run_agent()

    facts = attributes_of(recorder.one("execute_tool weather"))
    content = (facts.get(semconv.TOOL_CALL_ARGUMENTS), facts.get(semconv.TOOL_CALL_RESULT))
    assert content == (('{"city": "P"}', '"mild"') if captures_content else (None, None))


def _status(recorder: Recorder, name: str) -> str:
    return recorder.one(name).status.status_code.name


def test_a_failing_tool_is_told_by_its_own_error_and_its_agent_is_none() -> None:
    with attached(SPEC) as recorder:
        run_agent(error=ValueError("no luck"))

    assert _status(recorder, "execute_tool weather") == "ERROR"
    assert attributes_of(recorder.one("execute_tool weather"))[semconv.ERROR_TYPE] == "ValueError"
    assert _status(recorder, "invoke_agent Agent") == "UNSET"


def test_what_a_client_says_of_a_tools_failure_is_not_told() -> None:
    error = ValueError("search failed")
    error.__context__ = OpenAIError("canary")

    with attached(SPEC) as recorder:
        run_agent(error=error)

    span = recorder.one("execute_tool weather")
    assert span.status.description == "ValueError"
    assert "canary" not in span.to_json()


def test_what_a_component_raises_passes_and_is_told() -> None:
    error = KeyError("x")

    with attached(SPEC) as recorder, pytest.raises(KeyError) as caught, component("odd", "Odd"):
        fail(error)

    assert caught.value is error
    assert _status(recorder, "odd") == "ERROR"


def test_generators_and_retrievers_tell_their_figures() -> None:
    with attached(SPEC) as recorder:
        with component("writer", "MockGenerator") as writer:
            meta = [{"model": "small", "usage": {"prompt_tokens": 3, "completion_tokens": 1}}]
            writer.set_content_tag("haystack.component.output", {"replies": ["Paris"], "meta": meta})
        with component("silent", "MockChatGenerator") as silent:
            silent.set_content_tag("haystack.component.output", {"replies": []})
        with component("library", "MockRetriever") as library:
            library.set_content_tag("haystack.component.output", {"documents": [1, 2]})

    assert recorder.parent_name("chat small") == "writer"
    assert attributes_of(recorder.one("chat small"))[semconv.USAGE_INPUT_TOKENS] == 3
    assert recorder.parent_name("chat") == "silent"
    assert attributes_of(recorder.one("retrieval library"))[semconv.RESULT_COUNT] == 2


def test_a_span_gives_its_opentelemetry_span_where_it_has_one() -> None:
    with attached(SPEC), component("odd", "Odd") as outer, step(outer) as hidden:
        raw = (outer.raw_span(), hidden.raw_span(), tracer().current_span() is hidden)

    assert raw == (raw[0], raw[0], True)
    assert raw[0].name == "odd"
    assert outer.get_correlation_data_for_logs() == {}
    assert outer.raw_span() is outer


def test_a_hook_is_named_and_other_work_by_its_operation() -> None:
    with attached(SPEC) as recorder:
        with tracer().trace("haystack.agent.hook", tags={"haystack.agent.hook.name": "compact"}):
            pass
        with tracer().trace("haystack.agent.hook.human_in_the_loop.strategy"):
            pass

    assert recorder.names == ["compact", "strategy"]


def test_a_pipeline_that_is_iterated_over_leaks_nothing_to_the_consumer() -> None:
    async def main() -> list[bool]:
        return [get_current_span() is INVALID_SPAN async for _ in Pipeline().run_async_generator()]

    with attached(SPEC) as recorder:
        outside = asyncio.run(main())

    assert outside == [True, True]
    assert recorder.names == ["invoke_workflow pipeline"]


def test_operations_run_also_where_they_cannot_be_told() -> None:
    with attached(SPEC) as recorder, tracer().trace("haystack.component.run", tags=7) as span:
        span.set_content_tag("haystack.component.output", None)

    assert recorder.names == []


def test_the_tracer_of_before_comes_back_unless_the_program_enabled_another() -> None:
    theirs = object()

    with attached(SPEC):
        pass
    after = tracer()
    with attached(SPEC):
        PROXY.actual_tracer = theirs

    assert (after, tracer()) == (NOBODY, theirs)


def test_a_tracer_that_the_program_enabled_stays() -> None:
    PROXY.actual_tracer = theirs = object()

    with pytest.raises(TracedByOthersError, match="object is Haystack's tracer"), attached(SPEC):
        pass

    assert tracer() is theirs
