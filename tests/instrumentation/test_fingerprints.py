"""The same request has the same fingerprint, another one has another, and nobody can tell what it says."""

from __future__ import annotations

import asyncio
import copy
import functools
import json
import logging
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from hashlib import blake2b
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, PrivateAttr
from surfaces import MESSAGES, STREAMING, SURFACES, Surface

import otel_agentprof
from otel_agentprof import AgentProfSpanProcessor, config, semconv
from otel_agentprof.config import Config
from otel_agentprof.instrumentation import fingerprints
from otel_agentprof.instrumentation.fingerprints import job as jobs
from otel_agentprof.instrumentation.fingerprints.capture import copy_of, restore
from otel_agentprof.instrumentation.fingerprints.digest import Budget, Reading, TooLargeError, digest
from otel_agentprof.instrumentation.parameters import Parameters
from otel_agentprof.instrumentation.providers.anthropic import SPEC as ANTHROPIC
from otel_agentprof.instrumentation.providers.openai import SPEC as OPENAI

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Connect, Spans
    from loopback import Loopback

CHAT, TEXT, RESPONSES, EMBEDDINGS, MESSAGE = SURFACES[:5]
KEY = b"k" * 32
AMPLE = Budget(10_000, 1_000_000)
TOOL = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}
each_surface = pytest.mark.parametrize("surface", SURFACES, ids=str)


@pytest.fixture(autouse=True)
def _own_settings() -> Iterator[None]:
    yield
    fingerprints.configure(None)


def told(spans: Spans) -> list[Any]:
    """Return the fingerprints of the calls so far."""
    return [(span.attributes or {}).get(semconv.REQUEST_FINGERPRINT) for span in spans.all()]


def chains(spans: Spans) -> list[Any]:
    return [str((span.attributes or {})[semconv.PROMPT_CHAIN]).split() for span in spans.all()]


def asked(messages: Any, **more: Any) -> str | None:
    """Return the fingerprint of a chat request."""
    job = fingerprints.of_request(OPENAI, OPENAI.calls[0], None, {"messages": messages, **more})
    return None if job is None else job.take().get(semconv.REQUEST_FINGERPRINT)


def hashed(value: Any, reading: Reading = Reading(())) -> dict[str, Any]:  # noqa: B008 - a constant
    return digest(restore(copy_of(value)), reading, KEY, AMPLE)


# --- requests of the real clients -------------------------------------------------------------------------


@each_surface
def test_the_same_request_has_the_same_fingerprint(surface: Surface, spans: Spans, connect: Connect) -> None:
    create = surface.resource(connect(surface)).create

    create(**surface.arguments)
    create(**dict(reversed(copy.deepcopy(surface.arguments).items())))
    create(**{**surface.arguments, "model": "another-model"})

    first, second, other = told(spans)
    assert first == second != other
    assert len(first) == 32
    assert int(first, 16) >= 0


@pytest.mark.parametrize("surface", STREAMING, ids=str)
def test_sync_async_and_streamed_it_is_the_same_request(
    surface: Surface, server: Loopback, spans: Spans, connect: Connect
) -> None:
    async def ask() -> None:
        async with surface.make(server.url, is_async=True) as client:
            await surface.resource(client).create(**surface.arguments)
            async for _ in await surface.resource(client).create(**surface.arguments, stream=True):
                pass

    create = surface.resource(connect(surface)).create
    create(**surface.arguments)
    list(create(**surface.arguments, stream=True))
    asyncio.run(ask())

    assert len(told(spans)) == 4
    assert len(set(told(spans))) == 1


def test_the_stream_helper_sends_the_same_request(spans: Spans, connect: Connect) -> None:
    client = connect(MESSAGE)

    client.messages.create(**MESSAGE.arguments)
    with client.messages.stream(**MESSAGE.arguments) as stream:
        stream.get_final_message()

    assert len(set(told(spans))) == 1
    assert len(told(spans)) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.5},
        {"seed": 1},
        {"tools": [TOOL]},
        {"tool_choice": "none"},
        {"max_tokens": 5},
        {"response_format": {"type": "json_object"}},
        {"extra_body": {"unknown": 1}},
        {"messages": [*MESSAGES, *MESSAGES]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_changes_the_answer_makes_another_request(
    change: dict[str, Any], spans: Spans, connect: Connect
) -> None:
    create = connect(CHAT).chat.completions.create

    create(**CHAT.arguments)
    create(**{**CHAT.arguments, **change})

    assert None not in told(spans)
    assert len(set(told(spans))) == 2


@pytest.mark.parametrize(
    "transport",
    [
        {"extra_headers": {"x-trace": "1"}},
        {"timeout": 5.0},
        {"user": "ada"},
        {"metadata": {"run": "7"}},
        {"store": False},
        {"temperature": openai.NOT_GIVEN},
    ],
    ids=lambda transport: next(iter(transport)),
)
def test_how_it_is_sent_makes_no_difference(
    transport: dict[str, Any], spans: Spans, connect: Connect
) -> None:
    create = connect(CHAT).chat.completions.create

    create(**CHAT.arguments)
    create(**CHAT.arguments, **transport)

    assert len(told(spans)) == 2
    assert len(set(told(spans))) == 1


def test_the_request_is_told_as_it_was_sent(spans: Spans, connect: Connect) -> None:
    create = connect(CHAT).chat.completions.create
    messages = copy.deepcopy(MESSAGES)

    create(model="gpt-5-mini", messages=messages)
    stream = create(model="gpt-5-mini", messages=messages, stream=True)
    messages[0]["content"] = "changed while the stream is open"
    messages.append({"role": "user", "content": "more"})
    list(stream)

    assert len(told(spans)) == 2
    assert len(set(told(spans))) == 1


@pytest.mark.parametrize("surface", [CHAT, MESSAGE], ids=str)
def test_the_next_turn_begins_with_the_last_one(surface: Surface, spans: Spans, connect: Connect) -> None:
    create = surface.resource(connect(surface)).create
    messages: list[Any] = copy.deepcopy(MESSAGES)
    arguments = {**surface.arguments, "messages": messages}

    answer = create(**arguments)
    said = answer.choices[0].message if surface is CHAT else {"role": "assistant", "content": answer.content}
    messages += [said, {"role": "user", "content": "And of Spain?"}]
    create(**arguments)

    first, second = chains(spans)
    assert len(first) == 1
    assert len(second) == 3
    assert second[:1] == first
    sizes = [int(size) for size in str((spans.all()[1].attributes or {})[semconv.PROMPT_SIZES]).split()]
    assert len(sizes) == 3
    assert sizes == sorted(sizes)


def test_a_message_object_is_the_same_as_its_dict(spans: Spans, connect: Connect) -> None:
    create = connect(CHAT).chat.completions.create
    message = create(**CHAT.arguments).choices[0].message

    for said in (message, message.model_dump(), message.model_dump(exclude_none=True)):
        create(model="gpt-5-mini", messages=[*MESSAGES, said, {"role": "user", "content": "Go on."}])

    assert None not in told(spans)
    assert len(set(told(spans)[1:])) == 1


def test_moving_a_cache_mark_leaves_the_prompt_as_it_is() -> None:
    block = {"type": "text", "text": "hi"}
    marked = {**block, "cache_control": {"type": "ephemeral"}}
    spec = ANTHROPIC.calls[0]

    def chain(*contents: Any, **more: Any) -> Any:
        messages = [{"role": "user", "content": content} for content in contents]
        job = fingerprints.of_request(ANTHROPIC, spec, None, {"messages": messages, **more})
        assert job is not None
        return job.take()[semconv.PROMPT_CHAIN].split()

    assert chain([marked]) == chain([block]) == chain("hi", cache_control={"type": "ephemeral"})
    assert chain([marked], "more")[:1] == chain("hi")
    assert chain([block, block]) != chain([block])


def test_what_a_tool_is_given_is_no_cache_mark() -> None:
    def chain(given: Any) -> Any:
        call = {"type": "tool_use", "id": "1", "name": "t", "input": given}
        messages = [{"role": "assistant", "content": [call]}]
        job = fingerprints.of_request(ANTHROPIC, ANTHROPIC.calls[0], None, {"messages": messages})
        return job and job.take()[semconv.PROMPT_CHAIN]

    assert chain({"cache_control": 1}) != chain({"cache_control": 2})


def test_of_a_long_prompt_both_ends_are_told_in_less_than_2_kib() -> None:
    reading = Reading((), ("messages",))
    messages = [{"role": "user", "content": str(number) * 1_000} for number in range(90)]

    found = hashed({"messages": messages}, reading)
    short = hashed({"messages": messages[:8]}, reading)

    chain, sizes = (found[key].split() for key in (semconv.PROMPT_CHAIN, semconv.PROMPT_SIZES))
    assert len(chain) == len(sizes) == 32
    assert chain[:8] == short[semconv.PROMPT_CHAIN].split()
    assert all(len(value) < 2048 for value in found.values())


# --- when there is none -----------------------------------------------------------------------------------


def test_an_unsampled_call_does_no_work(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry.sdk.trace import TracerProvider, sampling  # noqa: PLC0415 - of this test only

    copied: list[Any] = []
    monkeypatch.setattr(jobs, "copy_of", lambda *_, **__: copied.append(1))
    provider = TracerProvider(sampler=sampling.ALWAYS_OFF, shutdown_on_exit=False)

    with otel_agentprof.instrument(tracer_provider=provider):
        connect(CHAT).chat.completions.create(**CHAT.arguments)
        otel_agentprof.tool("search")(lambda query: query)("q")

    assert copied == []


def test_it_can_be_switched_off(pipeline: Spans, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_AGENTPROF_FINGERPRINTS", "false")

    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        connect(CHAT).chat.completions.create(**CHAT.arguments)
        otel_agentprof.tool("search")(lambda query: query)("q")

    calls = [span for span in pipeline.all() if span.name != semconv.ANALYSIS_SPAN_NAME]
    assert len(calls) == 2
    assert semconv.PROMPT_CHAIN not in "".join(span.to_json() for span in calls)
    assert told(pipeline).count(None) == len(pipeline.all())


class Opaque:
    """Cannot be told by its value; its text holds an address."""


@pytest.mark.parametrize(
    "odd",
    [
        Opaque(),
        threading.Lock(),
        sys.stdout,
        (n for n in "ab"),
        iter(["a"]),
        json.dumps,
        json,
        {("a",): 1},
        {"\0x": 1},
    ],
    ids=lambda odd: type(odd).__name__,
)
def test_what_cannot_be_told_by_value_has_no_fingerprint(odd: Any) -> None:
    assert asked([odd]) is None


def test_a_document_that_contains_itself_has_no_fingerprint() -> None:
    endless: list[Any] = []
    endless.append(endless)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    assert asked(endless) is None
    assert asked([deep]) is None


def test_a_huge_prompt_has_no_fingerprint() -> None:
    shared: list[Any] = ["x"]
    for _ in range(60):
        shared = [shared, shared]  # small to copy, without end to write out

    assert fingerprints.of_request(OPENAI, OPENAI.calls[0], None, {"messages": "x" * 5_000_000}) is None
    for huge in (shared, ["x" * 900_000] * 9, [b"x" * 900_000] * 9):
        with pytest.raises(TooLargeError):
            digest({"a": huge}, Reading(()), KEY, AMPLE)
    with pytest.raises(TooLargeError):
        digest({"m": [1] * 5_000}, Reading((), ("m",)), KEY, AMPLE)


def test_nobody_waits_for_a_fingerprint_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_MOST_WAITING", 0)
    large = [{"role": "user", "content": "x" * 10_000}]

    assert asked(large) is None
    assert asked(MESSAGES) is not None


def test_where_no_thread_can_start_small_requests_are_told_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    fingerprints.configure(None)
    monkeypatch.setattr(threading.Thread, "start", refuse)

    assert asked(MESSAGES) is not None
    with jobs._Process.starting:
        assert asked(MESSAGES) is not None


def test_calls_without_fingerprint_are_counted_by_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs._Process, "without", {})
    shared: list[Any] = ["x"]
    for _ in range(30):
        shared = [shared, shared]
    large = [{"role": "user", "content": "x" * 10_000}]

    def waited(messages: Any) -> None:
        job = fingerprints.of_request(OPENAI, OPENAI.calls[0], None, {"messages": messages})
        assert job is not None
        job.work()
        job.take()

    asked(MESSAGES)
    asked([Opaque()])
    waited([{("a",): 1}])
    with pytest.MonkeyPatch.context() as busy:
        busy.setattr(jobs, "_MOST_WAITING", 0)
        asked(large)
        waited(shared)
    asked("x" * 5_000_000)
    fingerprints.of_tool("t", 1, {})

    counts = AgentProfSpanProcessor().stats.without_fingerprint
    assert counts == {"not_by_value": 3, "late": 1, "too_large": 2}


def test_a_call_that_shall_have_no_fingerprint_lacks_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs._Process, "without", {})

    fingerprints.configure(Config(fingerprints=False))
    asked([Opaque()])

    assert fingerprints.without() == {}


def test_lists_that_other_threads_change_meanwhile_do_no_harm() -> None:
    messages: list[Any] = [{"role": "user", "content": Query(text="a")} for _ in range(200)]
    is_over = threading.Event()

    def change() -> None:
        while not is_over.is_set():
            messages.append({"role": "user", str(len(messages)): Query(text="b")})
            messages[0][str(len(messages))] = 1
            del messages[100:], messages[0]["role"]
            messages[0] = {"role": "user"}

    thread = threading.Thread(target=change)
    thread.start()
    for _ in range(300):
        asked(messages)
    is_over.set()
    thread.join()

    assert asked(MESSAGES) is not None


# --- objects ----------------------------------------------------------------------------------------------


class Color(Enum):
    RED = "red"


class Word(str):  # noqa: SLOT000 - with a dict of its own
    pass


@dataclass(frozen=True)
class Point:
    x: int
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Vector:
    x: int
    tags: list[str] = field(default_factory=list)


class Query(BaseModel):
    text: str
    _secret: int = PrivateAttr(0)


class Other(BaseModel):
    text: str


def remembered(secret: int) -> Query:
    query = Query(text="a")
    query._secret = secret
    return query


WORD = Word("a")
WORD.note = 1  # type: ignore[attr-defined]
DIFFERENT = [
    Color.RED,
    "red",
    Point(1),
    Point(2),
    Vector(1),
    Query(text="a"),
    Other(text="a"),
    remembered(1),
    Query,
    Other,
    date(2026, 1, 1),
    datetime(2026, 1, 1, tzinfo=UTC),
    Decimal(1),
    1,
    1.0,
    True,
    None,
    "1",
    b"1",
    {1},
    {2, 3},
    {1: 1},
    {"1": 1},
    {None: 1},
    [1],
    SimpleNamespace,
    WORD,
    Word("b"),
]


def tool_call(*values: Any) -> Any:
    job = fingerprints.of_tool("t", None, {"values": list(values)})
    return job and job.take().get(semconv.REQUEST_FINGERPRINT)


def test_values_that_differ_never_have_the_same_fingerprint() -> None:
    found = [tool_call(value) for value in DIFFERENT]

    assert None not in found
    assert len(set(found)) == len(DIFFERENT)


def test_equal_values_have_the_same_fingerprint_wherever_they_are() -> None:
    for value in DIFFERENT:
        twin = value if isinstance(value, type | Enum) else copy.deepcopy(value)
        assert tool_call(value) == tool_call(twin)
    assert tool_call({2, 3, 5}) == tool_call({5, 3, 2})
    assert tool_call((1, 2)) == tool_call([1, 2])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
).filter(lambda value: "\\u0000" not in json.dumps(value))


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(JSON, JSON)
def test_canonical_form_is_equal_for_equal_documents_only(one: Any, other: Any) -> None:
    def written(value: Any) -> str:
        return json.dumps(value, sort_keys=True)

    assert hashed({"a": one}) == hashed({"a": shuffled(one)})
    assert (hashed({"a": one}) == hashed({"a": other})) == (written(one) == written(other))


@settings(deadline=None)
@given(st.lists(JSON, max_size=6), st.lists(JSON, max_size=3))
def test_a_chain_grows_with_its_prompt(messages: list[Any], more: list[Any]) -> None:
    reading = Reading((), ("system", "messages"))

    before = hashed({"system": "s", "messages": messages}, reading)
    after = hashed({"system": "s", "messages": [*messages, *more]}, reading)

    first, second = (found[semconv.PROMPT_CHAIN].split() for found in (before, after))
    assert len(first) == 1 + len(messages)
    assert second[: len(first)] == first
    assert len(set(second)) == len(second)


# --- tools ------------------------------------------------------------------------------------------------


def test_a_tool_call_is_the_same_however_it_is_spelled(spans: Spans) -> None:
    @otel_agentprof.tool
    def search(query: str, limit: int = 10) -> None: ...

    search("a")
    search(query="a")
    search("a", 10)
    search(limit=10, query="a")
    search("b")
    otel_agentprof.tool("lookup")(search.__wrapped__)("a")  # type: ignore[attr-defined]

    found = told(spans)
    assert None not in found
    assert len(set(found[:4])) == 1
    assert len(set(found)) == 3


def test_async_tools_generators_and_failures_have_one_too(spans: Spans) -> None:
    @otel_agentprof.tool("a")
    async def later(query: str) -> None: ...

    @otel_agentprof.tool("b")
    def items(query: str) -> Iterator[str]:
        yield query

    @otel_agentprof.tool("c")
    def fail(query: str) -> None:
        raise ValueError(query)

    asyncio.run(later("q"))
    list(items("q"))
    with pytest.raises(ValueError, match="q"):
        fail("q")

    assert None not in told(spans)
    assert len(set(told(spans))) == 3


def test_the_id_of_a_call_does_not_tell_it_from_others(spans: Spans) -> None:
    @otel_agentprof.tool(call_id_from="call_id")
    def search(query: str, call_id: str) -> None: ...

    search("a", "call_1")
    search("a", call_id="call_2")

    assert len(told(spans)) == 2
    assert len(set(told(spans))) == 1


def test_a_method_of_another_object_is_another_tool(spans: Spans) -> None:
    class Index:
        @otel_agentprof.tool("search")
        def search(self, query: str) -> None: ...

        @classmethod
        @otel_agentprof.tool("search")
        def find(cls, query: str) -> None: ...

    class Slotted:
        __slots__ = ()

        @otel_agentprof.tool("search")
        def search(self, query: str) -> None: ...

    one, other = Index(), Index()
    for index in (one, one, other, Index(), Index()):
        index.search("a")
    Index.find("a")
    Slotted().search("a")

    first, again, *others = told(spans)
    assert first == again
    assert others.pop() is None
    assert len({first, *others}) == 5


def test_a_bound_method_is_told_by_its_object(spans: Spans) -> None:
    class Index:
        def search(self, query: str) -> None: ...

    one, other = (otel_agentprof.tool("search")(Index().search) for _ in range(2))
    for search in (one, one, other, otel_agentprof.tool("search")(functools.partial(Index().search))):
        search("a")

    first, again, *others = told(spans)
    assert first == again
    assert len({first, *others}) == 3


def test_arguments_beyond_the_parameters_count() -> None:
    def by_place(a: int, /, *rest: int, **named: int) -> None: ...

    parameters = Parameters.of(by_place, without=None)

    def told_of(args: tuple[Any, ...], **named: Any) -> Any:
        job = parameters.fingerprint("t", args, named)
        return job and job.take()[semconv.REQUEST_FINGERPRINT]

    calls = [told_of((1,)), told_of((1, 2)), told_of((1, 3)), told_of((1,), a=2), told_of((2,), a=2)]
    assert len(set(calls)) == len(calls)


def test_a_function_that_hides_its_parameters_is_told_by_what_it_is_given() -> None:
    class Odd:
        __signature__ = 5

        def __call__(self, *_: object) -> None: ...

    parameters = Parameters.of(Odd(), without=None)
    one, other = (parameters.fingerprint("t", (value,), {}) for value in (1, 2))

    assert parameters.names == ()
    assert one is not None
    assert other is not None
    assert one.take() != other.take()


def test_a_block_says_nothing_of_its_arguments(spans: Spans) -> None:
    with otel_agentprof.tool("search"):
        pass

    assert told(spans) == [None]


# --- the key ----------------------------------------------------------------------------------------------

ASK = """
import json, sys
from otel_agentprof.instrumentation import fingerprints
print(fingerprints.of_tool("search", None, {"query": "yes"}).take()["agentprof.request.fingerprint"])
"""


def in_another_process(code: str = ASK, **variables: str) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    run = subprocess.run(
        [sys.executable, "-c", code], env={**environ, **variables}, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def test_another_process_has_another_key_unless_one_is_set() -> None:
    key = {"OTEL_AGENTPROF_FINGERPRINT_KEY": "of our team"}

    assert in_another_process() != in_another_process()
    assert in_another_process(**key) == in_another_process(**key)
    assert in_another_process(**key) != in_another_process(OTEL_AGENTPROF_FINGERPRINT_KEY="of another")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_a_child_of_a_fork_goes_on_with_the_same_key_and_a_worker_of_its_own() -> None:
    lines = in_another_process("""
import os, time, warnings
from otel_agentprof.instrumentation import fingerprints
warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what this is about
def large():
    job = fingerprints.of_tool("search", None, {"query": "x" * 10_000})
    deadline = time.monotonic() + 10
    while job._found is None and time.monotonic() < deadline:
        pass
    return job.take()["agentprof.request.fingerprint"]
print(large(), flush=True)
if (child := os.fork()) == 0:
    print(large(), flush=True)
    os._exit(0)
os.waitpid(child, 0)
""").split()

    assert len(lines) == 2
    assert len(set(lines)) == 1


def test_the_worker_ends_with_the_instrumentation(pipeline: Spans, connect: Connect) -> None:
    def workers() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "agentprof-fingerprints"]

    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        connect(CHAT).chat.completions.create(**CHAT.arguments)
        running = workers()
    for thread in running:
        thread.join(10)

    assert running
    assert not any(thread.is_alive() for thread in running)


def test_neither_content_nor_key_is_anywhere(
    pipeline: Spans, connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_AGENTPROF_FINGERPRINT_KEY", "canary-key")
    caplog.set_level(logging.DEBUG)

    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        connect(CHAT).chat.completions.create(
            model="gpt-5-mini", messages=[{"role": "user", "content": "canary-prompt"}]
        )
        otel_agentprof.tool("vote")(lambda choice: choice)("yes")

    # openai 2.x itself logs its requests at this level.
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("otel_agentprof")]
    everything = "\n".join([*(span.to_json() for span in pipeline.all()), *ours])
    everything += repr(Config.from_env()) + repr(config.variables())
    assert None not in told(pipeline)[:2]
    assert "canary" not in everything


def test_a_word_of_little_choice_cannot_be_found_by_trying() -> None:
    found = tool_call("yes")
    tries = {
        blake2b(text.encode(), digest_size=16, person=person).hexdigest()
        for text in ('["yes"]', "yes", '{"values":["yes"]}', '[["tool","t",""],{"values":["yes"]}]')
        for person in (b"", b"agentprof.reques", b"agentprof.prompt")
    }

    assert found not in tries
    fingerprints.configure(Config(fingerprint_key="another"))
    assert tool_call("yes") != found


def test_a_variable_that_may_be_a_misspelt_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_AGENTPROF_FINGERPRINTS_KEY", "canary")
    monkeypatch.setenv("OTEL_AGENTPROF_MAX_CALLS", "7")

    shown = {name: value for name, value, _ in config.variables()}

    assert shown["OTEL_AGENTPROF_FINGERPRINTS_KEY"] == "..."
    assert shown["OTEL_AGENTPROF_MAX_CALLS"] == "7"
