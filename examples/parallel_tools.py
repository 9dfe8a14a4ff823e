"""The tool calls of one answer, one after another and at once: what the report promised, and what came.

    python examples/parallel_tools.py

With OPENAI_API_KEY set it talks to OpenAI; without one a stand-in model on this machine answers.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from openai import AsyncOpenAI

import otel_agentprof as ap
from otel_agentprof.cli.demo_server import in_place_of_missing_keys

MODEL = "gpt-4o-mini"
PAGES = ["example.com/1", "example.com/2", "example.com/3", "example.com/4"]


@ap.tool("read_page", call_id_from="call_id")
async def read_page(url: str, call_id: str) -> str:
    await asyncio.sleep(0.2)  # your HTTP client
    return f"{url} says: measure first, then change one thing."


REGISTRY = {"read_page": read_page}
DESCRIPTION: Any = {
    "type": "function",
    "function": {
        "name": "read_page",
        "parameters": {
            "type": "object",
            "properties": {"url": {"type": "string", "examples": PAGES}},
            "required": ["url"],
        },
    },
}


async def one_by_one(response: Any) -> list[Any]:
    """Run the tools as most agents do."""
    results = []
    for call in response.choices[0].message.tool_calls:
        content = await read_page(**json.loads(call.function.arguments), call_id=call.id)
        results.append({"role": "tool", "tool_call_id": call.id, "content": content})
    return results


async def at_once(response: Any) -> list[Any]:
    """Run them together: the one line that changes."""
    return await ap.arun_tool_calls(response, REGISTRY)


@ap.agent("reader")
async def ask(client: AsyncOpenAI, use_tools: Callable[[Any], Awaitable[list[Any]]]) -> str:
    messages: list[Any] = [{"role": "user", "content": "What do these pages say?"}]
    while True:
        response = await client.chat.completions.create(model=MODEL, messages=messages, tools=[DESCRIPTION])
        answer = response.choices[0].message
        if not answer.tool_calls:
            return answer.content or ""
        messages += [answer, *await use_tools(response)]


async def main() -> None:
    ap.instrument()
    async with AsyncOpenAI() as client:
        await ask(client, at_once)  # opens the connection; prices are loaded meanwhile
        with ap.profile("one by one") as before:
            await ask(client, one_by_one)
        with ap.profile("at once") as after:
            await ask(client, at_once)
    print("done")
    if before.report is None or after.report is None:
        return
    for finding in before.report.findings:
        if finding.rule == "sequential_group" and finding.saving_ns is not None:
            promised_ns = before.report.duration_ns - finding.saving_ns
            print(f"before    {before.report.duration_ns / 1e6:5.0f} ms: {finding.title}")
            print(f"promised  {promised_ns / 1e6:5.0f} ms ({finding.confidence})")
            print(f"measured  {after.report.duration_ns / 1e6:5.0f} ms")


if __name__ == "__main__":
    with in_place_of_missing_keys():
        asyncio.run(main())
