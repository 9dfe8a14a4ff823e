"""Strands with spans of its own; every call of it is streamed."""

import stage
from strands import Agent, tool
from strands.models.openai import OpenAIModel

tracer_provider = stage.tracing()
if stage.MODE == "agentprof":
    stage.profiled(tracer_provider)


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
    tools=[tool(stage.weather), tool(stage.population), ask_expert],
    callback_handler=None,
)
guide(stage.QUESTION)
guide(stage.BRIEF)
stage.finish("strands-agents", "openai")
