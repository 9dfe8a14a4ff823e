"""Adapters of frameworks that trace themselves: which switches are flipped, and that they go back."""

from __future__ import annotations

import os
import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from otel_agentprof import semconv
from otel_agentprof.instrumentation import libraries
from otel_agentprof.instrumentation.framework import Attachment, FrameworkSpec
from otel_agentprof.instrumentation.frameworks import (
    ag2,
    agent_framework,
    autogen,
    google_adk,
    pydantic_ai,
    strands,
)

if TYPE_CHECKING:
    from conftest import Spans

SWITCH = "ADK_CAPTURE_MESSAGE_CONTENT_IN_SPANS"


def attachment(spans: Spans, *, captures_content: bool = False) -> Attachment:
    return Attachment(spans.provider, spans.provider.get_tracer(semconv.SCOPE), captures_content)


def module(monkeypatch: pytest.MonkeyPatch, name: str, **contents: Any) -> None:
    made = ModuleType(name)
    vars(made).update(contents)
    monkeypatch.setitem(sys.modules, name, made)


@pytest.mark.parametrize("name", ["ag2", "agent_framework", "autogen", "google_adk", "mcp", "strands"])
def test_each_adapter_is_known_by_its_name_and_says_how_it_works(name: str) -> None:
    spec = libraries.known()[name].load()

    assert isinstance(spec, FrameworkSpec)
    assert spec.name == name
    assert spec.note


@pytest.mark.parametrize("spec", [agent_framework.SPEC, autogen.SPEC])
def test_nothing_is_done_where_nothing_is_needed(spec: FrameworkSpec, pipeline: Spans) -> None:
    before = dict(os.environ)

    way_back = spec.attach(attachment(pipeline))

    assert dict(os.environ) == before
    way_back()


def test_adk_keeps_content_off_its_spans_as_long_as_we_are_on(
    pipeline: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SWITCH, raising=False)

    way_back = google_adk.SPEC.attach(attachment(pipeline))

    assert os.environ[SWITCH] == "false"
    way_back()
    assert SWITCH not in os.environ


@pytest.mark.parametrize("chosen", [None, "true"])
def test_adk_keeps_content_that_somebody_asked_for(
    pipeline: Spans, monkeypatch: pytest.MonkeyPatch, chosen: str | None
) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    if chosen is not None:
        monkeypatch.setenv(SWITCH, chosen)

    way_back = google_adk.SPEC.attach(attachment(pipeline, captures_content=chosen is None))

    assert os.environ.get(SWITCH) == chosen
    way_back()
    assert os.environ.get(SWITCH) == chosen


class Agent:
    """Pydantic AI's, as far as it matters here."""

    _instrument_default: Any = False

    @staticmethod
    def instrument_all(instrument: Any = True) -> None:  # noqa: FBT002 - as Pydantic AI has it
        Agent._instrument_default = instrument


@pytest.fixture
def agents(monkeypatch: pytest.MonkeyPatch) -> type[Agent]:
    monkeypatch.setattr(Agent, "_instrument_default", False)
    module(monkeypatch, "pydantic_ai", Agent=Agent)
    module(monkeypatch, "pydantic_ai.models.instrumented", InstrumentationSettings=SimpleNamespace)
    return Agent


def test_pydantic_ai_is_switched_on_without_content_and_off_again(
    pipeline: Spans, agents: type[Agent]
) -> None:
    way_back = pydantic_ai.SPEC.attach(attachment(pipeline))

    assert agents._instrument_default.tracer_provider is pipeline.provider
    assert agents._instrument_default.include_content is False
    way_back()
    assert agents._instrument_default is False


def test_what_the_user_chose_for_pydantic_ai_stays_before_us_and_after_us(
    pipeline: Spans, agents: type[Agent]
) -> None:
    agents.instrument_all()
    pydantic_ai.SPEC.attach(attachment(pipeline))()
    assert agents._instrument_default is True
    agents.instrument_all(instrument=False)
    way_back = pydantic_ai.SPEC.attach(attachment(pipeline))
    agents.instrument_all()

    way_back()

    assert agents._instrument_default is True


@pytest.mark.parametrize("captures_content", [False, True])
def test_strands_sends_its_spans_to_our_provider_and_its_content_only_where_asked(
    pipeline: Spans, monkeypatch: pytest.MonkeyPatch, *, captures_content: bool
) -> None:
    tracer = SimpleNamespace(
        service_name="strands", tracer_provider=None, tracer=None, _redaction_enabled=False
    )
    before = dict(vars(tracer))
    module(monkeypatch, "strands.telemetry", get_tracer=lambda: tracer)

    way_back = strands.SPEC.attach(attachment(pipeline, captures_content=captures_content))

    assert tracer.tracer_provider is pipeline.provider
    assert tracer._redaction_enabled is not captures_content
    way_back()
    assert vars(tracer) == before


class TelemetryMiddleware:
    """AG2's, as far as it matters here."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def __call__(self, event: Any, context: Any) -> Any:
        return SimpleNamespace(event=event, context=context, _subscribe_usage=len)


class Ag2Agent:
    """Likewise."""

    name = "guide"

    def __init__(self, *middleware: Any) -> None:
        self._middleware = middleware

    def _turn_scope(self, event: str, *, additional_middleware: Any = ()) -> tuple[str, tuple[Any, ...]]:
        return event, tuple(additional_middleware)


@pytest.fixture
def ag2_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    module(monkeypatch, "ag2.agent", Agent=Ag2Agent)
    module(monkeypatch, "ag2.middleware.builtin.telemetry", TelemetryMiddleware=TelemetryMiddleware)


@pytest.mark.usefixtures("ag2_modules")
def test_every_turn_of_an_ag2_agent_gets_the_middleware_without_content_and_repeated_tokens(
    pipeline: Spans,
) -> None:
    before = vars(Ag2Agent)["_turn_scope"]
    way_back = ag2.SPEC.attach(attachment(pipeline))

    event, (ours, given) = Ag2Agent()._turn_scope("hello", additional_middleware=["given"])

    assert (event, given) == ("hello", "given")
    assert ours.settings == {
        "tracer_provider": pipeline.provider,
        "capture_content": False,
        "agent_name": "guide",
    }
    assert ours("event", "context")._subscribe_usage("context") is None
    way_back()
    assert vars(Ag2Agent)["_turn_scope"] is before


@pytest.mark.usefixtures("ag2_modules")
def test_an_ag2_agent_with_a_telemetry_middleware_keeps_that_one_alone(pipeline: Spans) -> None:
    own = TelemetryMiddleware()
    way_back = ag2.SPEC.attach(attachment(pipeline))

    _, of_the_agent = Ag2Agent(own)._turn_scope("hello")
    _, of_the_turn = Ag2Agent()._turn_scope("hello", additional_middleware=[own])

    assert of_the_agent == ()
    assert of_the_turn == (own,)
    way_back()
