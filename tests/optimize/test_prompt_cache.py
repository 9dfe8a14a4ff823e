"""The cache by hand: least recently used, within a number, a size and an age."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from opentelemetry import context as context_api

from otel_agentprof import AgentProfError, PromptCache
from otel_agentprof.model.caching import CONTEXT_KEY
from otel_agentprof.optimize.memory import Memory


def prompt(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_the_chapters_calls() -> None:
    cache = PromptCache(max_size=2)

    assert cache.hit_rate == 0.0
    assert cache.get(prompt("a"), "gpt-4o") is None
    cache.set(prompt("a"), "gpt-4o", "A")
    assert cache.get(prompt("a"), "gpt-4o") == "A"
    assert cache.get(prompt("a"), "gpt-4o-mini") is None
    assert cache.get(prompt("b"), "gpt-4o") is None
    assert (cache.hits, cache.misses, cache.hit_rate) == (1, 3, 0.25)


def test_a_hit_refreshes() -> None:
    cache = PromptCache(max_size=2)
    cache.set(prompt("a"), "m", "A")
    cache.set(prompt("b"), "m", "B")

    cache.get(prompt("a"), "m")
    cache.set(prompt("c"), "m", "C")

    assert [cache.get(prompt(word), "m") for word in "abc"] == ["A", None, "C"]


def test_writing_the_same_again_lets_no_other_go() -> None:
    cache = PromptCache(max_size=2)
    cache.set(prompt("a"), "m", "A")
    cache.set(prompt("b"), "m", "B")

    cache.set(prompt("b"), "m", "B2")

    assert [cache.get(prompt(word), "m") for word in "ab"] == ["A", "B2"]


def test_more_that_changes_the_answer_is_part_of_the_key() -> None:
    cache = PromptCache()
    cache.set(prompt("a"), "m", "with tools", tools=[{"name": "search"}])

    assert cache.get(prompt("a"), "m") is None
    assert cache.get(prompt("a"), "m", tools=[{"name": "search"}]) == "with tools"


@pytest.mark.parametrize(
    "answer", ["text", {"a": [1, 2.5, None, True]}, ("a", 1), {1: "one"}, {"a"}, b"x", None]
)
def test_an_answer_comes_back_as_it_was(answer: Any) -> None:
    cache = PromptCache()
    cache.set(prompt("a"), "m", answer)

    found = cache.get(prompt("a"), "m")

    assert found == answer
    assert type(found) is type(answer)


def test_everybody_gets_a_copy() -> None:
    cache, answer = PromptCache(), {"texts": ["A"]}
    cache.set(prompt("a"), "m", answer)

    answer["texts"].append("spoiled")
    cache.get(prompt("a"), "m")["texts"].append("spoiled")

    assert cache.get(prompt("a"), "m") == {"texts": ["A"]}


def test_what_cannot_be_told_by_its_value_is_counted_and_not_kept() -> None:
    cache = PromptCache()

    cache.set(prompt("a"), "m", threading.Lock())
    cache.set([object()], "m", "A")

    assert cache.get(prompt("a"), "m") is None
    assert cache.get([object()], "m") is None
    assert cache.skipped == {"not_by_value": 3}


def test_many_small_or_one_large_go_by_their_size() -> None:
    memory = Memory(max_size=10, max_bytes=1000, ttl_s=None)

    memory.set("a", b"x" * 300)
    memory.set("b", b"x" * 300)
    memory.set("c", b"x" * 300)
    assert (memory.get("a"), len(memory)) == (None, 2)
    memory.set("c", b"x" * 10)
    assert memory.size_bytes == 500 + 210
    memory.set("b", b"x" * 5000)

    assert memory.get("b") is None
    assert memory.get("c") is not None
    assert memory.size_bytes == 210


def test_an_answer_holds_for_its_time_whatever_the_time_of_day() -> None:
    now = 100.0
    memory = Memory(max_size=10, max_bytes=None, ttl_s=5, clock=lambda: now)
    memory.set("a", b"A")

    now = 104.9
    assert memory.get("a") == b"A"
    now = 105.0
    assert memory.get("a") is None
    assert len(memory) == 0


@pytest.mark.parametrize("limits", [{"max_size": 0}, {"max_bytes": 0}, {"ttl_s": 0}])
def test_limits_that_keep_nothing_are_refused(limits: Any) -> None:
    with pytest.raises(AgentProfError, match="1 or more"):
        PromptCache(**limits)


@pytest.mark.parametrize("backend", ["memcached://x", "sqlite:", "nonsense"])
def test_a_name_that_no_back_end_has_is_refused(backend: str) -> None:
    with pytest.raises(AgentProfError, match="no back end is called"):
        PromptCache(backend=backend)


def test_an_object_that_is_no_back_end_is_refused() -> None:
    with pytest.raises(AgentProfError, match="get, set and delete"):
        PromptCache(backend=json)  # type: ignore[arg-type]  # that is the point


async def test_enabled_goes_as_contexts_go() -> None:
    async def current() -> object:
        return context_api.get_value(CONTEXT_KEY)

    with PromptCache().enabled() as cache:
        assert await asyncio.create_task(current()) is cache
        assert await asyncio.to_thread(context_api.get_value, CONTEXT_KEY) is cache
    assert await current() is None
