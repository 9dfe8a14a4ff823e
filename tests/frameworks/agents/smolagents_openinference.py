"""smolagents with OpenInference: two tool-calling agents, one of them run twice."""

import stage
from openinference.instrumentation.smolagents import SmolagentsInstrumentor
from opentelemetry import trace
from smolagents import OpenAIServerModel, ToolCallingAgent, tool

SmolagentsInstrumentor().instrument(tracer_provider=stage.tracing())


def model(name: str) -> OpenAIServerModel:
    return OpenAIServerModel(model_id=name, api_base=f"{stage.URL}/v1", api_key=stage.KEY)


tools = [tool(stage.weather), tool(stage.population)]
guide = ToolCallingAgent(tools=tools, model=model(stage.BIG), max_steps=3)
expert = ToolCallingAgent(tools=[], model=model(stage.SMALL), max_steps=3)
with trace.get_tracer("crew").start_as_current_span("crew"):
    guide.run(stage.QUESTION)
    expert.run(stage.QUESTION)
    guide.run(stage.QUESTION)  # its counters run on
stage.finish("smolagents", "openinference-instrumentation-smolagents")
