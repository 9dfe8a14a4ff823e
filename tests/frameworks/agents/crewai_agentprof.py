"""CrewAI, profiled: two agents of one crew, tools called at once, one that fails, a crew that streams."""

import os

os.environ["CREWAI_DISABLE_TELEMETRY"] = os.environ["CREWAI_TRACING_ENABLED"] = "false"
os.environ["OTEL_SDK_DISABLED"] = "false"
import otel_agentprof
import stage  # the settings above come first: CrewAI reads them when it is imported
from crewai import LLM, Agent, Crew, Task
from crewai.events import crewai_event_bus
from crewai.tools import tool
from opentelemetry.trace import INVALID_SPAN, get_current_span

before = type(crewai_event_bus).emit
stage.profiled(stage.tracing())


def model(name: str) -> LLM:
    return LLM(model=name, provider="openai", base_url=f"{stage.URL}/v1", api_key=stage.KEY)


def agent(role: str, name: str, *tools: object) -> Agent:
    story = {"goal": "tell about a city", "backstory": "knows cities"}
    return Agent(role=role, **story, llm=model(name), tools=[*tools])


def crew(*agents: Agent, question: str, **settings: object) -> Crew:
    tasks = [Task(description=question, expected_output="a sentence", agent=one) for one in agents]
    return Crew(agents=[*agents], tasks=tasks, **settings)


guide = agent("guide", stage.BIG, tool(stage.weather), tool(stage.population), tool(stage.lottery))
expert = agent("expert", stage.SMALL)
crew(guide, expert, question=stage.QUESTION, name="city").kickoff()
assert get_current_span() is INVALID_SPAN
for _ in crew(expert, question=stage.BRIEF, name="brief", stream=True).kickoff():
    assert get_current_span() is INVALID_SPAN
assert get_current_span() is INVALID_SPAN
crewai_event_bus.flush()
stage.finish("crewai")

otel_agentprof.uninstrument()
assert type(crewai_event_bus).emit is before
