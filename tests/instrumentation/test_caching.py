"""A cache in front of the real clients: what comes from it is what was sent for, and costs nothing."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import anthropic
import cohere
import groq
import ollama
import openai
import pydantic
import pytest
import together
from loopback import Answer
from opentelemetry.sdk.trace import TracerProvider, sampling
from surfaces import STREAMING, SURFACES, Surface

import otel_agentprof
from otel_agentprof import PromptCache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Connect, Spans
    from loopback import Loopback

CHAT, MESSAGES = SURFACES[0], SURFACES[4]
each_surface = pytest.mark.parametrize("surface", SURFACES, ids=str)
each_stream = pytest.mark.parametrize("surface", STREAMING, ids=str)


@pytest.fixture
def cache(spans: Spans) -> Iterator[PromptCache]:
    """A cache in front of the instrumented clients."""
    with PromptCache().enabled() as made:
        yield made


def facts_of(spans: Spans) -> list[dict[str, Any]]:
    return [dict(span.attributes or {}) for span in spans.all()]


def hits_of(spans: Spans) -> list[dict[str, Any]]:
    return [each for each in facts_of(spans) if each.get("agentprof.cache.hit") is True]


def asked(client: Any, surface: Surface, **more: Any) -> Any:
    return surface.resource(client).create(**surface.arguments, **more)


@each_surface
def test_an_equal_request_gets_an_equal_answer_without_being_sent(
    surface: Surface, cache: PromptCache, connect: Connect, server: Loopback, spans: Spans
) -> None:
    client = connect(surface)

    first, second = asked(client, surface), asked(client, surface)

    assert second == first
    assert type(second) is type(first)
    assert second is not first
    assert second._request_id is None
    assert len(server.requests) == 1
    assert (cache.hits, cache.misses) == (1, 1)
    paid, free = facts_of(spans)
    assert paid["agentprof.cache.hit"] is False
    assert free["agentprof.cache.hit"] is True
    assert free["agentprof.cost.total"] == 0
    assert free["agentprof.cache.saved_usd"] == paid["agentprof.cost.total"] > 0
    assert free["agentprof.cache.saved_input_tokens"] == surface.usage["gen_ai.usage.input_tokens"]
    assert free["agentprof.cache.saved_ns"] > 0
    assert free["gen_ai.response.model"] == paid["gen_ai.response.model"]
    assert not [name for name in free if name.startswith("gen_ai.usage.") and "cost" not in name]
    assert "gen_ai.response.id" not in free
    assert free.get("agentprof.cache.response_id") == paid.get("gen_ai.response.id")


@each_surface
async def test_sync_and_async_clients_share_answers(
    surface: Surface, cache: PromptCache, connect: Connect, server: Loopback
) -> None:
    first = asked(connect(surface), surface)
    async with surface.make(server.url, is_async=True) as client:
        second = await asked(client, surface)

    assert second == first
    assert len(server.requests) == 1


@each_stream
def test_a_stream_comes_again_as_a_stream_of_the_clients_own(
    surface: Surface, cache: PromptCache, connect: Connect, server: Loopback, spans: Spans
) -> None:
    client = connect(surface)

    first = list(asked(client, surface, stream=True))
    stream: Any = asked(client, surface, stream=True)
    is_own = isinstance(stream, surface.stream_class["sync"])
    with stream:
        second = list(stream)

    assert is_own
    assert second == first
    assert [type(item) for item in second] == [type(item) for item in first]
    assert len(server.requests) == 1
    (hit,) = hits_of(spans)
    assert hit["agentprof.cost.total"] == 0
    assert hit["gen_ai.request.stream"] is True


@each_stream
async def test_a_stream_comes_again_to_async_clients(
    surface: Surface, cache: PromptCache, server: Loopback, spans: Spans
) -> None:
    async with surface.make(server.url, is_async=True) as client:
        first = [item async for item in await asked(client, surface, stream=True)]
        stream: Any = await asked(client, surface, stream=True)
        is_own = isinstance(stream, surface.stream_class["async"])
        async with stream:
            second = [item async for item in stream]

    assert is_own
    assert second == first
    assert len(server.requests) == 1
    assert len(hits_of(spans)) == 1


def test_the_helper_of_anthropic_streams_from_the_cache(
    cache: PromptCache, connect: Connect, server: Loopback
) -> None:
    client = connect(MESSAGES)

    def run() -> tuple[list[str], Any]:
        with client.messages.stream(**MESSAGES.arguments) as stream:
            return list(stream.text_stream), stream.get_final_message()

    assert run() == run()
    assert len(server.requests) == 1


async def test_the_async_helper_of_anthropic_streams_from_the_cache(
    cache: PromptCache, server: Loopback
) -> None:
    async def run() -> tuple[list[str], Any]:
        async with client.messages.stream(**MESSAGES.arguments) as stream:
            return [text async for text in stream.text_stream], await stream.get_final_message()

    async with MESSAGES.make(server.url, is_async=True) as client:
        assert await run() == await run()
    assert len(server.requests) == 1


def test_the_helper_of_openai_streams_from_the_cache(
    cache: PromptCache, connect: Connect, server: Loopback
) -> None:
    client = connect(CHAT)

    def run() -> Any:
        with client.chat.completions.stream(**CHAT.arguments) as stream:
            return stream.get_final_completion()

    assert run() == run()
    assert len(server.requests) == 1


@each_surface
def test_raw_responses_go_past_the_cache(
    surface: Surface, cache: PromptCache, connect: Connect, server: Loopback
) -> None:
    resource = surface.resource(connect(surface))

    answers = [resource.with_raw_response.create(**surface.arguments).parse() for _ in range(2)]
    with resource.with_streaming_response.create(**surface.arguments) as response:
        answers.append(response.parse())

    assert answers[0] == answers[1]
    assert len(server.requests) == 3
    assert (cache.hits, cache.misses) == (0, 0)


@pytest.mark.parametrize(
    "more",
    [
        {"model": "gpt-4o"},
        {"messages": [{"role": "user", "content": "Capital of Spain?"}]},
        {"seed": 2},
        {"max_tokens": 7},
        {"tools": [{"type": "function", "function": {"name": "look_up"}}]},
        {"response_format": {"type": "json_object"}},
        {"extra_headers": {"x-tenant": "b"}},
        {"extra_body": {"effort": 2}},
        {"user": "b"},
    ],
    ids=lambda more: next(iter(more)),
)
def test_what_may_change_the_answer_is_another_request(
    more: dict[str, Any], cache: PromptCache, connect: Connect, server: Loopback
) -> None:
    create = CHAT.resource(connect(CHAT)).create

    create(**CHAT.arguments)
    create(**{**CHAT.arguments, **more})

    assert len(server.requests) == 2


def test_another_address_and_other_headers_of_the_client_are_another_request(
    cache: PromptCache, connect: Connect, server: Loopback
) -> None:
    for options in ({}, {"default_headers": {"x-tenant": "b"}}, {"default_query": {"api-version": "2"}}):
        asked(connect(CHAT, **options), CHAT)
    with openai.OpenAI(api_key="none", base_url=f"{server.url}/other/v1") as elsewhere:
        asked(elsewhere, CHAT)

    assert len(server.requests) == 4


@pytest.mark.parametrize("where", ["memory", "file"])
@pytest.mark.parametrize("others", [{"api_key": "bob"}, {"organization": "b"}, {"project": "b"}], ids=str)
def test_nobody_gets_the_answer_to_somebody_else(
    others: dict[str, str], where: str, spans: Spans, server: Loopback, tmp_path: Path
) -> None:
    options = {"api_key": "alice", "organization": "a", "project": "a", "base_url": f"{server.url}/v1"}
    place = None if where == "memory" else f"sqlite:{tmp_path / 'answers.db'}"

    with PromptCache(backend=place).enabled() as cache:
        for given in (options, {**options, **others}, options):
            with openai.OpenAI(**given) as client:  # type: ignore[arg-type]  # texts
                asked(client, CHAT)

    assert (cache.hits, cache.misses, len(server.requests)) == (1, 2, 2)
    assert where == "memory" or b"alice" not in (tmp_path / "answers.db").read_bytes()


def test_a_key_that_a_function_gives_goes_past(cache: PromptCache, server: Loopback) -> None:
    for _ in range(2):
        with openai.OpenAI(api_key=lambda: "alice", base_url=f"{server.url}/v1") as client:
            asked(client, CHAT)

    assert cache.skipped == {"not_by_value": 2}
    assert len(server.requests) == 2


def test_an_object_that_fetches_keys_is_one_caller_in_this_process(
    spans: Spans, server: Loopback, tmp_path: Path
) -> None:
    class Workload:
        """What holds a credential that is no text."""

    with openai.OpenAI(api_key="a", base_url=f"{server.url}/v1") as client:
        client.__dict__["workload"] = Workload()
        with PromptCache().enabled() as cache:
            asked(client, CHAT)
            asked(client, CHAT)
            client.__dict__["workload"] = Workload()
            asked(client, CHAT)
        with PromptCache(backend=f"sqlite:{tmp_path / 'answers.db'}").enabled() as shared:
            asked(client, CHAT)

    assert (cache.hits, cache.misses) == (1, 2)
    assert shared.skipped == {"not_by_value": 1}


def test_what_changes_nothing_is_the_same_request(
    cache: PromptCache, connect: Connect, server: Loopback
) -> None:
    create = CHAT.resource(connect(CHAT)).create

    create(**CHAT.arguments, temperature=0)
    create(**CHAT.arguments, temperature=0, timeout=7, seed=openai.omit)

    assert len(server.requests) == 1


def test_a_temperature_above_0_goes_past_unless_asked_for(
    spans: Spans, connect: Connect, server: Loopback
) -> None:
    client = connect(CHAT)

    with PromptCache().enabled() as cautious:
        asked(client, CHAT, temperature=0.5)
        asked(client, CHAT, temperature=0.5)
    with PromptCache(caches_sampled=True).enabled() as bold:
        asked(client, CHAT, temperature=0.5)
        asked(client, CHAT, temperature=0.5)

    assert len(server.requests) == 3
    assert (cautious.hits, cautious.misses, cautious.skipped) == (0, 0, {"sampled": 2})
    assert (bold.hits, bold.misses) == (1, 1)


def test_what_the_server_keeps_goes_past(cache: PromptCache, connect: Connect, server: Loopback) -> None:
    client = connect(SURFACES[2])

    for _ in range(2):
        asked(client, SURFACES[2], conversation="conv_1")

    assert len(server.requests) == 2
    assert cache.skipped == {"stateful": 2}


def test_what_cannot_be_told_by_its_value_goes_past(
    cache: PromptCache, connect: Connect, server: Loopback
) -> None:
    client = connect(CHAT)

    for _ in range(2):
        client.chat.completions.create(
            model="gpt-5-mini", messages=iter([{"role": "user", "content": "Capital of France?"}])
        )

    assert [body["messages"] for _, body in server.requests] == [CHAT.arguments["messages"]] * 2
    assert cache.skipped == {"not_by_value": 2}


def test_errors_are_not_kept(cache: PromptCache, connect: Connect, server: Loopback) -> None:
    client = connect(CHAT, max_retries=0)
    server.script = [Answer("openai_error_429.json", 429)]

    with pytest.raises(openai.RateLimitError):
        asked(client, CHAT)
    asked(client, CHAT)

    assert len(server.requests) == 2
    assert cache.misses == 2


def test_an_error_that_comes_as_an_answer_is_not_kept(
    cache: PromptCache, connect: Connect, server: Loopback
) -> None:
    client = connect(SURFACES[2])
    server.script = [Answer("openai_responses_failed.json")]

    first, second = asked(client, SURFACES[2]), asked(client, SURFACES[2])

    assert (first.status, second.status) == ("failed", "completed")


@each_stream
def test_a_stream_that_was_left_is_not_kept(
    surface: Surface, cache: PromptCache, connect: Connect, server: Loopback
) -> None:
    client = connect(surface)

    with asked(client, surface, stream=True) as stream:
        next(stream)
    list(asked(client, surface, stream=True))

    assert len(server.requests) == 2


@pytest.mark.parametrize("surface", [s for s in STREAMING if s.error_stream], ids=str)
def test_a_stream_with_an_error_is_not_kept(
    surface: Surface, cache: PromptCache, connect: Connect, server: Loopback
) -> None:
    client = connect(surface, max_retries=0)
    server.script = [Answer(str(surface.error_stream))]

    with pytest.raises((openai.APIError, anthropic.APIError)):
        list(asked(client, surface, stream=True))
    list(asked(client, surface, stream=True))

    assert len(server.requests) == 2


@each_stream
def test_a_stream_that_ends_too_early_is_not_kept(
    surface: Surface, cache: PromptCache, connect: Connect, server: Loopback
) -> None:
    client = connect(surface)
    whole = list(asked(client, surface, stream=True))
    stream = server.answer("/" + server.requests[0][0], {"stream": True}).data
    other = {**surface.arguments, "model": "another"}
    server.script = [
        Answer(b"\n\n".join(stream.split(b"\n\n")[:1]) + b"\n\n", content_type="text/event-stream")
    ]

    broken = list(surface.resource(client).create(**other, stream=True))
    again = list(surface.resource(client).create(**other, stream=True))

    assert len(broken) < len(whole) == len(again)
    assert len(server.requests) == 3


def test_a_stream_without_the_usage_that_was_asked_for_is_not_kept(
    cache: PromptCache, connect: Connect, server: Loopback
) -> None:
    client = connect(CHAT)
    server.script = [Answer("openai_chat_stream_no_usage.sse")]

    for _ in range(2):
        list(asked(client, CHAT, stream=True, stream_options={"include_usage": True}))

    assert len(server.requests) == 2


def test_nobody_can_spoil_an_answer(cache: PromptCache, connect: Connect, server: Loopback) -> None:
    client = connect(CHAT)

    first = asked(client, CHAT)
    text = first.choices[0].message.content
    first.choices[0].message.content = "spoiled"
    second = asked(client, CHAT)
    second.choices.clear()

    assert asked(client, CHAT).choices[0].message.content == text


class City(pydantic.BaseModel):
    name: str


def test_answers_parsed_into_your_own_types_come_from_memory(
    cache: PromptCache, connect: Connect, server: Loopback
) -> None:
    client = connect(MESSAGES)
    body = server.answer("/messages", {}).data.replace(
        b'"Paris is the capital of France."', b'"{\\"name\\": \\"Paris\\"}"'
    )
    server.script = [Answer(body, content_type="application/json")]

    first, second = (client.messages.parse(**MESSAGES.arguments, output_format=City) for _ in range(2))

    assert first.parsed_output == second.parsed_output == City(name="Paris")
    assert first.parsed_output is not second.parsed_output
    assert len(server.requests) == 1


@each_surface
def test_calls_that_are_not_sampled_are_cached_too(
    surface: Surface, connect: Connect, server: Loopback
) -> None:
    provider = TracerProvider(sampler=sampling.ALWAYS_OFF, shutdown_on_exit=False)
    with otel_agentprof.instrument(tracer_provider=provider, cache=PromptCache()):
        client = connect(surface)

        assert asked(client, surface) == asked(client, surface)
        if surface.streams:
            assert list(asked(client, surface, stream=True)) == list(asked(client, surface, stream=True))
        if surface is CHAT:
            asked(client, surface, temperature=0.5)
            asked(client, surface, temperature=0.5)

    assert len(server.requests) == 1 + surface.streams + 2 * (surface is CHAT)


def test_instrument_takes_the_cache_back(pipeline: Spans, connect: Connect, server: Loopback) -> None:
    client, cache = connect(CHAT), PromptCache()

    with otel_agentprof.instrument(tracer_provider=pipeline.provider, cache=cache):
        asked(client, CHAT)
        asked(client, CHAT)
    asked(client, CHAT)

    assert len(server.requests) == 2
    assert cache.hit_rate == 0.5


def test_equal_requests_of_threads_make_one_call(spans: Spans, connect: Connect, server: Loopback) -> None:
    client, cache, answers = connect(CHAT), PromptCache(), list[Any]()
    server.gate.clear()

    def work() -> None:
        with cache.enabled():
            answers.append(asked(client, CHAT))

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    assert server.asked.wait(20)
    server.gate.set()
    for thread in threads:
        thread.join(20)

    assert len(server.requests) == 1
    assert len(answers) == 5
    assert all(answer == answers[0] for answer in answers)
    assert (cache.hits, cache.misses) == (4, 1)


async def test_equal_requests_of_tasks_make_one_call(cache: PromptCache, server: Loopback) -> None:
    async with CHAT.make(server.url, is_async=True) as client:
        answers = await asyncio.gather(*(asked(client, CHAT) for _ in range(5)))
        streams = await asyncio.gather(*(_read(client) for _ in range(5)))

    assert len(server.requests) == 2
    assert all(answer == answers[0] for answer in answers)
    assert all(stream == streams[0] for stream in streams)


async def _read(client: Any) -> list[Any]:
    return [item async for item in await asked(client, CHAT, stream=True)]


async def test_a_call_that_is_cancelled_hands_over(cache: PromptCache, server: Loopback) -> None:
    server.gate.clear()
    async with CHAT.make(server.url, is_async=True) as client:
        first = asyncio.create_task(asked(client, CHAT))
        await asyncio.to_thread(server.asked.wait, 20)
        second, third = (asyncio.create_task(asked(client, CHAT)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        third.cancel()
        server.gate.set()
        answer = await second

    assert answer.choices
    assert first.cancelled()
    assert third.cancelled()
    assert len(server.requests) == 2


def test_two_equal_streams_of_one_thread_do_not_wait_for_each_other(
    cache: PromptCache, connect: Connect, server: Loopback
) -> None:
    client = connect(CHAT)

    one, other = asked(client, CHAT, stream=True), asked(client, CHAT, stream=True)

    assert list(zip(one, other, strict=True))
    assert len(server.requests) == 2


async def test_a_stream_that_nobody_reads_is_not_waited_for_long(spans: Spans, server: Loopback) -> None:
    async with CHAT.make(server.url, is_async=True) as client:
        with PromptCache(wait_s=0.05).enabled():
            left = await asyncio.create_task(asked(client, CHAT, stream=True))
            read = await asyncio.create_task(_read(client))
        async with left:
            pass

    assert read
    assert len(server.requests) == 2


@pytest.mark.parametrize("client_class", [groq.Groq, together.Together], ids=lambda kind: kind.__name__)
def test_other_clients_of_the_same_make_have_their_streams_again_too(
    client_class: Any, cache: PromptCache, server: Loopback
) -> None:
    with client_class(api_key="none", base_url=f"{server.url}/v1") as client:
        wholes = [asked(client, CHAT) for _ in range(2)]
        streams = [list(asked(client, CHAT, stream=True)) for _ in range(3)]

    assert wholes[0] == wholes[1]
    assert streams[0] == streams[1] == streams[2]
    assert len(server.requests) == 2


def test_times_at_the_server_are_of_the_call_that_was_made(
    cache: PromptCache, server: Loopback, spans: Spans
) -> None:
    server.script = [Answer("groq_chat.json")]

    with groq.Groq(api_key="none", base_url=f"{server.url}/v1") as client:
        for _ in range(2):
            asked(client, CHAT)

    assert [("agentprof.server.prompt_time" in facts) for facts in facts_of(spans)] == [True, False]


def test_answers_of_any_client_come_from_memory_but_not_its_streams(
    cache: PromptCache, server: Loopback
) -> None:
    server.script = [Answer("ollama_chat.json")] + 2 * [Answer("ollama_chat_stream.ndjson")]
    asked: dict[str, Any] = {"model": "qwen3", "messages": MESSAGES.arguments["messages"]}

    with ollama.Client(host=server.url) as client:
        wholes = [client.chat(**asked) for _ in range(2)]
        for _ in range(2):
            list(client.chat(**asked, stream=True))

    assert wholes[0] == wholes[1]
    assert wholes[0] is not wholes[1]
    assert len(server.requests) == 3
    assert cache.skipped == {"stream": 2}


def test_what_is_no_call_of_a_model_goes_past(cache: PromptCache, server: Loopback) -> None:
    server.script = 2 * [Answer("cohere_v2_rerank.json")]

    with cohere.ClientV2(api_key="none", base_url=server.url) as client:
        for _ in range(2):
            client.rerank(model="rerank-v3.5", query="a", documents=["a", "b"])

    assert len(server.requests) == 2
    assert (cache.hits, cache.misses) == (0, 0)


class Interrupted:
    """A back end in which Ctrl-C is pressed."""

    def get(self, _key: str) -> None:
        raise KeyboardInterrupt

    def set(self, _key: str, _data: bytes) -> None:
        raise KeyboardInterrupt

    def delete(self, _key: str) -> None: ...


async def test_an_interruption_ends_the_span_and_lets_others_lead(
    spans: Spans, connect: Connect, server: Loopback
) -> None:
    client = connect(CHAT)

    with PromptCache(backend=Interrupted()).enabled() as cache:
        with pytest.raises(KeyboardInterrupt):
            asked(client, CHAT)
        assert cache._flights._leaders == {}
        assert [fact["error.type"] for fact in facts_of(spans)] == ["KeyboardInterrupt"]


async def test_who_is_cancelled_while_it_waits_ends_its_span(
    cache: PromptCache, server: Loopback, spans: Spans
) -> None:
    server.gate.clear()
    async with CHAT.make(server.url, is_async=True) as client:
        first = asyncio.create_task(asked(client, CHAT))
        await asyncio.to_thread(server.asked.wait, 20)
        second = asyncio.create_task(asked(client, CHAT))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        server.gate.set()
        await first

    assert [fact.get("error.type") for fact in facts_of(spans)] == ["asyncio.exceptions.CancelledError", None]


async def test_a_cache_that_fails_lets_calls_through(
    pipeline: Spans, server: Loopback, connect: Connect
) -> None:
    class Broken(PromptCache):
        def lookup(self, *arguments: Any, **more: Any) -> Any:
            found = super().lookup(*arguments, **more)
            assert found is not None
            found._shelf = None  # type: ignore[assignment]  # every use of it fails
            return found

    with otel_agentprof.instrument(tracer_provider=pipeline.provider, cache=Broken()):
        assert asked(connect(CHAT), CHAT)
        assert list(asked(connect(CHAT), CHAT, stream=True))
        async with CHAT.make(server.url, is_async=True) as client:
            assert await asked(client, CHAT)
            assert await _read(client)

    assert len(server.requests) == 4
    assert len(pipeline.all()) == 4


def test_a_hit_with_content_asked_for_says_what_was_answered(
    pipeline: Spans, connect: Connect, server: Loopback
) -> None:
    with otel_agentprof.instrument(
        tracer_provider=pipeline.provider, cache=PromptCache(), capture_content=True
    ):
        client = connect(CHAT)
        asked(client, CHAT)
        asked(client, CHAT)

    first, second = facts_of(pipeline)
    assert first["gen_ai.output.messages"] == second["gen_ai.output.messages"]
