"""How often a client tried again: told on the one span of its call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anthropic
import groq
import openai
import pytest
from loopback import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Spans
    from loopback import Loopback

CHAT: dict[str, Any] = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hello"}]}
MESSAGE: dict[str, Any] = {**CHAT, "model": "claude-sonnet-5", "max_tokens": 9}
BUSY = {
    name: Answer(f"{name}_error_429.json", 429, headers={"retry-after-ms": "1"})
    for name in ("openai", "anthropic")
}
Ways = dict[str, tuple[str, "Callable[[str], Any]", "Callable[[Any], Any]"]]


def _openai(url: str, make: Any = openai.OpenAI) -> Any:
    return make(api_key="none", base_url=f"{url}/v1", max_retries=2)


def _anthropic(url: str) -> Any:
    return anthropic.Anthropic(api_key="none", base_url=url, max_retries=2)


def _groq(url: str) -> Any:
    return groq.Groq(api_key="none", base_url=url, max_retries=2)


def _read_response(client: Any) -> None:
    with client.chat.completions.with_streaming_response.create(**CHAT) as response:
        response.read()


def _read_helper(client: Any) -> None:
    with client.messages.stream(**MESSAGE) as stream:
        stream.get_final_message()


WAYS: Ways = {
    "openai": ("openai", _openai, lambda c: c.chat.completions.create(**CHAT)),
    "openai-stream": ("openai", _openai, lambda c: list(c.chat.completions.create(**CHAT, stream=True))),
    "openai-raw": ("openai", _openai, lambda c: c.chat.completions.with_raw_response.create(**CHAT)),
    "openai-streaming-response": ("openai", _openai, _read_response),
    "openai-responses": ("openai", _openai, lambda c: c.responses.create(model="gpt-5-mini", input="Hello")),
    "openai-embeddings": (
        "openai",
        _openai,
        lambda c: c.embeddings.create(model="text-embedding-3-small", input="Hello"),
    ),
    "anthropic": ("anthropic", _anthropic, lambda c: c.messages.create(**MESSAGE)),
    "anthropic-helper": ("anthropic", _anthropic, _read_helper),
    "groq": ("openai", _groq, lambda c: c.chat.completions.create(**CHAT)),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_at_the_third_try_tells_of_two_retries(way: str, server: Loopback, spans: Spans) -> None:
    error, make, call = WAYS[way]
    server.script += [BUSY[error]] * 2

    with make(server.url) as client:
        call(client)

    assert len(server.requests) == 3
    assert spans.facts()["agentprof.retry.count"] == 2


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_at_the_first_try_tells_of_no_retries(way: str, server: Loopback, spans: Spans) -> None:
    _, make, call = WAYS[way]

    with make(server.url) as client:
        call(client)

    assert "agentprof.retry.count" not in spans.facts()


@pytest.mark.parametrize("way", WAYS)
def test_a_call_that_is_given_up_tells_how_often_it_was_tried_again(
    way: str, server: Loopback, spans: Spans
) -> None:
    error, make, call = WAYS[way]
    server.script += [BUSY[error]] * 3

    with make(server.url) as client, pytest.raises((openai.APIError, anthropic.APIError, groq.APIError)):
        call(client)

    assert spans.facts()["agentprof.retry.count"] == 2
    assert spans.facts()["http.response.status_code"] == 429


def test_a_server_that_cannot_be_reached_is_told_likewise(spans: Spans) -> None:
    client = _openai("http://127.0.0.1:9").with_options(max_retries=1)
    with client, pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(**CHAT)

    assert spans.facts()["agentprof.retry.count"] == 1


def test_async_clients_tell_likewise(server: Loopback, spans: Spans) -> None:
    server.script += [BUSY["openai"]]

    async def main() -> None:
        async with _openai(server.url, openai.AsyncOpenAI) as client:
            await client.chat.completions.create(**CHAT)

    asyncio.run(main())

    assert spans.facts()["agentprof.retry.count"] == 1


def test_what_is_no_call_of_ours_writes_on_nobodys_span(server: Loopback, spans: Spans) -> None:
    server.script += [BUSY["openai"], Answer(b'{"object": "list", "data": []}')]

    with spans.provider.get_tracer("test").start_as_current_span("outer"), _openai(server.url) as client:
        client.post("/files", cast_to=object, body={})

    assert "agentprof.retry.count" not in spans.facts()
