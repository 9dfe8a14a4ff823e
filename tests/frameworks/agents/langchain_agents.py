"""LangChain's agent on LangGraph, seen by OpenInference or by OpenLLMetry."""

import stage
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

provider = stage.tracing()
watcher, _, ours = stage.MODE.partition("+")
if watcher == "openinference":
    from openinference.instrumentation.langchain import LangChainInstrumentor
else:
    from opentelemetry.instrumentation.langchain import LangchainInstrumentor as LangChainInstrumentor
LangChainInstrumentor().instrument(tracer_provider=provider)
if ours:
    stage.profiled(provider)


def model(name: str) -> ChatOpenAI:
    return ChatOpenAI(model=name, base_url=f"{stage.URL}/v1", api_key=stage.KEY, stream_usage=True)


expert = create_agent(model(stage.SMALL), tools=[], name="expert")


@tool
def ask_expert(question: str) -> str:
    """Ask somebody who knows."""
    return expert.invoke({"messages": [("user", question)]})["messages"][-1].text


guide = create_agent(
    model(stage.BIG), tools=[tool(stage.weather), tool(stage.population), ask_expert], name="guide"
)
guide.invoke({"messages": [("user", stage.QUESTION)]})
for _ in guide.stream({"messages": [("user", stage.BRIEF)]}, stream_mode="messages"):
    pass
names = {
    "openinference": "openinference-instrumentation-langchain",
    "openllmetry": "opentelemetry-instrumentation-langchain",
}
stage.finish("langchain", "langgraph", names[watcher])
