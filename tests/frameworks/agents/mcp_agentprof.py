"""A hand-made agent whose tools are on an MCP server: two at once, one that fails, a streamed answer."""

import asyncio
import json
import os
import sys
from pathlib import Path

import stage
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from openai import AsyncOpenAI

import otel_agentprof as ap

original = ClientSession.call_tool
stage.profiled(stage.tracing())
client = AsyncOpenAI(base_url=f"{stage.URL}/v1", api_key=stage.KEY)
theirs = stage.SPANS.with_name("server.jsonl")


async def offered(session: ClientSession) -> list:
    tools = (await session.list_tools()).tools
    schemas = [getattr(tool, "input_schema", None) or tool.inputSchema for tool in tools]
    return [
        {"type": "function", "function": {"name": tool.name, "parameters": schema}}
        for tool, schema in zip(tools, schemas, strict=True)
    ]


async def use(session: ClientSession, call: object) -> dict:
    with ap.tool(call.function.name, call_id=call.id):
        done = await session.call_tool(call.function.name, json.loads(call.function.arguments))
    return {"role": "tool", "tool_call_id": call.id, "content": done.content[0].text}


@ap.agent("guide")
async def guide(session: ClientSession) -> None:
    tools = await offered(session)
    said = [{"role": "user", "content": stage.QUESTION}]
    while True:
        answer = await client.chat.completions.create(model=stage.BIG, messages=said, tools=tools)
        calls = answer.choices[0].message.tool_calls
        said.append(answer.choices[0].message.model_dump(exclude_none=True))
        if not calls:
            break
        said += await asyncio.gather(*(use(session, call) for call in calls))
    brief = [{"role": "user", "content": stage.BRIEF}]
    options = {"include_usage": True}
    async for _ in await client.chat.completions.create(
        model=stage.BIG, messages=brief, stream=True, stream_options=options
    ):
        pass


async def main() -> None:
    program = str(Path(__file__).with_name("mcp_tools.py"))
    environment = {**os.environ, "FRAMEWORKS_SPANS": str(theirs)}
    server = StdioServerParameters(command=sys.executable, args=[program], env=environment)
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        await session.initialize()
        await guide(session)


stage.run(main())
ap.uninstrument()
assert ClientSession.call_tool is original
stage.finish("mcp", "openai")
with stage.SPANS.open("a", encoding="utf-8") as kept:
    kept.write(theirs.read_text(encoding="utf-8"))
