"""OpenAI's agents, profiled: an expert as a tool, a handoff, a streamed run, a model of the program's own."""

import asyncio
from typing import Any

import otel_agentprof
import stage
from agents import (
    Agent,
    Model,
    ModelResponse,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    Usage,
    function_tool,
    set_trace_processors,
    trace,
)
from agents.tool_context import ToolContext
from agents.tracing import get_trace_provider
from openai import AsyncOpenAI
from openai.types.responses import ResponseOutputMessage, ResponseOutputText
from opentelemetry.trace import INVALID_SPAN, get_current_span

before = vars(ToolContext)["from_agent_context"]
stage.profiled(stage.tracing())
set_trace_processors([])  # what users write to keep all from the vendor; we stay
client = AsyncOpenAI(base_url=f"{stage.URL}/v1", api_key=stage.KEY)


class Parrot(Model):
    """A model in this very process: no client is called."""

    async def get_response(self, *_: Any, **__: Any) -> ModelResponse:
        text = ResponseOutputText(text="Paris!", type="output_text", annotations=[])
        answer = ResponseOutputMessage(
            id="m", role="assistant", status="completed", type="message", content=[text]
        )
        usage = Usage(requests=1, input_tokens=10, output_tokens=2, total_tokens=12)
        return ModelResponse(output=[answer], usage=usage, response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


expert = Agent(name="expert", model=OpenAIChatCompletionsModel(stage.SMALL, client))
clerk = Agent(
    name="clerk",
    model=OpenAIResponsesModel(model=stage.SMALL, openai_client=client),
    tools=[function_tool(stage.weather), function_tool(stage.population)],
    handoffs=[expert],
)
guide = Agent(
    name="guide",
    model=OpenAIResponsesModel(model=stage.BIG, openai_client=client),
    tools=[
        function_tool(stage.weather),
        function_tool(stage.population),
        function_tool(stage.lottery),
        expert.as_tool(tool_name="ask_expert", tool_description="Ask somebody who knows."),
    ],
)


async def main() -> None:
    with trace("city", group_id="thread-1"):
        await Runner.run(guide, stage.QUESTION)
        answer = Runner.run_streamed(guide, stage.BRIEF)
        async for _ in answer.stream_events():
            assert get_current_span() is not INVALID_SPAN  # the program's own trace() is open around it
        await Runner.run(clerk, stage.QUESTION)
    assert get_current_span() is INVALID_SPAN
    answer = Runner.run_streamed(clerk, stage.BRIEF)
    async for _ in answer.stream_events():
        assert get_current_span() is INVALID_SPAN


loop = asyncio.Runner()  # one for all: the client keeps its connections to it
loop.run(main())
stage.finish("openai-agents")

# What the server knows nothing of: calls of a model without a client, and what is left after the way back.
stage.exporter.clear()
loop.run(Runner.run(Agent(name="bird", model=Parrot()), stage.BRIEF))
told = {span.name: span.attributes for span in stage.exporter.get_finished_spans()}
assert told["chat"]["gen_ai.usage.input_tokens"] == 10, told
assert "gen_ai.usage.input_tokens" not in told["invoke_agent bird"], told
otel_agentprof.uninstrument()
assert vars(ToolContext)["from_agent_context"] is before
assert get_trace_provider()._multi_processor._processors == ()
stage.exporter.clear()
loop.run(Runner.run(Agent(name="bird", model=Parrot()), stage.BRIEF))
assert not stage.exporter.get_finished_spans()
loop.close()
