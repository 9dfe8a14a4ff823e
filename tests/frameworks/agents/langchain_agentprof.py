"""LangChain's agent, profiled: two tools at once, an expert who is a tool, a tool that fails, streams."""

import asyncio
import threading

import otel_agentprof
import stage
from langchain.agents import create_agent
from langchain.agents.middleware import wrap_tool_call
from langchain_core.messages import ToolMessage
from langchain_core.runnables import config as chains
from langchain_core.tools import tool
from langchain_core.tracers import context as hooks
from langchain_openai import ChatOpenAI
from langgraph._internal import _runnable as graphs
from opentelemetry import context
from opentelemetry.trace import INVALID_SPAN, get_current_span

before = (chains._set_config_context, graphs._set_config_context, list(hooks._configure_hooks))
provider = stage.tracing()
stage.profiled(provider)
seen: list[str] = []


def model(name: str) -> ChatOpenAI:
    return ChatOpenAI(model=name, base_url=f"{stage.URL}/v1", api_key=stage.KEY, stream_usage=True)


def assert_nothing_is_left() -> None:
    assert get_current_span() is INVALID_SPAN
    assert not [key for key in context.get_current() if "agentprof" in key]


expert = create_agent(model(stage.SMALL), tools=[], name="expert")


@tool
def ask_expert(question: str) -> str:
    """Ask somebody who knows."""
    seen.append(get_current_span().name)
    return expert.invoke({"messages": [("user", question)]})["messages"][-1].text


@wrap_tool_call
def told_in_words(request, handler):
    """Tell the model what went wrong."""
    try:
        return handler(request)
    except ValueError as error:
        return ToolMessage(str(error), tool_call_id=request.tool_call["id"], status="error")


guide = create_agent(
    model(stage.BIG),
    tools=[tool(stage.weather), tool(stage.population), tool(stage.lottery), ask_expert],
    middleware=[told_in_words],
    name="guide",
)
guide.invoke({"messages": [("user", stage.QUESTION)]})
assert_nothing_is_left()
assert seen == ["execute_tool ask_expert"]


async def streamed() -> None:
    async for _ in guide.astream({"messages": [("user", stage.BRIEF)]}, stream_mode="messages"):
        assert_nothing_is_left()
    async for _ in guide.astream_events({"messages": [("user", stage.BRIEF)]}, version="v2"):
        assert_nothing_is_left()


for mode in ("messages", "values"):
    for _ in guide.stream({"messages": [("user", stage.BRIEF)]}, stream_mode=mode):
        assert_nothing_is_left()
for _ in model(stage.SMALL).stream(stage.BRIEF):
    assert_nothing_is_left()
asyncio.run(streamed())
thread = threading.Thread(target=guide.invoke, args=({"messages": [("user", stage.BRIEF)]},))
thread.start()
thread.join()
assert_nothing_is_left()

otel_agentprof.uninstrument()
assert before == (chains._set_config_context, graphs._set_config_context, hooks._configure_hooks)
known = len(stage.exporter.get_finished_spans())
guide.stream({"messages": [("user", stage.BRIEF)]}, stream_mode="values").close()
assert len(stage.exporter.get_finished_spans()) == known
stage.profiled(provider)
otel_agentprof.uninstrument()
assert before == (chains._set_config_context, graphs._set_config_context, hooks._configure_hooks)
stage.finish("langchain", "langgraph", "langchain-core", "langchain-openai", "openai")
