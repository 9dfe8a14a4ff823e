"""Streams of objects with a ``stream`` method: what is handed on, and what goes wrong."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from recording import attributes_of

import otel_agentprof as ap
from otel_agentprof.errors import StreamStalledError
from otel_agentprof.optimize.stream_pace import StreamPace
from otel_agentprof.optimize.stream_readers import text_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from recording import Recorder

MESSAGES = [{"role": "user", "content": "hello"}]
WORDS = [
    {"content": "one "},
    {"role": "assistant"},
    {"content": None},
    {"content": "two "},
    {"content": "three"},
]


class Model:
    """The chapter's client; it knows how far it was read."""

    def __init__(self, *items: Any) -> None:
        self.items = items or WORDS
        self.read = 0
        self.closed = 0

    async def stream(self, messages: Any, **_request: Any) -> AsyncIterator[Any]:
        assert messages is MESSAGES
        try:
            for item in self.items:
                self.read += 1
                if isinstance(item, BaseException):
                    raise item
                if isinstance(item, asyncio.Event):
                    await item.wait()
                else:
                    yield item
        finally:
            self.closed += 1


class SyncModel:
    """The same, not async."""

    def __init__(self, *items: Any) -> None:
        self.items = items or WORDS
        self.threads: set[int] = set()
        self.closed = threading.Event()

    def stream(self, _messages: Any) -> Iterator[Any]:
        try:
            for item in self.items:
                self.threads.add(threading.get_ident())
                if isinstance(item, threading.Event):
                    item.wait(20)
                elif isinstance(item, BaseException):
                    raise item
                else:
                    yield item
        finally:
            self.closed.set()


class LateModel(Model):
    """Gives its stream only when it is awaited."""

    async def stream(self, messages: Any, **_request: Any) -> Any:  # type: ignore[override]  # as clients do
        return super().stream(messages)


@pytest.mark.parametrize("make", [Model, SyncModel, LateModel])
async def test_each_piece_is_handed_on_and_all_of_them_returned(make: Callable[[], Any]) -> None:
    pieces: list[str] = []

    text = await ap.StreamingOptimizer().stream_llm_response(make(), MESSAGES, pieces.append)

    assert pieces == ["one ", "two ", "three"]
    assert text == "one two three"


async def test_a_sync_stream_is_read_in_one_thread_of_its_own() -> None:
    model = SyncModel()

    await ap.StreamingOptimizer().stream_llm_response(model, MESSAGES)

    assert len(model.threads) == 1
    assert threading.get_ident() not in model.threads


async def test_a_sync_stream_lets_the_loop_go_on() -> None:
    gate = threading.Event()
    model = SyncModel({"content": "a"}, gate, {"content": "b"})
    running = asyncio.create_task(ap.StreamingOptimizer().stream_llm_response(model, MESSAGES))

    await asyncio.sleep(0)
    gate.set()

    assert await running == "ab"


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ("text", "text"),
        ({"content": "text"}, "text"),
        ({"content": [{"type": "text", "text": "a block"}]}, ""),
        ({"message": {"content": "ollama"}}, "ollama"),
        (SimpleNamespace(content="langchain"), "langchain"),
        ({"choices": []}, ""),
        ({"choices": [{"delta": {"content": "chat"}}]}, "chat"),
        ({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "messages"}}, "messages"),
        ({"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "hm"}}, ""),
        ({"type": "response.output_text.delta", "delta": "responses"}, "responses"),
        (None, ""),
    ],
    ids=str,
)
def test_text_is_found_in_any_chunk(item: Any, text: str) -> None:
    assert text_of(item) == text


async def test_on_chunk_may_be_a_coroutine_function_and_slows_the_reading_down() -> None:
    model = Model(*({"content": str(number)} for number in range(5)))
    ahead: list[int] = []

    async def use(piece: str) -> None:
        await asyncio.sleep(0)
        ahead.append(model.read - int(piece))

    await ap.StreamingOptimizer().stream_llm_response(model, MESSAGES, use)

    assert ahead == [1] * 5  # nothing is read while a piece is being used


@pytest.mark.parametrize("make", [Model, SyncModel])
async def test_an_exception_in_on_chunk_ends_the_stream(make: Callable[[], Any], recorder: Recorder) -> None:
    model = make()
    optimizer = ap.StreamingOptimizer()
    failure = ValueError("of the user")

    def use(piece: str) -> None:
        if piece == "two ":
            raise failure

    with pytest.raises(ValueError, match="of the user") as caught:
        await optimizer.stream_llm_response(model, MESSAGES, use)

    assert caught.value is failure
    assert failure.partial == optimizer.partial == "one two "  # type: ignore[attr-defined]  # it is there
    assert model.closed if isinstance(model, Model) else model.closed.wait(20)
    (span,) = recorder.spans
    assert span.status.description == "ValueError"


@pytest.mark.parametrize("make", [Model, SyncModel])
@pytest.mark.parametrize(
    "failure", [ConnectionError("gone"), TimeoutError("the client's own"), KeyError("odd")]
)
async def test_an_error_half_way_keeps_what_has_come(make: Callable[..., Any], failure: Exception) -> None:
    optimizer = ap.StreamingOptimizer(stall_timeout_s=1_000)

    with pytest.raises(type(failure)) as caught:
        await optimizer.stream_llm_response(make({"content": "half"}, failure), MESSAGES)

    assert caught.value is failure
    assert failure.partial == optimizer.partial == "half"  # type: ignore[attr-defined]  # it is there


class Rigid(Exception):  # noqa: N818 - no error of ours
    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(name)


async def test_an_error_without_room_passes_as_it_is() -> None:
    optimizer = ap.StreamingOptimizer()

    with pytest.raises(Rigid):
        await optimizer.stream_llm_response(Model({"content": "half"}, Rigid()), MESSAGES)

    assert optimizer.partial == "half"


class Stop(BaseException):
    pass


@pytest.mark.parametrize("make", [Model, SyncModel])
async def test_what_is_no_exception_is_raised_too(make: Callable[..., Any]) -> None:
    model = make({"content": "half"}, Stop())

    with pytest.raises(Stop):
        await ap.StreamingOptimizer().stream_llm_response(model, MESSAGES)

    assert model.closed if isinstance(model, Model) else model.closed.wait(20)


async def test_a_thread_may_raise_what_no_future_can_hold() -> None:
    class Odd:
        def __enter__(self) -> None: ...

        def stream(self, _messages: Any) -> Any:
            raise StopIteration

    with pytest.raises(RuntimeError, match="StopIteration"):
        await ap.StreamingOptimizer().stream_llm_response(Odd(), MESSAGES)


async def test_a_stalled_stream_is_given_up(recorder: Recorder) -> None:
    model = Model({"content": "half"}, asyncio.Event())
    optimizer = ap.StreamingOptimizer(stall_timeout_s=0.02, first_timeout_s=1_000)

    with pytest.raises(StreamStalledError, match=r"nothing came for 0\.02 s, after 1 chunks") as caught:
        await optimizer.stream_llm_response(model, MESSAGES)

    assert isinstance(caught.value, TimeoutError | ap.AgentProfError)
    assert caught.value.partial == optimizer.partial == "half"
    assert model.closed == 1
    facts = attributes_of(recorder.one("agentprof.stream"))
    assert facts["agentprof.stream.stalled"] is True
    assert facts["error.type"] == "otel_agentprof.errors.StreamStalledError"


async def test_a_stalled_sync_stream_is_left_to_its_thread_which_closes_it() -> None:
    gate = threading.Event()
    model = SyncModel({"content": "half"}, gate)

    with pytest.raises(StreamStalledError):
        await ap.StreamingOptimizer(stall_timeout_s=0.02, first_timeout_s=1_000).stream_llm_response(
            model, MESSAGES
        )
    assert not model.closed.is_set()
    gate.set()

    assert await asyncio.to_thread(model.closed.wait, 20)


class Shut:
    """A sync client that answers late; its stream can be closed."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.closed = threading.Event()

    def __enter__(self) -> None: ...

    def stream(self, _messages: Any) -> Any:
        self.gate.wait(20)
        return SimpleNamespace(close=self.closed.set)


async def test_a_request_that_is_given_up_before_its_answer_is_closed_when_that_comes() -> None:
    client = Shut()

    with pytest.raises(StreamStalledError, match="after 0 chunks"):
        await ap.StreamingOptimizer(first_timeout_s=0.02).stream_llm_response(client, MESSAGES)
    client.gate.set()

    assert await asyncio.to_thread(client.closed.wait, 20)


async def test_a_cancelled_stream_is_closed() -> None:
    begun = asyncio.Event()
    model = Model({"content": "half"}, asyncio.Event())
    optimizer = ap.StreamingOptimizer()
    running = asyncio.create_task(optimizer.stream_llm_response(model, MESSAGES, lambda _piece: begun.set()))
    await begun.wait()
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running

    assert (model.closed, optimizer.partial) == (1, "half")


async def test_a_stream_whose_close_fails_is_no_failure() -> None:
    class Unclosable:
        async def __aiter__(self) -> AsyncIterator[str]:
            yield "well"

        async def aclose(self) -> None:
            raise ConnectionError

    client = SimpleNamespace(stream=lambda _messages: Unclosable())

    assert await ap.StreamingOptimizer().stream_llm_response(client, MESSAGES) == "well"
    client = SimpleNamespace(stream=lambda _messages: ["no ", "close"])
    assert await ap.StreamingOptimizer().stream_llm_response(client, MESSAGES) == "no close"


async def test_an_async_stream_may_be_closed_without_waiting() -> None:
    closed: list[bool] = []

    class Plain:
        async def __aiter__(self) -> AsyncIterator[str]:
            yield "well"

        def close(self) -> None:
            closed.append(True)

    client = SimpleNamespace(stream=lambda _messages: Plain())

    assert await ap.StreamingOptimizer().stream_llm_response(client, MESSAGES) == "well"
    assert closed == [True]


async def test_nothing_is_read_after_the_predicate_holds(recorder: Recorder) -> None:
    model = Model(*({"content": f"{number} "} for number in range(100)))
    optimizer = ap.StreamingOptimizer(stop_when=lambda text: text.endswith("3 "))

    text = await optimizer.stream_llm_response(model, MESSAGES, max_tokens=50)

    assert text == "0 1 2 3 "
    assert (model.read, model.closed) == (4, 1)
    facts = attributes_of(recorder.one("agentprof.stream"))
    assert facts["agentprof.stream.stopped_early"] is True
    assert facts["agentprof.stream.saved_output_tokens.estimate"] == 48
    assert facts["agentprof.stream.saved_output_tokens.basis"] == "max_tokens"


async def test_what_an_early_stop_saves_is_estimated_from_earlier_answers() -> None:
    optimizer = ap.StreamingOptimizer()
    for length in (40, 80, 120):
        await optimizer.stream_llm_response(Model("x" * length), MESSAGES, model="m")
    optimizer.stop_when = bool

    await optimizer.stream_llm_response(Model("x" * 8, "more"), MESSAGES, model="m", max_tokens=500)
    assert (optimizer.pace.saved_tokens, optimizer.pace.saved_basis) == (18, "earlier_answers")
    await optimizer.stream_llm_response(Model("x" * 800), MESSAGES, model="m")
    assert optimizer.pace.saved_tokens == 0
    await optimizer.stream_llm_response(Model("x" * 8, "more"), MESSAGES, model="other")
    assert "agentprof.stream.saved_output_tokens.estimate" not in optimizer.pace.facts()
    assert "agentprof.stream.saved_output_tokens.basis" not in optimizer.pace.facts()


async def test_the_memory_for_earlier_answers_is_bounded() -> None:
    optimizer = ap.StreamingOptimizer()

    for number in range(300):
        await optimizer.stream_llm_response(Model("x"), MESSAGES, model=f"m{number}")

    assert len(optimizer._lengths) <= 101


async def test_a_client_that_cannot_stream_is_refused() -> None:
    with pytest.raises(ap.AgentProfError, match="cannot stream from a object"):
        await ap.StreamingOptimizer().stream_llm_response(object(), MESSAGES)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


def test_the_pace_counts_what_was_waited_for_and_not_what_its_reader_did() -> None:
    clock = Clock()
    pace = StreamPace(clock)
    assert pace.facts() == {"agentprof.stream.chunks": 0}

    for wait_s, text in ((1.0, ""), (1.0, "abcd"), (0.5, "efgh"), (1.5, "ijkl")):
        pace.wait(2)
        clock.pass_by(wait_s)
        pace.take(text, None)
        clock.pass_by(0.25)  # the reader at work

    assert pace.facts() == {
        "agentprof.stream.chunks": 4,
        "agentprof.stream.time_to_first_text": 2.25,
        "agentprof.stream.gap.mean": 1.0,
        "agentprof.stream.gap.max": 1.5,
        "agentprof.stream.tokens_per_second": 3 / 2.5,
        "agentprof.stream.tokens_estimated": True,
    }
    pace.wait(2)
    clock.pass_by(2)
    assert pace.is_stalled
    assert pace.facts()["agentprof.stream.stalled"] is True


def test_tokens_are_those_that_the_stream_tells() -> None:
    clock = Clock()
    pace = StreamPace(clock)

    for tokens in (None, 3, 10):
        pace.wait(None)
        clock.pass_by(1)
        pace.take("x", tokens)

    assert (pace.output_tokens, pace.tokens_per_s, pace.is_stalled) == (10, 5.0, False)
    assert "agentprof.stream.tokens_estimated" not in pace.facts()


async def test_a_wall_clock_that_jumps_changes_no_duration(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def jump(_piece: str) -> None:
        monkeypatch.setattr(time, "time", lambda: 1e9)
        monkeypatch.setattr(time, "time_ns", lambda: 10**18)

    optimizer = ap.StreamingOptimizer(stall_timeout_s=1_000)
    await optimizer.stream_llm_response(Model(), MESSAGES, jump)

    span = recorder.one("agentprof.stream")
    assert span.start_time is not None
    assert span.end_time == 10**18
    assert 0 <= span.end_time - span.start_time <= optimizer.pace.elapsed_s * 1e9


async def test_a_step_of_its_own_tells_the_pace_where_no_call_does(recorder: Recorder) -> None:
    with ap.agent("planner"):
        await ap.StreamingOptimizer().stream_llm_response(Model(), MESSAGES)

    span = recorder.one("agentprof.stream")
    facts = attributes_of(span)
    assert recorder.parent_name("agentprof.stream") == "invoke_agent planner"
    assert (facts["agentprof.role"], facts["agentprof.stream.chunks"]) == ("step", 5)
    assert not any(key.startswith("gen_ai.") for key in facts)
    assert span.start_time is not None
    assert span.end_time is not None
    assert (span.end_time - span.start_time) / 1e9 >= facts["agentprof.stream.time_to_first_text"]
