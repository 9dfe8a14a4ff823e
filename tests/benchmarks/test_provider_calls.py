"""What instrumentation adds to a call of each client, in function calls: a gate for every provider."""

from __future__ import annotations

import asyncio
import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from call_counting import calls_of
from loopback import serve
from opentelemetry.sdk.trace import TracerProvider
from providers.case import Case, all_cases
from providers.outcome import awaited, closed

import otel_agentprof
from otel_agentprof import pricing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loopback import Answer, Loopback
    from providers.case import Kind

CASES = all_cases()


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with serve() as server:
        yield server


@contextmanager
def _instrumented() -> Iterator[None]:
    provider = TracerProvider(shutdown_on_exit=False)
    with otel_agentprof.instrument(tracer_provider=provider):
        assert pricing.wait()
        yield
    provider.shutdown()


def _added(case: Case, kind: Kind, server: Loopback, action: Callable[[Any], Any], answer: Answer) -> int:
    """Return what instrumentation adds to an action: the least of some runs."""
    loop = asyncio.new_event_loop()
    client = case.connect(server.url, kind)

    def once() -> int:
        server.script[:] = [answer] * 4
        if kind == "sync":
            return calls_of(lambda: action(client), warm_up=3, over_network=True).total
        run = loop.run_until_complete
        return calls_of(lambda: run(action(client)), warm_up=3, over_network=True).total

    try:
        bare = min(once() for _ in range(5))
        with _instrumented():
            added = min(once() for _ in range(5)) - bare
        loop.run_until_complete(closed(client))
    finally:
        loop.close()
        server.script.clear()
        # What clients left open is complained of here, not while some later test has a traceback drawn:
        # CPython before 3.11.8 cannot parse while it parses.
        gc.collect()
    assert added > 0, "the action went around the instrumentation"
    return added


@pytest.mark.parametrize(
    ("case", "kind"), [pytest.param(c, kind, id=f"{c}-{kind}") for c in CASES for kind in c.kinds]
)
def test_a_call_adds_at_most_460(case: Case, kind: Kind, server: Loopback) -> None:
    def call(client: Any) -> Any:
        return case.call(client) if kind == "sync" else awaited(case.call(client))

    assert _added(case, kind, server, call, case.answer) <= 460


@pytest.mark.parametrize("case", [case for case in CASES if case.long_stream is not None], ids=str)
def test_a_chunk_adds_at_most_6(case: Case, server: Loopback) -> None:
    assert case.stream is not None
    assert case.long_stream is not None
    stream, long_stream = case.stream, case.long_stream

    def read(client: Any) -> None:
        for _ in stream(client):
            pass

    few, many = (_added(case, "sync", server, read, long_stream(count)) for count in (10, 210))

    # A chunk costs a whole number of calls; sockets add a few to the sum, now and then.
    assert round((many - few) / 200) <= 6
