"""AutoGen with its own spans and our client spans: an agent as a tool, a failing tool, a streamed answer."""

import stage
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.tools import AgentTool
from autogen_core.models import ModelInfo
from autogen_core.tools import FunctionTool
from autogen_ext.models.openai import OpenAIChatCompletionClient

import otel_agentprof

stage.profiled(stage.tracing())


def model(name: str, **settings: object) -> OpenAIChatCompletionClient:
    able = ModelInfo(
        vision=False, function_calling=True, json_output=False, family="unknown", structured_output=False
    )
    return OpenAIChatCompletionClient(
        model=name,
        base_url=f"{stage.URL}/v1",
        api_key=stage.KEY,
        model_info=able,
        **settings,
    )


expert = AssistantAgent("ask_expert", model(stage.SMALL), description="Somebody who knows.")
tools = [
    FunctionTool(function, description="About a city.")
    for function in (stage.weather, stage.population, stage.lottery)
]
guide = AssistantAgent(
    "guide",
    model(stage.BIG),
    tools=[*tools, AgentTool(expert)],
    max_tool_iterations=5,
)
streamed = model(stage.BIG, stream_options={"include_usage": True})
brief = AssistantAgent("brief", streamed, model_client_stream=True)


async def main() -> None:
    await guide.run(task=stage.QUESTION)
    async for _ in brief.run_stream(task=stage.BRIEF):
        pass


stage.run(main())
otel_agentprof.uninstrument()
stage.finish("autogen-agentchat", "openai")
