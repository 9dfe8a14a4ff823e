"""Never more in any window than allowed; who waits, waits in line and in a span."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recording import attributes_of

import otel_agentprof as ap
from otel_agentprof.optimize.rate_limits import Limiter, estimated_tokens, used_tokens

if TYPE_CHECKING:
    from recording import Recorder

LATER = ap.RateLimit(requests=2, per_s=0.5)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@settings(deadline=None)
@given(
    calls=st.lists(st.tuples(st.floats(0, 30), st.integers(0, 120)), max_size=40),
    requests=st.none() | st.integers(1, 5),
    tokens=st.none() | st.integers(1, 200),
)
def test_no_window_holds_more_than_allowed(
    calls: list[tuple[float, int]], requests: int | None, tokens: int | None
) -> None:
    clock = Clock()
    limiter = Limiter(ap.RateLimit(requests=requests, tokens=tokens), clock)
    sent: list[tuple[float, int]] = []

    for pause, size in calls:
        clock.now += pause
        while (wait_s := limiter.take(size)[0]) > 0:
            clock.now += wait_s
        sent.append((clock.now, size))

    for place, (end, _) in enumerate(sent):
        window = [size for when, size in sent[: place + 1] if when + 60 > end]
        assert requests is None or len(window) <= requests
        # One that is larger than the limit goes by itself.
        assert tokens is None or sum(window) <= tokens or len([size for size in window if size]) == 1


def test_a_call_waits_no_longer_than_it_must() -> None:
    clock = Clock()
    limiter = Limiter(ap.RateLimit(requests=2, tokens=100), clock)

    assert limiter.take(60)[0] == 0
    clock.now += 10
    assert limiter.take(50)[0] == 50  # until the first one has left the window
    assert limiter.take(40)[0] == 0
    assert limiter.take(1)[0] == 50
    clock.now += 50
    assert limiter.take(60)[0] == 0


def test_an_estimate_is_put_right_by_what_a_call_has_taken() -> None:
    clock = Clock()
    limiter = Limiter(ap.RateLimit(tokens=100), clock)
    _, entry = limiter.take(90)

    assert limiter.take(50)[0] == 60
    limiter.put_right(entry, 20)
    assert limiter.take(50)[0] == 0
    clock.now += 60
    limiter.put_right(entry, 90)  # too late to count
    assert limiter.take(100)[0] == 0


def test_tokens_are_estimated_from_the_request_and_read_from_the_answer() -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "x" * 380}, {"n": 1}]}]

    assert estimated_tokens({"messages": messages}) == 97
    assert estimated_tokens({"input": "x" * 40, "max_output_tokens": 30}) == 40
    assert estimated_tokens({"url": "x" * 40}) == 0
    assert used_tokens({"usage": {"prompt_tokens": 3, "completion_tokens": 4}}) == 7
    assert used_tokens(SimpleNamespace(usage=SimpleNamespace(input_tokens=3, output_tokens=5))) == 8
    assert used_tokens("an answer") is None


async def ask(model: str | None = None, number: int = 0) -> tuple[str | None, int]:
    return model, number


async def test_each_model_has_limits_of_its_own_and_waits_are_spans(recorder: Recorder) -> None:
    calls: list[Any] = [
        (ask, {"model": name, "number": number}) for number in range(3) for name in ("a", "b")
    ]

    with ap.agent("planner"):
        results = await ap.ParallelExecutor(rate_limits=LATER).execute_parallel(calls)

    assert results == [(name, number) for number in range(3) for name in ("a", "b")]
    waits = [attributes_of(span) for span in recorder.spans if span.name == "agentprof.rate_limit.wait"]
    assert sorted(wait["gen_ai.request.model"] for wait in waits) == ["a", "b"]
    assert {wait["agentprof.role"] for wait in waits} == {"step"}
    parents = {span.parent.span_id for span in recorder.spans if span.parent}
    assert parents == {span.context.span_id for span in recorder.spans if not span.parent and span.context}


async def test_models_without_a_limit_do_not_wait(recorder: Recorder) -> None:
    executor = ap.ParallelExecutor(rate_limits={"a": ap.RateLimit(requests=1)})

    await executor.execute_parallel([(ask, {"model": "b"}), (ask, {}), (ask, {"model": "a"})])

    assert recorder.names == []


async def test_calls_are_let_through_in_line(recorder: Recorder) -> None:
    order: list[int] = []

    async def note(number: int) -> None:
        order.append(number)

    await ap.ParallelExecutor(rate_limits=LATER).execute_parallel([(note, {"number": n}) for n in range(4)])

    assert order == list(range(4))
    assert recorder.names == ["agentprof.rate_limit.wait"] * 2


async def test_whoever_is_cancelled_while_he_waits_leaves_the_line_to_the_next_one() -> None:
    executor = ap.ParallelExecutor(rate_limits=ap.RateLimit(requests=1, per_s=1_000))
    begun = asyncio.Event()

    async def begin() -> None:
        begun.set()

    running = asyncio.create_task(executor.execute_parallel([(begin, {}), (ask, {}), (ask, {})]))
    await begun.wait()
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running


async def test_what_an_answer_took_counts() -> None:
    executor = ap.ParallelExecutor(rate_limits=ap.RateLimit(tokens=1_000, per_s=1_000))

    async def answer(messages: str) -> dict[str, Any]:
        return {"usage": {"prompt_tokens": 1, "completion_tokens": 1}}

    for _ in range(5):  # by the estimate alone the second one would wait for a thousand seconds
        await asyncio.wait_for(executor.execute_parallel([(answer, {"messages": "x" * 2_400})]), 20)


def test_threads_share_one_limit() -> None:
    limiter, lock, let_through = Limiter(ap.RateLimit(requests=50)), threading.Lock(), []

    def take() -> None:
        for _ in range(50):
            if limiter.take(1)[0] <= 0:
                with lock:
                    let_through.append(1)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(let_through) == 50


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"requests": 0}, "requests has to be at least 1, or None for any number; not 0"),
        ({"requests": -1}, "requests has to be at least 1"),
        ({"tokens": 0}, "tokens has to be at least 1"),
        ({"tokens": float("nan")}, "tokens has to be at least 1"),
        ({"per_s": 0}, "per_s has to be more than 0 seconds, not 0"),
        ({"per_s": float("inf")}, "per_s has to be more than 0 seconds"),
    ],
)
def test_what_cannot_be_a_limit_is_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ap.RateLimit(**values)
