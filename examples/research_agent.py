"""A research agent on OpenAI: searches side by side, then reads page after page.

    python examples/research_agent.py            one line at the end
    agentprof run examples/research_agent.py     the whole report

With OPENAI_API_KEY set it talks to OpenAI; without one a stand-in model on this machine answers.
"""

import asyncio
import json
from typing import Any

from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageFunctionToolCall as ToolCall

import otel_agentprof as ap
from otel_agentprof.cli.demo_server import in_place_of_missing_keys

MODEL = "gpt-4o-mini"


@ap.tool("search", call_id_from="call_id")
async def search(query: str, call_id: str) -> str:
    await asyncio.sleep(0.2)  # your search engine
    return f"three pages about {query}: example.com/1, example.com/2, example.com/3"


@ap.tool("read_page", call_id_from="call_id")
async def read_page(url: str, call_id: str) -> str:
    await asyncio.sleep(0.1)  # your HTTP client
    return f"{url} says: measure first, then change one thing."


TOOLS: dict[str, Any] = {"search": search, "read_page": read_page}


def describe(name: str, parameter: str, examples: list[str]) -> Any:
    """Tell the model of a tool with one text parameter."""
    properties = {parameter: {"type": "string", "examples": examples}}
    schema = {"type": "object", "properties": properties, "required": [parameter]}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


DESCRIPTIONS = [
    describe("search", "query", ["profilers", "agents"]),
    describe("read_page", "url", ["example.com/1", "example.com/2", "example.com/3"]),
]


async def use(call: ToolCall) -> dict[str, str]:
    """Run one tool that the model asked for."""
    arguments = json.loads(call.function.arguments)
    result = await TOOLS[call.function.name](**arguments, call_id=call.id)
    return {"role": "tool", "tool_call_id": call.id, "content": result}


@ap.agent("researcher")
async def research(client: AsyncOpenAI, question: str) -> str:
    """Ask the model, run the tools that it wants, and so on until it answers."""
    messages: list[Any] = [{"role": "user", "content": question}]
    while True:
        response = await client.chat.completions.create(model=MODEL, messages=messages, tools=DESCRIPTIONS)
        answer = response.choices[0].message
        calls = [call for call in answer.tool_calls or () if isinstance(call, ToolCall)]
        if not calls:
            return answer.content or ""
        messages.append(answer)
        searches = [call for call in calls if call.function.name == "search"]
        messages += await asyncio.gather(*map(use, searches))  # side by side
        for call in calls:
            if call not in searches:
                messages.append(await use(call))  # one after another: the report will say what that costs


async def main() -> None:
    with ap.profile("research task") as run:
        async with AsyncOpenAI() as client:
            answer = await research(client, "How do I make my agent faster?")
    print(answer[:70], "...")
    if (report := run.report) is not None:
        print(f"{report.duration_ns / 1e9:.1f} s, ${report.cost_usd}, {len(report.findings)} findings:")
        for finding in report.findings:
            print(f"- {finding.title}")


if __name__ == "__main__":
    with in_place_of_missing_keys():
        asyncio.run(main())
