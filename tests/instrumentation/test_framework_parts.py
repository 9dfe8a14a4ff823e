from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context as context_api
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, get_current_span
from recording import Recorder, attributes_of
from stand_ins import stand_in

from otel_agentprof import semconv
from otel_agentprof.instrumentation import frameworks, kinds
from otel_agentprof.instrumentation.engine import Engine
from otel_agentprof.instrumentation.framework import Attachment, FrameworkSpec, TracedByOthersError
from otel_agentprof.instrumentation.frameworks import guard
from otel_agentprof.instrumentation.frameworks.asked_calls import AskedCall, AskedCalls
from otel_agentprof.instrumentation.frameworks.bubble import in_bubble
from otel_agentprof.instrumentation.frameworks.guard import guarded
from otel_agentprof.instrumentation.frameworks.replacing import replace, replace_all
from otel_agentprof.instrumentation.frameworks.run_book import ModelAnswer, RunBook
from otel_agentprof.instrumentation.frameworks.spanned import Spanned, Work
from otel_agentprof.instrumentation.frameworks.told_usage import told_usage
from otel_agentprof.instrumentation.frameworks.tool_input import as_text, take_input
from otel_agentprof.instrumentation.libraries import Library
from otel_agentprof.instrumentation.registry import Registry, Target
from otel_agentprof.instrumentation.witness import WITNESS_KEY
from otel_agentprof.instrumentation.wrapping import wrap
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


def test_a_failing_callback_gives_none_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    @guarded
    def fail(number: int) -> int:
        return number // 0

    with caplog.at_level(logging.WARNING):
        results = [fail(1), fail(2)]

    assert results == [None, None]
    assert ["fail failed; your program goes on" in record.getMessage() for record in caplog.records] == [True]


class Owner:
    def method(self) -> str:
        return "original"


class Heir(Owner):
    pass


def test_a_replaced_attribute_comes_back_as_the_very_same_object() -> None:
    original = vars(Owner)["method"]

    restore = replace(Owner, "method", lambda _: lambda _self: "ours")
    during = Owner().method()
    restore()

    assert (during, vars(Owner)["method"] is original) == ("ours", True)


def test_an_inherited_attribute_is_inherited_again() -> None:
    restore = replace(Heir, "method", lambda _: lambda _self: "ours")
    during = (Heir().method(), Owner().method())
    restore()

    assert during == ("ours", "original")
    assert "method" not in vars(Heir)


def test_all_attributes_are_replaced_or_none() -> None:
    original = vars(Owner)["method"]
    ours = lambda _: lambda _self: "ours"  # noqa: E731 - three words

    with pytest.raises(TypeError):
        replace_all([(Owner, "method", ours), (object, "__repr__", ours)])
    after = vars(Owner)["method"]
    restore = replace_all([(Owner, "method", ours), (Owner, "nothing", ours)])
    during = Owner().method()
    restore()

    assert (after is original, during, vars(Owner)["method"] is original) == (True, "ours", True)


def test_what_somebody_put_in_the_place_of_ours_stays() -> None:
    restore = replace(Heir, "method", lambda _: lambda _self: "ours")
    Heir.method = theirs = lambda _self: "theirs"  # type: ignore[method-assign]

    restore()

    assert vars(Heir)["method"] is theirs
    del Heir.method


def test_calls_are_claimed_by_name_and_arguments_and_each_only_once() -> None:
    asked = AskedCalls()
    asked.note("agent", [AskedCall("1", "search", '{"q": "a"}'), AskedCall("2", "search", {"q": "b"})])

    claims = [
        asked.claim("agent", "search", {"q": "b"}),
        asked.claim("agent", "search", "not JSON"),  # the one that is left
        asked.claim("agent", "search", {"q": "a"}),
        asked.claim("other", "search", {"q": "a"}),
    ]

    assert claims == ["2", "1", None, None]


def test_arguments_that_cannot_be_compared_do_no_harm() -> None:
    class Array:
        def __eq__(self, _: object) -> bool:
            raise ValueError

        __hash__ = None  # type: ignore[assignment]

    asked = AskedCalls()
    asked.note("agent", [AskedCall("1", "search", {})])

    claim = asked.claim("agent", "search", Array())

    assert claim == "1"


def test_what_an_agent_did_not_run_is_forgotten_with_it_and_when_there_are_too_many() -> None:
    asked = AskedCalls()
    asked.note("first", [AskedCall("1", "search", {})])
    asked.note("done", [AskedCall("1", "search", {})])

    asked.forget("done")
    for number in range(10_000):
        asked.note(number, [AskedCall("1", "search", {})])

    assert [asked.claim(agent, "search", {}) for agent in ("done", "first", 9_999)] == [None, None, "1"]


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
            TokenUsage(9, 5, cache_read=4, reasoning=2),
        ),
        ({"input_tokens": 9, "output_tokens": 5, "cached_input_tokens": 4}, TokenUsage(9, 5, cache_read=4)),
        ({"prompt_tokens": 9, "cache_creation_tokens": 3}, TokenUsage(9, cache_write=3)),
        ({}, TokenUsage()),
    ],
)
def test_usage_is_read_in_the_words_of_each_framework(told: dict[str, Any], usage: TokenUsage) -> None:
    found = told_usage(told)

    assert found == usage


def test_a_generator_in_a_bubble_keeps_its_context_to_itself() -> None:
    seen = []

    @in_bubble
    def items() -> Iterator[int]:
        context_api.attach(Context({"mine": True}))
        yield 1
        seen.append(context_api.get_value("mine"))

    outside = [context_api.get_value("mine") for _ in items()]

    assert (outside, seen) == ([None], [True])


def test_an_async_generator_in_a_bubble_does_so_too() -> None:
    seen = []

    @in_bubble
    async def items() -> AsyncIterator[int]:
        context_api.attach(Context({"mine": True}))
        yield 1
        seen.append(context_api.get_value("mine"))

    async def main() -> list[object]:
        return [context_api.get_value("mine") async for _ in items()]

    outside = asyncio.run(main())

    assert (outside, seen) == ([None], [True])


def _attachment(recorder: Recorder, *, captures_content: bool) -> Attachment:
    return Attachment(recorder.provider, recorder.provider.get_tracer("tests"), captures_content)


@pytest.mark.parametrize("captures_content", [True, False])
def test_a_spanned_method_tells_content_only_where_it_may(*, captures_content: bool) -> None:
    recorder = Recorder()
    spanned = Spanned(
        _attachment(recorder, captures_content=captures_content),
        lambda city: Work(kinds.TOOL, "weather", {}, {"city": city}),
        is_of_tools=True,
    )

    wrap(lambda city: f"mild in {city}", spanned)("Paris")

    facts = attributes_of(recorder.one("execute_tool weather"))
    content = (facts.get(semconv.TOOL_CALL_ARGUMENTS), facts.get(semconv.TOOL_CALL_RESULT))
    assert content == (('{"city": "Paris"}', '"mild in Paris"') if captures_content else (None, None))


def test_a_method_runs_where_its_work_cannot_be_told() -> None:
    recorder = Recorder()

    def unknown() -> Work:
        raise LookupError

    spanned = Spanned(_attachment(recorder, captures_content=False), unknown)

    result = wrap(lambda: 7, spanned)()

    assert (result, recorder.names) == (7, ["step"])


def test_content_that_cannot_be_written_is_left_out() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

    assert (as_text(Odd()), as_text({"a": {1}})) == (None, '{"a": "{1}"}')


def test_the_same_input_has_the_same_fingerprint() -> None:
    recorder = Recorder()
    book = RunBook(recorder.provider.get_tracer("tests"))

    for key, given in enumerate(({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2}, "text")):
        run = book.start(key, kinds.TOOL, "search")
        take_input(run, "search", given, captures_content=False)
        book.end(key)
    take_input(None, "search", {}, captures_content=False)

    [one, same, other, text] = [attributes_of(span)[semconv.REQUEST_FINGERPRINT] for span in recorder.spans]
    assert one == same
    assert len({one, other, text}) == 3


@pytest.mark.parametrize(
    ("problem", "state", "detail"),
    [
        (TracedByOthersError("openinference"), "foreign", "openinference"),
        (AttributeError("run"), "broken", "AttributeError: run"),
        (None, "attached", "by its hook"),
    ],
)
def test_doctor_can_tell_what_became_of_a_framework(
    monkeypatch: pytest.MonkeyPatch, problem: Exception | None, state: str, detail: str
) -> None:
    def attach(_: Attachment) -> Callable[[], None]:
        if problem is not None:
            raise problem
        return lambda: None

    spec = FrameworkSpec("fancy", "opentelemetry-api", attach, "by its hook")
    stand_in(monkeypatch, f"{frameworks.__name__}.fancy", SPEC=spec)
    stand_in(monkeypatch, "fancy")
    registry, recorder = Registry(), Recorder()

    registry.patch(Engine(recorder.provider, version="1"), [Library("fancy", "framework", "fancy")])

    assert registry.targets() == (Target("fancy", "fancy", state, detail),)  # type: ignore[arg-type]
    registry.unpatch()
    assert registry.targets() == ()


def test_errors_of_frameworks_keep_what_they_quote_to_themselves() -> None:
    class QuotingError(Exception):
        __module__ = "dspy.utils.exceptions"

    recorder = Recorder()
    book = RunBook(recorder.provider.get_tracer("tests"))

    book.start("run", kinds.STEP, "parse")
    book.end("run", QuotingError("the model said: secret"))

    span = recorder.one("parse")
    assert span.status.description == "QuotingError"
    assert "secret" not in span.to_json()


def _count_a_clients_call() -> None:
    witness: Any = context_api.get_value(WITNESS_KEY)
    witness.calls += 1


def test_what_follows_an_answer_is_no_part_of_the_call_of_the_model() -> None:
    recorder = Recorder()
    book = RunBook(recorder.provider.get_tracer("tests"))

    book.start_model("turn")
    book.model_answered("turn")
    _count_a_clients_call()  # in a tool
    book.model_answered("turn")
    book.end_model("turn", ModelAnswer(model="parrot", usage=TokenUsage(3, 1)))

    facts = attributes_of(recorder.one("chat parrot"))
    assert facts[semconv.USAGE_INPUT_TOKENS] == 3
    assert get_current_span() is INVALID_SPAN


def test_a_clients_call_before_the_answer_tells_of_it_already() -> None:
    recorder = Recorder()
    book = RunBook(recorder.provider.get_tracer("tests"))

    book.start_model("turn")
    _count_a_clients_call()
    book.model_answered("turn")
    book.end_model("turn", ModelAnswer(model="parrot"))

    assert recorder.names == []


def test_every_failure_of_a_callback_is_counted_and_the_first_one_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @guard.guarded
    def callback() -> None:
        raise ValueError("no luck")

    site = f"{callback.__module__}.{callback.__qualname__}"
    before = guard.failures[site]

    for _ in range(3):
        callback()

    assert guard.failures[site] - before == 3
    assert [record.getMessage().partition(" failed")[0] for record in caplog.records] == [site]
