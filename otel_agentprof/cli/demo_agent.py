"""The agent that ``agentprof demo`` runs: it looks things up, reads them and writes about them.

It is built as many agents are: it searches side by side, but reads page after page although the model asked
for all of them at once, and it sends everything that it has read to its most expensive model.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.instrumentation.tools import agent, tool

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from openai import AsyncOpenAI

_LARGE: Final = "gpt-4o"
_SMALL: Final = "gpt-5-mini"
_SYSTEM: Final = (
    "You are a careful researcher. Search first, then read the best pages, then answer with what they say. "
    "Name every source. Do not guess. "
) * 48  # house rules, as long as real ones: long enough to be cached
_PAGE_CHARACTERS: Final = 24_000


@tool("search_web", call_id_from="call_id")
async def _search_web(query: str, call_id: str) -> str:  # noqa: ARG001 - the span takes the id
    await asyncio.sleep(0.30)
    return f"ten web pages about {query}"


@tool("search_news", call_id_from="call_id")
async def _search_news(query: str, call_id: str) -> str:  # noqa: ARG001 - the span takes the id
    await asyncio.sleep(0.45)
    return f"four articles about {query}"


@tool("search_archive", call_id_from="call_id")
async def _search_archive(query: str, call_id: str) -> str:  # noqa: ARG001 - the span takes the id
    await asyncio.sleep(1.05)
    return f"two old reports about {query}"


@tool("read_page", call_id_from="call_id")
async def _read_page(url: str, call_id: str) -> str:  # noqa: ARG001 - the span takes the id
    await asyncio.sleep(0.22)
    text = f"What {url} says about agents that wait for their tools. "
    return (text * (_PAGE_CHARACTERS // len(text) + 1))[:_PAGE_CHARACTERS]


_TOOLS: Final[dict[str, Callable[..., Coroutine[Any, Any, str]]]] = {
    "search_web": _search_web,
    "search_news": _search_news,
    "search_archive": _search_archive,
    "read_page": _read_page,
}


def _offer(name: str, argument: str, *examples: str) -> Any:
    schema = {"type": "object", "properties": {argument: {"type": "string", "examples": list(examples)}}}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


_OFFERED: Final[list[Any]] = [
    _offer("search_web", "query", "agent latency"),
    _offer("search_news", "query", "agent latency"),
    _offer("search_archive", "query", "tool calls"),
    _offer("read_page", "url", "example.com/a", "example.com/b", "example.com/c"),
]


@agent("researcher")
async def research(client: AsyncOpenAI, question: str) -> str:
    """Return an answer to a question."""
    messages: list[Any] = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": question}]
    plan = await _ask(client, messages)
    messages += await asyncio.gather(*map(_use, plan))
    ranking = await client.chat.completions.create(
        model=_SMALL, messages=[{"role": "user", "content": str(messages[-3:])}]
    )
    messages.append({"role": "user", "content": ranking.choices[0].message.content})
    for call in await _ask(client, messages):
        messages.append(await _use(call))
    return await _write(client, messages)


async def _ask(client: AsyncOpenAI, messages: list[Any]) -> list[Any]:
    """Return the tool calls that the model wants, and remember that it wanted them."""
    response = await client.chat.completions.create(model=_LARGE, messages=messages, tools=_OFFERED)
    answer = response.choices[0].message
    messages.append(answer.model_dump(exclude_none=True))
    return list(answer.tool_calls or ())


async def _use(call: Any) -> dict[str, str]:  # a vendor's object
    result = await _TOOLS[call.function.name](**json.loads(call.function.arguments), call_id=call.id)
    return {"role": "tool", "tool_call_id": call.id, "content": result}


async def _write(client: AsyncOpenAI, messages: list[Any]) -> str:
    stream = await client.chat.completions.create(
        model=_LARGE, messages=messages, tools=_OFFERED, stream=True, stream_options={"include_usage": True}
    )
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
