"""Back ends that others share: a real Redis server, and anything with get, set and delete."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
import redis
from openai.types import CreateEmbeddingResponse
from redis_process import running

from otel_agentprof import AgentProfError, PromptCache
from otel_agentprof.optimize.envelope import seal
from otel_agentprof.optimize.guarded import Guarded

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path


class Shelf(dict[str, Any]):
    """The smallest back end; it notes who asks for what."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Any, ...]] = []
        self.error: Exception | None = None

    def get(self, key: str, /) -> Any:  # type: ignore[override]  # one way to call it
        return self._do("get", key)

    def set(self, key: str, data: bytes, /, *seconds: int) -> None:
        self._do("set", key, *seconds)
        self[key] = data

    def delete(self, key: str, /) -> None:
        self._do("delete", key)
        del self[key]

    def _do(self, *what: Any) -> Any:
        self.asked.append(what)
        if self.error is not None:
            raise self.error
        return super().get(what[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with running(tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture
def url(server: tuple[str, subprocess.Popen[bytes]]) -> str:
    with redis.Redis.from_url(server[0]) as client:
        client.flushall()
    return server[0]


def connection(cache: PromptCache) -> Any:
    return cache._shelf._store._backend  # type: ignore[union-attr]  # of a cache with one


def test_two_caches_on_one_server_share_answers(url: str) -> None:
    one, other = PromptCache(backend=url), PromptCache(backend=url)

    one.set("a", "m", {"text": "A"})

    assert other.get("a", "m") == {"text": "A"}
    assert other.get("b", "m") is None
    connection(one).close()
    connection(other).close()


@pytest.mark.parametrize("decodes", [False, True])
def test_a_client_of_redis_is_a_back_end_as_it_is(url: str, decodes: bool) -> None:  # noqa: FBT001 - a parameter
    with redis.Redis.from_url(url, decode_responses=decodes) as client:
        cache = PromptCache(backend=client, ttl_s=600.5)
        cache.set("a", "m", {"text": "é"})

        assert cache.get("a", "m") == {"text": "é"}
        (key,) = client.keys("agentprof:*")
        assert 0 < client.ttl(key) <= 601


def test_a_broken_entry_on_the_server_is_a_miss_and_goes(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        cache = PromptCache(backend=client)
        cache.set("a", "m", "A")
        (key,) = client.keys("*")
        client.append(key, "!")

        assert cache.get("a", "m") is None
        assert client.keys("*") == []


def test_a_slow_server_is_not_waited_for(
    url: str, server: tuple[str, subprocess.Popen[bytes]], caplog: pytest.LogCaptureFixture
) -> None:
    cache = PromptCache(backend=url)
    cache.set("a", "m", "A")

    server[1].send_signal(signal.SIGSTOP)
    try:
        assert cache.get("a", "m") is None
        cache.set("a", "m", "B")
        assert cache.get("a", "m") is None
    finally:
        server[1].send_signal(signal.SIGCONT)

    (warning,) = caplog.records
    assert "TimeoutError" in warning.getMessage()
    connection(cache).close()


def test_a_server_that_is_down_lets_calls_through(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = PromptCache(backend=f"unix://{tmp_path}/nobody.sock")

    for _ in range(3):
        cache.set("a", "m", "A")
        assert cache.get("a", "m") is None

    (warning,) = caplog.records
    assert "calls go through" in warning.getMessage()
    assert cache.misses == 3


def test_without_the_package_redis_is_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)

    with pytest.raises(AgentProfError, match=r"otel-agentprof\[redis\]"):
        PromptCache(backend="redis://localhost")


async def test_an_event_loop_goes_on_while_a_back_end_is_asked() -> None:
    """The back end answers only once the loop has done something else."""
    going = threading.Event()

    class Waiting(Shelf):
        def _do(self, *what: Any) -> Any:
            assert going.wait(20)
            return super()._do(*what)

    cache = PromptCache(backend=Waiting())
    first, second = (cache.lookup((), {"a": 1}) for _ in range(2))
    assert first is not None
    assert second is not None
    asyncio.get_running_loop().call_soon(going.set)
    assert await first.afind() is None
    going.clear()
    asyncio.get_running_loop().call_soon(going.set)
    await first.akeep("A", 5)

    assert await second.afind() == ("A", 5)


async def test_who_is_cancelled_while_a_back_end_is_asked_lets_others_lead() -> None:
    going = threading.Event()
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Waiting(Shelf):
        def _do(self, *what: Any) -> Any:
            loop.call_soon_threadsafe(asked.set)
            assert going.wait(20)
            return super()._do(*what)

    cache = PromptCache(backend=Waiting())
    first, second = (cache.lookup((), {"a": 1}) for _ in range(2))
    assert first is not None
    assert second is not None
    task = asyncio.create_task(first.afind())
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    going.set()

    assert await second.afind() is None
    second.drop()
    assert cache._flights._leaders == {}


def test_a_back_end_that_fails_rests_and_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    now, shelf = 0.0, Shelf()
    guarded = Guarded(shelf, ttl_s=None, clock=lambda: now)
    guarded.set("a", b"A")
    shelf.error = OSError("down")

    assert guarded.get("a") is None
    assert guarded.get("a") is None
    assert len(shelf.asked) == 2
    shelf.error = None
    guarded.delete("b")
    now = 5.0
    assert guarded.get("a") == b"A"

    assert guarded.failures == 2
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_what_holds_for_a_time_goes_by_the_time_of_day() -> None:
    now, shelf = 1000.0, Shelf()
    guarded = Guarded(shelf, ttl_s=9.5, time_of_day=lambda: now)
    guarded.set("a", b"A")

    assert shelf.asked == [("set", "agentprof:a", 10)]
    now = 1009.0
    assert guarded.get("a") == b"A"
    now = 100.0  # set back by far
    assert guarded.get("a") is None
    assert shelf == {}


def test_what_a_back_end_gives_is_not_trusted() -> None:
    shelf = Shelf()
    cache = PromptCache(backend=shelf)
    cache.set("a", "m", "A")
    (key,) = shelf

    whole = shelf[key]
    for broken in (b"", b"no entry", 7, "text", whole[:-1]):
        shelf[key] = broken
        assert cache.get("a", "m") is None
        assert key not in shelf
    assert (cache.misses, cache.skipped) == (5, {"unreadable": 5})
    cache.set("a", "m", "A")
    shelf[key] = memoryview(shelf[key])
    assert cache.get("a", "m") == "A"


def test_an_entry_of_a_type_that_is_gone_is_a_miss_and_goes() -> None:
    shelf = Shelf()
    cache = PromptCache(backend=shelf)
    cache.set("a", "m", "A")
    (key,) = shelf
    shelf[key] = seal(b'{"ns":null,"of":["openai.types.gone:Gone"]}\n0 {}', now=0.0, ttl_s=None)

    assert cache.get("a", "m") is None
    assert shelf == {}
    assert (cache.misses, cache.skipped) == (1, {"unreadable": 1})


def test_what_only_this_process_knows_goes_to_no_other_place() -> None:
    shelf = Shelf()
    cache = PromptCache(backend=shelf)

    cache.set("a", "m", {1, 2})
    cache.set("a", "m", "A", response_format=CreateEmbeddingResponse)
    assert cache.lookup((), {"type": CreateEmbeddingResponse}) is None

    assert shelf == {}
    assert cache.skipped == {"not_by_value": 3}


class Plain:
    """A back end whose set takes a key and bytes, and nothing else."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        return self.held.get(key)

    def set(self, key: str, data: bytes) -> None:
        self.held[key] = data

    def delete(self, key: str) -> None:
        del self.held[key]


def test_a_back_end_that_takes_no_time_keeps_entries_that_end_all_the_same() -> None:
    now, plain = 1000.0, Plain()
    guarded = Guarded(plain, ttl_s=9.5, time_of_day=lambda: now)

    guarded.set("a", b"A")
    first = guarded.get("a")
    now = 1010.0

    assert first == b"A"
    assert guarded.get("a") is None
    assert (plain.held, guarded.failures) == ({}, 0)
