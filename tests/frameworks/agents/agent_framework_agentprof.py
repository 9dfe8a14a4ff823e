"""Agent Framework, with our client spans in its own: an agent as a tool, a failing tool, a stream."""

import stage
from agent_framework import Agent, tool
from agent_framework.openai import OpenAIChatCompletionClient

import otel_agentprof

stage.profiled(stage.tracing())


def model(name: str) -> OpenAIChatCompletionClient:
    return OpenAIChatCompletionClient(model=name, base_url=f"{stage.URL}/v1", api_key=stage.KEY)


expert = Agent(model(stage.SMALL), name="expert")
tools = [tool(function) for function in (stage.weather, stage.population, stage.lottery)]
guide = Agent(model(stage.BIG), name="guide", tools=[*tools, expert.as_tool(name="ask_expert")])


async def main() -> None:
    await guide.run(stage.QUESTION)
    async for _ in guide.run(stage.BRIEF, stream=True):
        pass


stage.run(main())
otel_agentprof.uninstrument()
stage.finish("agent-framework-core", "openai")
