"""Where a method is: in a class, in a module, in what a decorator keeps."""

from __future__ import annotations

import functools
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from recording import Recorder, attributes_of

from otel_agentprof.instrumentation.engine import Engine
from otel_agentprof.instrumentation.libraries import Library
from otel_agentprof.instrumentation.place import place_of
from otel_agentprof.instrumentation.registry import Registry
from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = dict[str, str]


def decorated(function: Callable[[], Answer]) -> Callable[[], Answer]:
    @functools.wraps(function)
    def around() -> Answer:
        return function()

    return around


@decorated
def ask() -> Answer:
    return {"id": "Paris"}


class Client:
    limit: int | None = None

    def ask(self) -> Answer:
        return ask()


HERE: Any = sys.modules[__name__]


@pytest.mark.parametrize("path", ["Client.ask", "ask", "ask.<function>"])
def test_what_is_put_somewhere_is_there(path: str) -> None:
    place = place_of(HERE, path)
    assert place is not None
    before = place.content

    place.put(len)
    found = place_of(HERE, path)
    there = None if found is None else found.content
    place.put(before)

    assert there is len
    assert place.content is before


@pytest.mark.parametrize(
    "path", ["Nobody.ask", "Client.nothing", "Client.limit", "nothing", "ask.<nothing>", "Client.<function>"]
)
def test_a_path_that_leads_nowhere_has_no_place(path: str) -> None:
    assert place_of(HERE, path) is None


def test_who_took_a_decorated_function_before_us_is_seen_until_we_leave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read(reply: Any, answer: Answer) -> None:
        reply.id = answer["id"]

    spec = CallSpec(
        targets=(f"{__name__}:Client.ask",),
        beneath=(f"{__name__}:ask.<function>",),
        operation="chat",
        role="llm",
        read=read,
        client_of=lambda _: None,
    )
    provider = ProviderSpec("fancy", "fancy", "pytest", (spec,), url_of=lambda _: None)
    monkeypatch.setattr(Library, "load", lambda _: provider)
    registry, recorder, taken = Registry(), Recorder(), ask
    place = place_of(HERE, "ask.<function>")
    assert place is not None
    before = place.content

    registry.patch(Engine(recorder.provider, version="1"), [Library("fancy", "provider", __name__)])
    answers = [taken(), Client().ask()]
    registry.unpatch()
    answers.append(taken())

    assert answers == [{"id": "Paris"}] * 3
    ids = [attributes_of(span)["gen_ai.response.id"] for span in recorder.spans]
    assert ids == ["Paris", "Paris"], "a span for each call, though the second one comes by both places"
    assert place.content is before


def test_a_module_has_places_too() -> None:
    module = ModuleType("empty")

    assert place_of(module, "anything") is None
