"""OpenAI's agents over the responses API, seen by OpenInference or by OpenLLMetry."""

import stage
from agents import Agent, OpenAIResponsesModel, Runner, function_tool
from openai import AsyncOpenAI

provider = stage.tracing()
if stage.MODE == "openinference":
    from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor

    package = "openinference-instrumentation-openai-agents"
else:
    from opentelemetry.instrumentation.openai_agents import OpenAIAgentsInstrumentor

    package = "opentelemetry-instrumentation-openai-agents"
OpenAIAgentsInstrumentor().instrument(tracer_provider=provider)
client = AsyncOpenAI(base_url=f"{stage.URL}/v1", api_key=stage.KEY)


def model(name: str) -> OpenAIResponsesModel:
    return OpenAIResponsesModel(model=name, openai_client=client)


expert = Agent(name="expert", model=model(stage.SMALL))
guide = Agent(
    name="guide",
    model=model(stage.BIG),
    tools=[
        function_tool(stage.weather),
        function_tool(stage.population),
        expert.as_tool(tool_name="ask_expert", tool_description="Ask somebody who knows."),
    ],
)


async def main() -> None:
    await Runner.run(guide, stage.QUESTION)
    answer = Runner.run_streamed(guide, stage.BRIEF)
    async for _ in answer.stream_events():
        pass


stage.run(main())
stage.finish("openai-agents", package)
