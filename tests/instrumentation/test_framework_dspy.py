"""DSPy's callbacks, played: a call begins and ends around a body, with its id in a context variable."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import INVALID_SPAN, get_current_span
from recording import Recorder, attributes_of
from stand_ins import attached, fail, stand_in

from otel_agentprof import semconv
from otel_agentprof.instrumentation.framework import TracedByOthersError
from otel_agentprof.instrumentation.frameworks.dspy import SPEC

if TYPE_CHECKING:
    from collections.abc import Iterator

ACTIVE: ContextVar[str | None] = ContextVar("active", default=None)


class Settings:
    configured: list[Any] = []  # noqa: RUF012 - as in DSPy: what is configured is shared

    def get(self, key: str, default: Any = None) -> Any:
        return {"callbacks": self.configured}.get(key, default)


class Module:
    __module__ = "dspy.primitives.module"

    def __call__(self) -> None: ...


class ReAct(Module):
    __module__ = "dspy.predict.react"


class Predict(Module):
    __module__ = "dspy.predict.predict"


class Retrieve(Module):
    __module__ = "dspy.retrievers.retrieve"


class Program(Module):
    pass


SETTINGS = Settings()


@pytest.fixture(autouse=True)
def _dspy(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, "dspy", settings=SETTINGS, Module=Module)
    stand_in(monkeypatch, "dspy.utils.callback", ACTIVE_CALL_ID=ACTIVE)


@contextmanager
def running(kind: str, key: str, instance: Any, inputs: Any = None, outputs: Any = None) -> Iterator[None]:
    [callback] = SETTINGS.get("callbacks")
    getattr(callback, f"on_{kind}_start")(call_id=key, instance=instance, inputs=inputs or {})
    around, error = ACTIVE.get(), None
    ACTIVE.set(key)
    try:
        yield
    except ValueError as raised:
        error = raised
    ACTIVE.set(around)
    getattr(callback, f"on_{kind}_end")(call_id=key, outputs=outputs, exception=error)


def answer(*entries: dict[str, Any], outputs: Any = None) -> SimpleNamespace:
    noted = {
        "outputs": outputs,
        "response_model": "gpt-5",
        "usage": {"prompt_tokens": 9, "completion_tokens": 2},
    }
    return SimpleNamespace(model="openai/gpt-5", history=[{**noted, **entry} for entry in entries])


def tool(name: str, module: str = "mine") -> SimpleNamespace:
    return SimpleNamespace(name=name, func=SimpleNamespace(__module__=module))


def one_turn() -> None:
    asked = [
        {"tool_calls": [{"id": "call_1", "function": {"name": "weather", "arguments": '{"city": "P"}'}}]}
    ]
    with running("module", "1", Program()), running("module", "2", ReAct()):
        with running("module", "3", Predict()), running("lm", "4", answer({}, outputs=asked), outputs=asked):
            pass
        with running("tool", "5", tool("weather"), {"kwargs": {"city": "P"}}, "mild"):
            pass
        with running("tool", "6", tool("finish", "dspy.predict.react")):
            pass


def test_programs_agents_tools_and_models_are_seen_and_their_helpers_are_not() -> None:
    with attached(SPEC) as recorder:
        one_turn()

    parents = {name: recorder.parent_name(name) for name in recorder.names}
    assert parents == {
        "chat gpt-5": "invoke_agent ReAct",
        "execute_tool weather": "invoke_agent ReAct",
        "invoke_agent ReAct": "invoke_workflow Program",
        "invoke_workflow Program": None,
    }
    facts = attributes_of(recorder.one("chat gpt-5"))
    assert (facts[semconv.PROVIDER_NAME], facts[semconv.USAGE_INPUT_TOKENS]) == ("openai", 9)
    assert attributes_of(recorder.one("execute_tool weather"))[semconv.TOOL_CALL_ID] == "call_1"
    assert get_current_span() is INVALID_SPAN


@pytest.mark.parametrize("captures_content", [True, False])
def test_content_is_told_only_where_asked_for(*, captures_content: bool) -> None:
    with attached(SPEC, captures_content=captures_content) as recorder:
        one_turn()

    facts = attributes_of(recorder.one("execute_tool weather"))
    content = (facts.get(semconv.TOOL_CALL_ARGUMENTS), facts.get(semconv.TOOL_CALL_RESULT))
    assert content == (('{"city": "P"}', '"mild"') if captures_content else (None, None))


def test_an_answer_from_dspys_cache_is_no_call() -> None:
    outputs = ["Paris"]

    with (
        attached(SPEC) as recorder,
        running("lm", "1", answer({"usage": {}}, outputs=outputs), outputs=outputs),
    ):
        pass

    assert recorder.names == []


def test_a_model_without_a_history_has_a_span_without_figures() -> None:
    with attached(SPEC) as recorder, running("lm", "1", answer(), outputs=["Paris"]):
        pass

    assert semconv.USAGE_INPUT_TOKENS not in attributes_of(recorder.one("chat gpt-5"))


def test_answers_of_others_in_the_history_are_not_taken() -> None:
    mine, theirs = ["Paris"], ["Paris"]
    told = answer({"outputs": mine}, {"outputs": theirs, "usage": {"prompt_tokens": 99}})

    with attached(SPEC) as recorder, running("lm", "1", told, outputs=mine):
        pass

    assert attributes_of(recorder.one("chat gpt-5"))[semconv.USAGE_INPUT_TOKENS] == 9


def _status(recorder: Recorder, name: str) -> str:
    return recorder.one(name).status.status_code.name


def test_a_failing_tool_is_an_error_and_its_agent_is_none() -> None:
    with attached(SPEC, captures_content=True) as recorder, running("module", "1", ReAct()):  # noqa: SIM117 - inside it
        with running("tool", "2", tool("lottery")):
            fail(ValueError("no luck"))

    assert (_status(recorder, "execute_tool lottery"), _status(recorder, "invoke_agent ReAct")) == (
        "ERROR",
        "UNSET",
    )
    assert semconv.TOOL_CALL_RESULT not in attributes_of(recorder.one("execute_tool lottery"))


@pytest.mark.parametrize(
    ("kind", "instance", "name"),
    [
        ("module", Predict(), "Predict"),
        ("module", Retrieve(), "retrieval Retrieve"),
        ("evaluate", SimpleNamespace(), "invoke_workflow SimpleNamespace"),
        ("compile", SimpleNamespace(), "invoke_workflow SimpleNamespace"),
        ("interpreter_execute", None, "python_interpreter"),
    ],
)
def test_everything_worth_seeing_has_a_span_of_its_kind(kind: str, instance: Any, name: str) -> None:
    with attached(SPEC) as recorder, running(kind, "1", instance):
        pass

    assert recorder.names == [name]


def test_what_later_versions_will_tell_is_not_heard() -> None:
    with attached(SPEC) as recorder, running("telepathy", "1", None):
        pass

    assert recorder.names == []


def test_a_program_inside_another_is_a_step() -> None:
    with attached(SPEC) as recorder, running("module", "1", Program()), running("module", "2", Program()):
        pass

    assert recorder.names == ["Program", "invoke_workflow Program"]


def test_the_callbacks_of_the_program_stay_as_they_are_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = object()
    monkeypatch.setattr(Settings, "configured", [theirs])
    before = vars(Settings)["get"]

    with attached(SPEC):
        [first, ours] = SETTINGS.get("callbacks")
        monkeypatch.setattr(Settings, "configured", [ours])
        again = SETTINGS.get("callbacks")
        other = SETTINGS.get("lm", "none")

    assert (first is theirs, again, other) == (True, [ours], "none")
    assert not hasattr(ours, "callbacks")
    assert vars(Settings)["get"] is before


def test_programs_that_somebody_else_traces_are_left_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def theirs(self: Any) -> None: ...

    theirs.__module__ = "openinference.instrumentation.dspy"
    monkeypatch.setattr(Module, "__call__", theirs)

    with pytest.raises(TracedByOthersError), attached(SPEC):
        pass

    assert SETTINGS.get("callbacks") == []
