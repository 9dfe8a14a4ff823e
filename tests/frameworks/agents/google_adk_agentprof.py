"""Google ADK with its own spans and our client spans: an agent as a tool, a failing tool, a streamed run."""

import os

import stage
from google.adk.agents import Agent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.models.lite_llm import LiteLlm
from google.adk.plugins import ReflectAndRetryToolPlugin
from google.adk.runners import InMemoryRunner
from google.adk.tools.agent_tool import AgentTool
from google.genai import types

import otel_agentprof

stage.profiled(stage.tracing())


def model(name: str) -> LiteLlm:
    return LiteLlm(model=f"openai/{name}", api_base=f"{stage.URL}/v1", api_key=stage.KEY)


expert = Agent(name="ask_expert", model=model(stage.SMALL), description="Somebody who knows.")
guide = Agent(
    name="guide",
    model=model(stage.BIG),
    tools=[stage.weather, stage.population, stage.lottery, AgentTool(expert)],
)


async def main() -> None:
    # The plugin tells the model of a tool's failure; without one it ends the run.
    runner = InMemoryRunner(agent=guide, app_name="guide", plugins=[ReflectAndRetryToolPlugin()])
    for question, mode in ((stage.QUESTION, StreamingMode.NONE), (stage.BRIEF, StreamingMode.SSE)):
        session = await runner.session_service.create_session(app_name="guide", user_id="somebody")
        said = types.Content(role="user", parts=[types.Part(text=question)])
        async for _ in runner.run_async(
            user_id="somebody",
            session_id=session.id,
            new_message=said,
            run_config=RunConfig(streaming_mode=mode),
        ):
            pass


stage.run(main())
otel_agentprof.uninstrument()
assert "ADK_CAPTURE_MESSAGE_CONTENT_IN_SPANS" not in os.environ
stage.finish("google-adk", "litellm")
