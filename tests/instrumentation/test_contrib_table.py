"""How OpenTelemetry's own instrumentations are switched on, with one that stands in for them."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import otel_agentprof
from otel_agentprof.instrumentation import contrib
from otel_agentprof.instrumentation.contrib import Contrib
from otel_agentprof.instrumentation.registry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Spans


class DependencyConflictError(Exception):
    pass


class Instrumentor:
    is_instrumented_by_opentelemetry = False
    error: Exception | None = None
    given: dict[str, Any]

    def __call__(self) -> Instrumentor:
        return self

    def instrument(self, **given: Any) -> None:
        if self.error is not None:
            raise self.error
        self.given = given
        self.is_instrumented_by_opentelemetry = True

    def uninstrument(self) -> None:
        self.is_instrumented_by_opentelemetry = False


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Instrumentor]:
    module: Any = ModuleType("opentelemetry.instrumentation.stand_in")
    module.Made = Instrumentor()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    row = Contrib("json", "agentprof-has-no-such-thing", "stand_in:Made")
    monkeypatch.setitem(contrib.TABLE, "sqlite3", row)
    yield module.Made
    otel_agentprof.uninstrument()


def _told() -> tuple[str, str]:
    (target,) = REGISTRY.targets()
    return target.state, target.detail


def test_it_is_on_while_ours_is_and_makes_spans_inside_traces_only(
    stand_in: Instrumentor, pipeline: Spans
) -> None:
    with otel_agentprof.instrument(tracer_provider=pipeline.provider, include=["sqlite3"]):
        __import__("sqlite3")
        was_on, told = stand_in.is_instrumented_by_opentelemetry, _told()
        tracer = stand_in.given["tracer_provider"].get_tracer("theirs")
        with tracer.start_as_current_span("outside"):
            tracer.start_span("outside too").end()
        with otel_agentprof.step("step"):
            tracer.start_span("inside").end()
            with tracer.start_as_current_span("inside too"):
                pass

    assert (was_on, told[0]) == (True, "attached")
    assert not stand_in.is_instrumented_by_opentelemetry
    assert [span.name for span in pipeline.all()][:3] == ["inside", "inside too", "step"]


@pytest.mark.parametrize(
    ("error", "state", "detail"),
    [
        (DependencyConflictError("wants another version"), "unfit", "wants another version"),
        (ZeroDivisionError("oh"), "broken", "ZeroDivisionError: oh"),
    ],
)
def test_one_that_cannot_be_switched_on_says_why(
    error: Exception, state: str, detail: str, stand_in: Instrumentor
) -> None:
    stand_in.error = error

    with otel_agentprof.instrument(include=["sqlite3"]):
        __import__("sqlite3")
        told = _told()

    assert told == (state, detail)


def test_one_that_the_program_has_switched_on_is_left_to_it(stand_in: Instrumentor) -> None:
    stand_in.instrument()

    with otel_agentprof.instrument(include=["sqlite3"]):
        __import__("sqlite3")
        told = _told()

    assert told == ("unfit", "the program has switched it on itself")
    assert stand_in.is_instrumented_by_opentelemetry


def test_one_that_the_program_has_switched_off_stays_off(stand_in: Instrumentor) -> None:
    with otel_agentprof.instrument(include=["sqlite3"]):
        __import__("sqlite3")
        stand_in.uninstrument()

    assert not stand_in.is_instrumented_by_opentelemetry


@pytest.mark.parametrize("home", ["no_such_module", "stand_in:no_such_class"])
def test_one_that_is_not_installed_is_no_failure(
    home: str, stand_in: Instrumentor, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Contrib("json", "agentprof-has-no-such-thing", home)
    monkeypatch.setitem(contrib.TABLE, "sqlite3", row)

    with otel_agentprof.instrument(include=["sqlite3"]):
        __import__("sqlite3")
        state, detail = _told()

    assert state == "unfit"
    assert "is not installed" in detail
