"""Strands, pointed at our provider: two tools at once, an agent as a tool, a failing tool; all streamed."""

import stage
from opentelemetry.sdk.trace import TracerProvider
from strands import Agent, tool
from strands.models.openai import OpenAIModel
from strands.telemetry import get_tracer

import otel_agentprof

before = dict(vars(get_tracer()))
kept = TracerProvider()  # not the global one: the spans go where instrument() was told
stage.keep(kept)
stage.profiled(kept)


def model(name: str) -> OpenAIModel:
    return OpenAIModel(client_args={"base_url": f"{stage.URL}/v1", "api_key": stage.KEY}, model_id=name)


expert = Agent(name="expert", model=model(stage.SMALL), callback_handler=None)


@tool
def ask_expert(question: str) -> str:
    """Ask somebody who knows."""
    return str(expert(question))


guide = Agent(
    name="guide",
    model=model(stage.BIG),
    tools=[tool(stage.weather), tool(stage.population), tool(stage.lottery), ask_expert],
    callback_handler=None,
)
guide(stage.QUESTION)
guide(stage.BRIEF)
otel_agentprof.uninstrument()
assert vars(get_tracer()) == before
stage.finish("strands-agents", "openai")
