"""A patched method looks, copies, pickles and refuses arguments as the function that it replaces."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import pickle
import typing
import warnings
import weakref
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from openai.resources.chat.completions import AsyncCompletions, Completions
from surfaces import SURFACES, Surface

import otel_agentprof

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Connect, Spans
    from loopback import Loopback

CHAT, MESSAGES = SURFACES[0], SURFACES[4]
LOOKS: dict[str, Callable[[Any], Any]] = {
    "signature": inspect.signature,
    "argspec": inspect.getfullargspec,
    "hints": typing.get_type_hints,
    "iscoroutinefunction": inspect.iscoroutinefunction,
    "ismethod": inspect.ismethod,
    "isfunction": inspect.isfunction,
    "isroutine": inspect.isroutine,
    "source": inspect.getsource,
    "file": inspect.getfile,
    "unwrapped": inspect.unwrap,
    "class": lambda method: method.__class__,
    "names": lambda method: (method.__name__, method.__qualname__, method.__module__, method.__doc__),
    "defaults": lambda method: method.__kwdefaults__,
    "dir": dir,
    "vars": vars,
    "repr": repr,
    "autospec": lambda method: inspect.signature(mock.create_autospec(method)),
    "self": lambda method: getattr(method, "__self__", None),
    "hash": hash,
}


def looks_of(method: Any) -> dict[str, Any]:
    return {name: look(method) for name, look in LOOKS.items()}


@pytest.mark.parametrize("surface", SURFACES, ids=str)
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_patched_method_looks_as_it_did(
    surface: Surface, pipeline: Spans, server: Loopback, *, is_async: bool
) -> None:
    client = surface.make(server.url, is_async=is_async)
    resource = surface.resource(client)
    before = [looks_of(resource.create), looks_of(type(resource).create)]

    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        is_patched = type(resource.create).__name__ == "_BoundMethod"
        during = [looks_of(resource.create), looks_of(type(resource).create)]

    assert is_patched
    assert during == before
    closing = client.close()
    if is_async:
        await closing


@pytest.mark.usefixtures("spans")
def test_a_patched_method_is_equal_to_itself(connect: Connect) -> None:
    completions = connect(CHAT).chat.completions

    assert completions.create == completions.create
    assert len({completions.create, completions.create}) == 1


@pytest.mark.usefixtures("spans")
def test_a_patched_function_is_pickled_and_copied_by_name() -> None:
    method: Any = Completions.create

    for same in (pickle.loads(pickle.dumps(method)), copy.copy(method), copy.deepcopy(method)):  # noqa: S301 - our own bytes
        assert same == method


class _Lockless(Completions):
    """A resource that can be copied and pickled; the real one holds a client with locks."""

    def __init__(self) -> None:
        self.name = "lockless"


@pytest.mark.usefixtures("spans")
def test_a_bound_method_is_pickled_and_copied_with_its_object() -> None:
    method: Any = _Lockless().create

    assert pickle.loads(pickle.dumps(method)).__self__.name == "lockless"  # noqa: S301 - our own bytes
    assert copy.deepcopy(method).__self__ is not method.__self__
    assert copy.copy(method).__self__ is method.__self__


def test_a_weak_method_lives_as_long_as_its_object_and_calls_what_is_there(
    pipeline: Spans, connect: Connect
) -> None:
    client = connect(CHAT)
    resource = client.chat.completions
    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        weak = weakref.WeakMethod(resource.create)
        during = weak()
        assert during is not None
        during(**CHAT.arguments)

    after = weak()
    assert during == after == resource.create
    assert after.__self__ is resource
    after(**CHAT.arguments)
    assert len(pipeline.all()) == 1  # the one of the time in which it was patched


@pytest.mark.usefixtures("spans")
def test_the_function_of_a_bound_method_is_equal_to_the_one_in_the_class(connect: Connect) -> None:
    create = connect(CHAT).chat.completions.create

    assert create.__func__ is create.__func__
    assert create.__func__ == Completions.create
    assert create.__func__.__qualname__ == "Completions.create"


@pytest.mark.usefixtures("spans")
def test_a_weak_method_of_a_parent_class_stays_that_one() -> None:
    class Loud(_Lockless):
        def create(self, **_: Any) -> Any:
            return "loud"

    loud = Loud()
    parents = super(Loud, loud).create

    weak: Any = weakref.WeakMethod(parents)

    assert weak() == parents
    assert weak() != loud.create


async def test_arguments_that_do_not_fit_are_refused_at_once(server: Loopback, spans: Spans) -> None:
    async with CHAT.make(server.url, is_async=True) as client:
        for create in (client.chat.completions.create, client.embeddings.create):
            with pytest.raises(TypeError):
                create(model="x", no_such_argument=1)  # not awaited: bare methods refuse here too

    assert [dict(span.attributes or {})["error.type"] for span in spans.all()] == ["TypeError"] * 2


@pytest.mark.parametrize("surface", [CHAT, SURFACES[3], MESSAGES], ids=str)
async def test_a_coroutine_that_is_never_awaited_warns_once_under_its_own_name(
    surface: Surface, server: Loopback, spans: Spans
) -> None:
    async with surface.make(server.url, is_async=True) as client:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            surface.resource(client).create(**surface.arguments)
            gc.collect()

    name = type(surface.resource(client)).__name__
    assert [str(w.message) for w in caught] == [f"coroutine '{name}.create' was never awaited"]
    assert spans.all() == ()
    assert not server.requests


async def test_a_coroutine_that_is_closed_unawaited_is_silent(server: Loopback, spans: Spans) -> None:
    async with CHAT.make(server.url, is_async=True) as client:
        client.chat.completions.create(**CHAT.arguments).close()
        gc.collect()

    assert spans.all() == ()


async def test_what_an_async_method_gives_is_a_coroutine(server: Loopback, spans: Spans) -> None:
    async with CHAT.make(server.url, is_async=True) as client:
        given = client.chat.completions.create(**CHAT.arguments)

        assert inspect.iscoroutine(given)
        assert asyncio.iscoroutine(given)
        await asyncio.create_task(given)

    assert spans.facts()["gen_ai.usage.input_tokens"] == 1200


@pytest.mark.usefixtures("spans")
def test_a_mock_in_the_place_of_a_method_works(connect: Connect) -> None:
    client = connect(CHAT)

    with mock.patch.object(client.chat.completions, "create", autospec=True, return_value="mocked") as create:
        assert client.chat.completions.create(**CHAT.arguments) == "mocked"

    create.assert_called_once()


def test_a_method_that_a_test_has_mocked_is_left_alone(pipeline: Spans) -> None:
    with mock.patch.object(Completions, "create") as mocked:  # noqa: SIM117 - in this order
        with otel_agentprof.instrument(tracer_provider=pipeline.provider):
            assert vars(Completions)["create"] is mocked


def test_a_users_subclass_is_covered_once(pipeline: Spans, server: Loopback, connect: Connect) -> None:
    class Verbose(Completions):
        def create(self, **arguments: Any) -> Any:
            return super().create(**arguments)

    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        Verbose(connect(CHAT)).create(**CHAT.arguments)

    assert len(pipeline.all()) == 1
    assert len(server.requests) == 1


def test_a_call_through_the_class_is_a_span(spans: Spans, connect: Connect) -> None:
    Completions.create(connect(CHAT).chat.completions, **CHAT.arguments)

    assert spans.facts()["gen_ai.usage.input_tokens"] == 1200


async def test_a_pending_async_call_survives_uninstrument(pipeline: Spans, server: Loopback) -> None:
    async with CHAT.make(server.url, is_async=True) as client:
        with otel_agentprof.instrument(tracer_provider=pipeline.provider):
            pending = client.chat.completions.create(**CHAT.arguments)
            taken = AsyncCompletions.create
        answer = await pending
        bare = taken(client.chat.completions, **CHAT.arguments)

        assert (await bare).id == answer.id

    assert len(pipeline.all()) == 1
