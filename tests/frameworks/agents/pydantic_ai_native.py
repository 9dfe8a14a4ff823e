"""Pydantic AI with spans of its own: two tools at once, an agent that is a tool, a streamed answer."""

import stage
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

tracer_provider = stage.tracing()
if stage.MODE == "agentprof":
    stage.profiled(tracer_provider)
Agent.instrument_all()
provider = OpenAIProvider(base_url=f"{stage.URL}/v1", api_key=stage.KEY)
expert = Agent(OpenAIChatModel(stage.SMALL, provider=provider), name="expert")
guide = Agent(
    OpenAIChatModel(stage.BIG, provider=provider), name="guide", tools=[stage.weather, stage.population]
)


@guide.tool_plain
async def ask_expert(question: str) -> str:
    """Ask somebody who knows."""
    return (await expert.run(question)).output


async def main() -> None:
    await guide.run(stage.QUESTION)
    async with guide.run_stream(stage.BRIEF) as answer:
        async for _ in answer.stream_text():
            pass


stage.run(main())
stage.finish("pydantic-ai-slim", "openai")
