"""Tools whose results are kept: equal calls run once, each call has its span."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from recording import Recorder, attributes_of, recording

from otel_agentprof import PromptCache, instrument
from otel_agentprof.instrumentation.tools import agent, tool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording() as made:
        yield made


def hits_of(recorder: Recorder) -> list[Any]:
    return [attributes_of(span).get("agentprof.cache.hit") for span in recorder.spans]


def test_an_equal_call_runs_once_and_has_two_spans(recorder: Recorder) -> None:
    runs, cache = [], PromptCache()

    @tool("search", call_id_from="call_id", cache=cache)
    def search(query: str, limit: int = 3, *, call_id: str | None = None) -> list[str]:
        """Search."""
        runs.append(query)
        return [query] * limit

    first = search("a", call_id="1")
    second = search(query="a", limit=3, call_id="2")
    search("a", limit=4)
    first.append("spoiled")

    assert second == ["a", "a", "a"]
    assert search("a") == second
    assert runs == ["a", "a"]
    assert hits_of(recorder) == [False, True, False, True]
    assert attributes_of(recorder.spans[1])["agentprof.cache.saved_ns"] >= 0
    assert attributes_of(recorder.spans[1])["gen_ai.tool.call.id"] == "2"
    assert (cache.hits, cache.misses) == (2, 2)
    assert search.__doc__ == "Search."
    assert list(inspect.signature(search).parameters) == ["query", "limit", "call_id"]


async def test_a_coroutine_function_runs_once_also_at_the_same_time(recorder: Recorder) -> None:
    runs = []

    @tool(cache=PromptCache())
    async def look_up(word: str) -> dict[str, str]:
        runs.append(word)
        await asyncio.sleep(0)
        return {word: word.upper()}

    answers = await asyncio.gather(*(look_up("a") for _ in range(4)))

    assert inspect.iscoroutinefunction(look_up)
    assert answers == [{"a": "A"}] * 4
    assert runs == ["a"]
    assert sorted(hits_of(recorder)) == [False, True, True, True]


async def test_what_fails_is_not_kept(recorder: Recorder) -> None:
    cache, runs = PromptCache(), []

    @tool(cache=cache)
    def fail(number: int) -> None:
        runs.append(number)
        raise ValueError(number)

    @tool(cache=cache)
    async def fail_later(number: int) -> None:
        fail(number)

    for _ in range(2):
        with pytest.raises(ValueError, match="1"):
            fail(1)
        with pytest.raises(ValueError, match="2"):
            await fail_later(2)

    assert runs == [1, 2, 1, 2]
    assert cache.hits == 0


def test_objects_of_your_own_are_copied_in_memory(recorder: Recorder) -> None:
    @tool(cache=PromptCache())
    def words(_text: str) -> set[str]:
        return {"a", "b"}

    first = words("a b")
    first.clear()

    assert words("a b") == {"a", "b"}


def test_what_cannot_be_copied_or_told_by_its_value_runs_each_time(recorder: Recorder) -> None:
    cache, runs = PromptCache(), []

    @tool(cache=cache)
    def lock(number: int) -> Any:
        runs.append(number)
        return threading.Lock()

    @tool(cache=cache)
    def use(_lock: Any) -> None:
        runs.append(0)

    one = lock(1)
    assert lock(1) is not one
    use(one)
    use(one)

    assert runs == [1, 1, 0, 0]
    assert cache.skipped == {"not_by_value": 4}


class Shop:
    """Sells one thing."""

    __slots__ = ("__weakref__", "thing")

    def __init__(self, thing: str) -> None:
        self.thing = thing

    @tool(cache=PromptCache())
    def price(self, count: int) -> str:
        return f"{count} {self.thing}"


class Slotted(Shop):
    """Cannot be watched to its end."""


def test_methods_of_two_objects_are_two_tools(recorder: Recorder) -> None:
    apples, pears = Shop("apples"), Shop("pears")

    assert [apples.price(1), pears.price(1), apples.price(1)] == ["1 apples", "1 pears", "1 apples"]
    assert hits_of(recorder) == [False, False, True]


def test_a_method_of_what_cannot_be_watched_runs_each_time(recorder: Recorder) -> None:
    cache = PromptCache()

    class Point:
        __slots__ = ()

        @tool(cache=cache)
        def x(self) -> int:
            return 1

    assert [Point().x(), Point().x()] == [1, 1]
    assert cache.skipped == {"not_by_value": 2}


def test_two_closures_and_two_partials_are_two_tools(recorder: Recorder) -> None:
    cache = PromptCache()

    def adding(number: int) -> Any:
        @tool(cache=cache)
        def add(other: int) -> int:
            return number + other

        return add

    one, two = adding(1), adding(2)
    three, four = (tool(cache=cache)(functools.partial(pow, number)) for number in (3, 4))

    assert [one(1), two(1), one(1)] == [2, 3, 2]
    assert [three(2), four(2), three(2)] == [9, 16, 9]
    assert cache.hits == 2


def doubled(number: int) -> int:
    return 2 * number


def test_a_function_with_a_name_of_its_own_may_be_kept_by_others_too(recorder: Recorder) -> None:
    shelf: dict[str, Any] = {}

    class Kept:
        get, set = staticmethod(shelf.get), staticmethod(shelf.__setitem__)
        delete = staticmethod(shelf.__delitem__)

    double = tool(cache=PromptCache(backend=Kept()))(doubled)
    plain = tool(cache=False)(doubled)

    assert [double(2), double(2), plain(2)] == [4, 4, 4]
    assert hits_of(recorder) == [False, True, None]
    assert len(shelf) == 1


def test_true_is_the_cache_that_is_in_front_of_the_clients(recorder: Recorder) -> None:
    runs = []

    @tool(cache=True)
    def look_up(word: str) -> str:
        runs.append(word)
        return word.upper()

    look_up("a")
    look_up("a")
    with PromptCache().enabled() as cache:
        look_up("a")
        look_up("a")
    with instrument(cache=PromptCache()):
        look_up("a")
        look_up("a")

    assert runs == ["a"] * 4
    assert cache.hits == 1


def test_a_tool_that_calls_itself_with_the_same_arguments_does_not_wait_for_itself(
    recorder: Recorder,
) -> None:
    depth = []

    @tool(cache=PromptCache())
    def count(word: str) -> int:
        depth.append(word)
        return len(depth) if len(depth) > 2 else count(word)

    @tool(cache=PromptCache())
    async def count_later(word: str) -> int:
        depth.append(word)
        return len(depth) if len(depth) > 5 else await count_later(word)

    assert count("a") == 3
    assert asyncio.run(count_later("a")) == 6


def test_generators_are_refused() -> None:
    with pytest.raises(TypeError, match="pages is a generator"):

        @tool(cache=PromptCache())
        def pages() -> Iterator[int]:
            yield 1

    with pytest.raises(TypeError, match="more is a generator"):

        @tool(cache=PromptCache())
        async def more() -> AsyncIterator[int]:
            yield 1


def test_nothing_is_written_on_the_callers_span_where_tools_have_none(recorder: Recorder) -> None:
    @tool(cache=PromptCache())
    def look_up(word: str) -> str:
        return word.upper()

    with agent("planner"), suppress_instrumentation():
        assert [look_up("a"), look_up("a")] == ["A", "A"]

    assert hits_of(recorder) == [None]


def test_a_cache_that_fails_lets_tools_run(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        caches_sampled = False

        def lookup(self, *_: object, **__: object) -> Any:
            raise OSError("no cache today")

        def skip(self, _: object) -> None: ...

    @tool(cache=Broken())
    def look_up(word: str) -> str:
        return word.upper()

    assert look_up("a") == "A"
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert context_api.get_current() == {}
