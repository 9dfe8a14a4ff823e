"""What a cache in front of a call adds, in function calls, and how long the key of a large request takes."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING, Any

import openai
import pytest
from call_counting import calls_of
from http_library import OPENAI_HTTP
from loopback import WIRE
from opentelemetry.sdk.trace import TracerProvider

import otel_agentprof
from otel_agentprof import PromptCache, pricing
from otel_agentprof.optimize.request_key import request_key

if TYPE_CHECKING:
    from collections.abc import Callable

LARGE = [{"role": role, "content": "x" * 2_000} for _ in range(25) for role in ("user", "assistant")]
_NUMBERS = itertools.count()


def _transport() -> Any:
    """Return a network that takes a millisecond: another thread makes the fingerprint meanwhile, as ever."""
    answer = (WIRE / "openai_chat.json").read_bytes()
    headers = {"content-type": "application/json"}

    def respond(_: Any) -> Any:
        time.sleep(0.001)
        return OPENAI_HTTP.Response(200, content=answer, headers=headers)

    return OPENAI_HTTP.MockTransport(respond)


def _small() -> dict[str, Any]:
    """Return a small request that nobody has made."""
    messages = [{"role": "user", "content": f"Capital of country {next(_NUMBERS)}?"}]
    return {"model": "gpt-5-mini", "temperature": 0, "max_tokens": 50, "messages": messages}


def _counted(action: Callable[[], object], cache: PromptCache | None) -> int:
    """Return the calls of an instrumented request; a few of them come and go with the clock.

    The least of some: on a busy machine the other thread may be late, and the fingerprint made on the spot.
    """
    provider = TracerProvider(shutdown_on_exit=False)
    with otel_agentprof.instrument(tracer_provider=provider, cache=cache):
        assert pricing.wait()
        counted = min(calls_of(action).total for _ in range(12))
    provider.shutdown()
    return counted


def test_a_miss_adds_at_most_80() -> None:
    with openai.OpenAI(api_key="none", http_client=OPENAI_HTTP.Client(transport=_transport())) as client:

        def call() -> None:
            client.chat.completions.create(**_small())

        cache = PromptCache(max_size=4)  # full: an answer has to go for each one that comes
        added = _counted(call, cache) - _counted(call, None)

    assert cache.hits == 0
    assert 0 < added <= 80


def test_an_async_miss_adds_at_most_80() -> None:
    loop = asyncio.new_event_loop()
    client = openai.AsyncOpenAI(api_key="none", http_client=OPENAI_HTTP.AsyncClient(transport=_transport()))

    def call() -> None:
        loop.run_until_complete(client.chat.completions.create(**_small()))

    added = _counted(call, PromptCache()) - _counted(call, None)
    loop.run_until_complete(client.close())
    loop.close()

    assert 0 < added <= 80


@pytest.mark.parametrize("messages", [LARGE, [{"role": "user", "content": "Schöne Grüße! " * 7_150}]])
def test_the_key_of_100_kb_takes_at_most_1_ms(messages: Any) -> None:
    def took() -> float:
        start = time.thread_time()
        assert request_key(("openai", "chat"), {"model": "m", "messages": messages})
        return time.thread_time() - start

    assert min(took() for _ in range(50)) <= 0.001
