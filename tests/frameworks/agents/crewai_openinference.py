"""CrewAI with OpenInference for the crew and for the client."""

import os

os.environ["CREWAI_DISABLE_TELEMETRY"] = os.environ["CREWAI_TRACING_ENABLED"] = "false"
os.environ["OTEL_SDK_DISABLED"] = "false"
import stage  # the settings above come first: CrewAI reads them when it is imported
from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool
from openinference.instrumentation.crewai import CrewAIInstrumentor
from openinference.instrumentation.openai import OpenAIInstrumentor

provider = stage.tracing()
CrewAIInstrumentor().instrument(tracer_provider=provider)
OpenAIInstrumentor().instrument(tracer_provider=provider)


def model(name: str) -> LLM:
    return LLM(model=name, provider="openai", base_url=f"{stage.URL}/v1", api_key=stage.KEY)


guide = Agent(
    role="guide",
    goal="tell about a city",
    backstory="knows cities",
    llm=model(stage.BIG),
    tools=[tool(stage.weather), tool(stage.population)],
)
expert = Agent(role="expert", goal="tell more", backstory="knows more", llm=model(stage.SMALL))
tasks = [
    Task(description=stage.QUESTION, expected_output="a sentence", agent=guide),
    Task(description=stage.QUESTION, expected_output="a sentence", agent=expert),
]
Crew(agents=[guide, expert], tasks=tasks).kickoff()
stage.finish("crewai", "openinference-instrumentation-crewai", "openinference-instrumentation-openai")
