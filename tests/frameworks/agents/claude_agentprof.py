"""Claude's agent SDK and the program that it brings: two tools at once, a sub-agent, a failing tool."""

import os

import stage

from claude_agent_sdk import (
    AgentDefinition,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    ResultMessage,
    create_sdk_mcp_server,
    query,
    tool,
)
from opentelemetry.trace import INVALID_SPAN, get_current_span

import otel_agentprof

for name in [*os.environ]:  # the program shall find nothing of the person who runs this
    if name.startswith(("ANTHROPIC", "CLAUDE", "AWS_", "GOOGLE_")):
        del os.environ[name]
os.environ |= {
    "ANTHROPIC_API_KEY": stage.KEY,
    "ANTHROPIC_BASE_URL": stage.URL,
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
    "HOME": str(stage.SPANS.parent),
}
before = {name: vars(ClaudeSDKClient)[name] for name in ("query", "receive_messages", "disconnect")}
stage.profiled(stage.tracing())


def told(text: str) -> dict:
    return {"content": [{"type": "text", "text": text}]}


@tool("weather", "Weather of a city.", {"city": str})
async def weather(arguments: dict) -> dict:
    return told(stage.weather(arguments["city"]))


@tool("population", "People in a city.", {"city": str})
async def population(arguments: dict) -> dict:
    return told(stage.population(arguments["city"]))


@tool("lottery", "Lucky number of a city.", {"city": str})
async def lottery(arguments: dict) -> dict:
    return told(stage.lottery(arguments["city"]))


names = ("mcp__city__weather", "mcp__city__population", "mcp__city__lottery", "Task")
options = ClaudeAgentOptions(
    model=stage.CLAUDE,
    mcp_servers={"city": create_sdk_mcp_server("city", tools=[weather, population, lottery])},
    tools=["Task"],
    allowed_tools=[*names],
    agents={"expert": AgentDefinition(description="Knows.", prompt="You know.", model="haiku", tools=[])},
)


async def main() -> None:
    async for message in query(prompt=stage.QUESTION, options=options):
        assert get_current_span() is INVALID_SPAN
        done = message
    assert isinstance(done, ResultMessage)
    async with ClaudeSDKClient(options) as client:
        for _ in range(2):
            await client.query(stage.BRIEF)
            async for _ in client.receive_response():
                assert get_current_span() is INVALID_SPAN


stage.run(main())
otel_agentprof.uninstrument()
assert {name: vars(ClaudeSDKClient)[name] for name in before} == before
stage.finish("claude-agent-sdk")
