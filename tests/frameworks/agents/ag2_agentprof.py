"""AG2, its middleware added by us or by the user: tools at once, an agent as a tool, a failing one."""

import stage
from ag2 import Agent
from ag2.config import OpenAIConfig
from ag2.middleware.builtin.telemetry import TelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider

import otel_agentprof

before = vars(Agent)["_turn_scope"]
kept = TracerProvider()  # not the global one: the spans go where they were told to go
stage.keep(kept)
own = [TelemetryMiddleware(tracer_provider=kept, capture_content=False)]
if stage.MODE == "agentprof":
    stage.profiled(kept)
    own = []


def model(name: str, **settings: bool) -> OpenAIConfig:
    return OpenAIConfig(model=name, base_url=f"{stage.URL}/v1", api_key=stage.KEY, **settings)


expert = Agent("expert", config=model(stage.SMALL))
tools = [stage.weather, stage.population, stage.lottery]
if not own:
    tools.append(expert.as_tool(description="Somebody who knows.", name="ask_expert"))
guide = Agent(
    "guide",
    config=model(stage.BIG),
    middleware=own,
    tools=tools,
)
brief = Agent("brief", config=model(stage.BIG, streaming=True), middleware=own)


async def main() -> None:
    await guide.ask(stage.QUESTION)
    await brief.ask(stage.BRIEF)


stage.run(main())
otel_agentprof.uninstrument()
assert vars(Agent)["_turn_scope"] is before
stage.finish("ag2", "openai")
