"""Equal requests at the same time: one makes the call, and whatever becomes of it, the others get on."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from otel_agentprof import PromptCache
from otel_agentprof.optimize import lookup as module

if TYPE_CHECKING:
    from otel_agentprof.optimize.lookup import CacheLookup


def lookup(cache: PromptCache, question: object = 1) -> CacheLookup:
    made = cache.lookup(("test",), {"question": question})
    assert made is not None
    return made


def waiters(cache: PromptCache, count: int) -> tuple[ThreadPoolExecutor, list[Any]]:
    """Return threads that ask the same, once all of them are about to."""
    pool, begun = ThreadPoolExecutor(count), threading.Semaphore(0)

    def ask() -> Any:
        mine = lookup(cache)
        begun.release()
        found = mine.find()
        if found is None:
            mine.keep("made", 1)
        return None if found is None else found.value

    answers = [pool.submit(ask) for _ in range(count)]
    for _ in range(count):
        begun.acquire()
    return pool, answers


def test_waiters_get_the_leaders_answer_each_a_copy() -> None:
    cache = PromptCache()
    leader = lookup(cache)
    assert leader.find() is None

    pool, asked = waiters(cache, 4)
    leader.keep(["A"], 5)
    answers = [each.result(20) for each in asked]
    pool.shutdown()

    assert answers == [["A"]] * 4
    assert len({id(answer) for answer in answers}) == 4
    assert (cache.hits, cache.misses) == (4, 1)
    assert cache._flights._leaders == {}


def test_when_the_leader_fails_one_waiter_makes_the_call() -> None:
    cache = PromptCache()
    leader = lookup(cache)
    leader.find()

    pool, asked = waiters(cache, 4)
    leader.drop()
    answers = [each.result(20) for each in asked]
    pool.shutdown()

    assert sorted(answers, key=str) == [None, "made", "made", "made"]
    assert cache._flights._leaders == {}


def test_when_the_answer_cannot_be_kept_all_make_their_own_calls_at_once() -> None:
    cache = PromptCache()
    leader = lookup(cache)
    leader.find()

    pool, asked = waiters(cache, 3)
    leader.keep(threading.Lock(), 5)
    answers = [each.result(20) for each in asked]
    pool.shutdown()

    assert None in answers
    assert cache.skipped == {"not_by_value": 1}


class CopiedOnce:
    """Can be copied, its copy cannot."""

    def __init__(self, *, is_copy: bool = False) -> None:
        self.is_copy = is_copy

    def __deepcopy__(self, _memo: object) -> CopiedOnce:
        if self.is_copy:
            raise TypeError
        return CopiedOnce(is_copy=True)


async def test_when_the_answer_cannot_be_copied_again_waiters_make_the_call() -> None:
    cache = PromptCache()
    leader = lookup(cache)
    await leader.afind()
    waiter = asyncio.create_task(lookup(cache).afind())
    await asyncio.sleep(0)

    await leader.akeep(CopiedOnce(), 1)

    assert await waiter is None
    assert cache.misses == 2
    assert cache.skipped == {"unreadable": 1}


def test_who_has_waited_long_enough_makes_the_call() -> None:
    cache = PromptCache(wait_s=0.01)
    leader = lookup(cache)
    leader.find()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lookup(cache).find).result(20) is None
        assert pool.submit(asyncio.run, lookup(cache).afind()).result(20) is None

    leader.keep("late", 1)
    assert cache.misses == 3


def test_a_thread_does_not_wait_for_itself() -> None:
    cache = PromptCache()
    lookup(cache).find()

    assert lookup(cache).find() is None


async def test_a_task_does_not_wait_for_itself_nor_a_loop_for_one_of_its_tasks() -> None:
    cache = PromptCache()
    leader = lookup(cache)
    assert await leader.afind() is None

    assert await lookup(cache).afind() is None
    assert lookup(cache).find() is None
    waiter = asyncio.create_task(lookup(cache).afind())
    await asyncio.sleep(0)
    await leader.akeep("A", 1)

    assert await waiter == ("A", 1)


async def test_cancelled_waiters_leave_the_others_alone() -> None:
    cache = PromptCache()
    leader = lookup(cache)
    await leader.afind()
    first, second = (asyncio.create_task(lookup(cache).afind()) for _ in range(2))
    await asyncio.sleep(0)

    first.cancel()
    await asyncio.sleep(0)
    await leader.akeep("A", 1)

    assert await second == ("A", 1)
    assert first.cancelled()


async def test_threads_and_tasks_wait_for_each_other() -> None:
    cache = PromptCache()
    leader = lookup(cache)
    await leader.afind()
    begun = threading.Event()

    def ask() -> Any:
        begun.set()
        return lookup(cache).find()

    thread = asyncio.create_task(asyncio.to_thread(ask))
    await asyncio.to_thread(begun.wait, 20)
    await leader.akeep("A", 1)

    assert await thread == ("A", 1)


async def test_a_loop_that_is_gone_is_no_obstacle() -> None:
    cache = PromptCache()
    leader = lookup(cache)
    leader.find()

    def ask_and_go() -> None:
        async def ask() -> None:
            waiter = asyncio.ensure_future(lookup(cache).afind())
            await asyncio.sleep(0)
            waiter.cancel()

        asyncio.run(ask())

    await asyncio.to_thread(ask_and_go)
    leader.keep("A", 1)

    found = lookup(cache).find()
    assert found is not None
    assert found.value == "A"


def test_a_stream_that_stands_still_is_not_waited_for() -> None:
    cache = PromptCache(wait_s=0.01)
    leader = lookup(cache)
    leader.find()
    leader.begin()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lookup(cache).find).result(20) is None


async def test_a_stream_that_goes_on_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Semaphore(0)

    class Standing:
        """A clock on which the last item is always a moment ago."""

        @staticmethod
        def monotonic() -> float:
            asked.release()
            return 0.0

    monkeypatch.setattr(module, "time", Standing)
    cache = PromptCache(wait_s=0.01)
    leader = lookup(cache)
    await leader.afind()
    leader.begin()

    waiters = [
        asyncio.create_task(asyncio.to_thread(lookup(cache).find)),
        asyncio.create_task(lookup(cache).afind()),
    ]
    for _ in range(10):
        await asyncio.to_thread(asked.acquire, timeout=20)
    leader.add("item")
    leader.finish(7)

    assert await asyncio.gather(*waiters) == [(("item",), 7)] * 2


def test_an_item_that_cannot_be_kept_lets_everybody_go() -> None:
    cache = PromptCache()
    leader = lookup(cache)
    leader.find()
    leader.begin()

    leader.add({1})
    leader.add("more")
    leader.finish(7)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lookup(cache).find).result(20) is None
    assert cache.skipped == {"not_by_value": 1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_does_not_wait_for_calls_of_its_parent() -> None:
    cache = PromptCache()
    cache.set("a", "m", "A")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lookup(cache).find).result(20)

        if (pid := os.fork()) == 0:
            ends_well = cache.get("a", "m") == "A" and lookup(cache).find() is None
            os._exit(0 if ends_well else 1)

        _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0
