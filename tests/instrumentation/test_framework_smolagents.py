"""The parts of smolagents that are wrapped, played: an agent asks its model, and runs what that asks for."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context as context_api
from opentelemetry.trace import INVALID_SPAN, get_current_span
from recording import Recorder, attributes_of
from stand_ins import attached, fail, stand_in

from otel_agentprof import semconv
from otel_agentprof.instrumentation.framework import TracedByOthersError
from otel_agentprof.instrumentation.frameworks.smolagents import SPEC
from otel_agentprof.instrumentation.witness import WITNESS_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def part(*calls: str, tokens: int | None = 9) -> SimpleNamespace:
    asked = [
        SimpleNamespace(id=f"call_{name}", function=SimpleNamespace(name=name, arguments={"city": "P"}))
        for name in calls
    ]
    usage = None if tokens is None else SimpleNamespace(input_tokens=tokens, output_tokens=2)
    return SimpleNamespace(token_usage=usage, tool_calls=asked or None)


class Model:
    model_id = "parrot"

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def generate(self) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            fail(answer)
        return answer


class Streaming(Model):
    def generate_stream(self) -> Iterator[Any]:
        for answer in self.answers:
            if isinstance(answer, BaseException):
                fail(answer)
            yield answer


class Tool:
    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self.name, self.work = name, work

    def __call__(self, *_: Any, **__: Any) -> object:
        return self.work()


class MultiStepAgent:
    name: str | None = None

    def __init__(self, model: Any, **tools: Any) -> None:
        self.model, self.tools = model, tools

    def run(self) -> list[Any]:
        return list(self._run_stream())

    def _run_stream(self) -> Iterator[Any]:
        message = self.model.generate()
        yield message
        yield from self.process_tool_calls(message)

    def __call__(self) -> object:
        return self.run()

    def process_tool_calls(self, message: Any) -> Iterator[Any]:
        raise NotImplementedError


class ToolCallingAgent(MultiStepAgent):
    def process_tool_calls(self, chat_message: Any) -> Iterator[Any]:
        for call in chat_message.tool_calls or ():
            yield self.execute_tool_call(call.function.name, call.function.arguments)

    def execute_tool_call(self, tool_name: str, arguments: Any) -> object:
        return self.tools[tool_name](**arguments, sanitize_inputs_outputs=True)


class LocalPythonExecutor:
    def __call__(self, code: Callable[[], object]) -> object:
        return LOCAL.timeout(1)(code)()


LOCAL: Any = None


@pytest.fixture(autouse=True)
def _smolagents(monkeypatch: pytest.MonkeyPatch) -> None:
    def timeout(_seconds: int) -> Callable[..., Any]:
        def decorator(func: Callable[[], object]) -> Callable[[], object]:
            def call() -> object:
                found: list[object] = []
                thread = threading.Thread(target=lambda: found.append(func()))
                thread.start()
                thread.join()
                return found[0]

            return call

        return decorator

    agents = {"MultiStepAgent": MultiStepAgent, "ToolCallingAgent": ToolCallingAgent}
    stand_in(monkeypatch, "smolagents.agents", **agents)
    stand_in(monkeypatch, "smolagents.tools", Tool=Tool)
    local = stand_in(
        monkeypatch,
        "smolagents.local_python_executor",
        LocalPythonExecutor=LocalPythonExecutor,
        timeout=timeout,
    )
    monkeypatch.setitem(globals(), "LOCAL", local)
    stand_in(monkeypatch, "smolagents.remote_executors", RemotePythonExecutor=type("Remote", (), {}))


def city(*answers: Any) -> ToolCallingAgent:
    return ToolCallingAgent(Model(*answers), weather=Tool("weather", lambda: "mild"))


def test_an_agent_its_model_and_its_tools_are_seen() -> None:
    with attached(SPEC) as recorder:
        city(part("weather")).run()

    assert {name: recorder.parent_name(name) for name in recorder.names} == {
        "chat parrot": "invoke_agent ToolCallingAgent",
        "execute_tool weather": "invoke_agent ToolCallingAgent",
        "invoke_agent ToolCallingAgent": None,
    }
    facts = attributes_of(recorder.one("chat parrot"))
    assert (facts[semconv.USAGE_INPUT_TOKENS], facts[semconv.TOOL_CALL_IDS]) == (9, ("call_weather",))
    assert attributes_of(recorder.one("execute_tool weather"))[semconv.TOOL_CALL_ID] == "call_weather"
    assert get_current_span() is INVALID_SPAN


def test_a_run_that_is_iterated_over_leaks_nothing_to_the_consumer() -> None:
    with attached(SPEC) as recorder:
        outside = [get_current_span() is INVALID_SPAN for _ in city(part("weather"))._run_stream()]

    assert outside == [True, True]
    assert "invoke_agent ToolCallingAgent" in recorder.names


def test_a_managed_agent_runs_inside_the_tool_that_it_is() -> None:
    expert = ToolCallingAgent(Model(part()))
    expert.name = "expert"
    with attached(SPEC) as recorder:
        ToolCallingAgent(Model(part("expert")), expert=lambda **_: expert()).run()

    assert recorder.parent_name("invoke_agent expert") == "execute_tool expert"
    assert attributes_of(recorder.one("execute_tool expert"))[semconv.TOOL_CALL_ID] == "call_expert"


def test_the_answer_by_a_tool_runs_nothing() -> None:
    with attached(SPEC) as recorder:
        ToolCallingAgent(Model(part("final_answer")), final_answer=Tool("final_answer", str)).run()

    assert recorder.names == ["chat parrot", "invoke_agent ToolCallingAgent"]


@pytest.mark.parametrize("captures_content", [True, False])
def test_content_is_told_only_where_asked_for(*, captures_content: bool) -> None:
    with attached(SPEC, captures_content=captures_content) as recorder:
        city(part("weather")).run()

    facts = attributes_of(recorder.one("execute_tool weather"))
    content = (facts.get(semconv.TOOL_CALL_ARGUMENTS), facts.get(semconv.TOOL_CALL_RESULT))
    assert content == (('{"city": "P"}', '"mild"') if captures_content else (None, None))


def test_written_code_is_a_step_and_its_thread_knows_what_it_is_in() -> None:
    weather = Tool("weather", lambda: "mild")

    with attached(SPEC) as recorder:
        found = LocalPythonExecutor()(lambda: weather("Paris"))

    assert found == "mild"
    assert recorder.parent_name("execute_tool weather") == "python_interpreter"
    assert semconv.TOOL_CALL_ID not in attributes_of(recorder.one("execute_tool weather"))


def _status(recorder: Recorder, name: str) -> str:
    return recorder.one(name).status.status_code.name


def test_what_a_tool_or_a_model_raises_passes_and_is_told() -> None:
    broken = Tool("weather", lambda: fail(ValueError("no luck")))
    with attached(SPEC) as recorder:
        with pytest.raises(ValueError, match="no luck"):
            broken()
        with pytest.raises(KeyError):
            city(KeyError("x")).run()

    names = ("execute_tool weather", "chat parrot", "invoke_agent ToolCallingAgent")
    assert [_status(recorder, name) for name in names] == ["ERROR"] * 3


def test_a_streamed_answer_is_one_call_also_where_it_breaks_off() -> None:
    model = Streaming(part())
    with attached(SPEC) as recorder:
        ToolCallingAgent(model).run()  # with it the class of the model is known
        model.answers = [part(tokens=None), part(tokens=7)]
        list(model.generate_stream())
        model.answers = [part(tokens=4), KeyError("x")]
        with pytest.raises(KeyError):
            list(model.generate_stream())

    calls = [one for one in recorder.spans if one.name == "chat parrot"]
    assert [attributes_of(one)[semconv.USAGE_INPUT_TOKENS] for one in calls] == [9, 7, 4]
    assert [one.status.status_code.name for one in calls] == ["UNSET", "UNSET", "ERROR"]


def test_a_call_that_a_client_told_of_gets_no_second_span() -> None:
    class Client(Model):
        def generate(self) -> Any:
            witness: Any = context_api.get_value(WITNESS_KEY)
            witness.calls += 1
            return part()

    with attached(SPEC) as recorder:
        ToolCallingAgent(Client()).run()

    assert recorder.names == ["invoke_agent ToolCallingAgent"]


def test_everything_is_as_it_was_afterwards() -> None:
    places = [(MultiStepAgent, "_run_stream"), (MultiStepAgent, "__call__"), (Tool, "__call__")]
    places += [(ToolCallingAgent, "execute_tool_call"), (Model, "generate"), (LOCAL, "timeout")]
    before = [vars(owner)[name] for owner, name in places]

    with attached(SPEC):
        city(part("weather")).run()
        during = [vars(owner)[name] for owner, name in places]

    assert [vars(owner)[name] for owner, name in places] == before
    assert not set(map(id, before)) & set(map(id, during))


def test_agents_that_somebody_else_traces_are_left_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def theirs(self: Any) -> None: ...

    theirs.__module__ = "openinference.instrumentation.smolagents"
    monkeypatch.setattr(MultiStepAgent, "run", theirs)
    before = vars(Tool)["__call__"]

    with pytest.raises(TracedByOthersError), attached(SPEC):
        pass

    assert vars(Tool)["__call__"] is before
