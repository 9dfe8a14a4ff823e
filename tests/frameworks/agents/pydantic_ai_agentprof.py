"""Pydantic AI, switched on by our package: two tools at once, an agent as a tool, a failing one, a stream."""

import stage
from opentelemetry.sdk.trace import TracerProvider
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

import otel_agentprof

kept = TracerProvider()  # not the global one: the spans go where instrument() was told
stage.keep(kept)
stage.profiled(kept)
provider = OpenAIProvider(base_url=f"{stage.URL}/v1", api_key=stage.KEY)
expert = Agent(OpenAIChatModel(stage.SMALL, provider=provider), name="expert")
guide = Agent(
    OpenAIChatModel(stage.BIG, provider=provider), name="guide", tools=[stage.weather, stage.population]
)


@guide.tool_plain
async def ask_expert(question: str) -> str:
    """Ask somebody who knows."""
    return (await expert.run(question)).output


@guide.tool_plain
def lottery(city: str) -> str:
    """Return the lucky number of a city."""
    try:
        return stage.lottery(city)
    except ValueError as error:
        raise ModelRetry("no luck") from error


async def main() -> None:
    await guide.run(stage.QUESTION)
    async with guide.run_stream(stage.BRIEF) as answer:
        async for _ in answer.stream_text():
            pass


stage.run(main())
otel_agentprof.uninstrument()
assert Agent._instrument_default is False
Agent.instrument_all()
stage.profiled(kept)
otel_agentprof.uninstrument()
assert Agent._instrument_default is True
stage.finish("pydantic-ai-slim", "openai")
