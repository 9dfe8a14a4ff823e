"""A graph of LangGraph, profiled: parallel nodes, a subgraph, a question to a human; chains, retrievers."""

import asyncio
import operator
from itertools import cycle
from typing import Annotated, TypedDict

import otel_agentprof
import stage
from langchain_core.caches import InMemoryCache
from langchain_core.documents import Document
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnablePassthrough
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import MemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from openai import OpenAI
from opentelemetry import context
from opentelemetry.trace import INVALID_SPAN, get_current_span

provider = stage.tracing()
stage.profiled(provider)
tracer = provider.get_tracer("program")


def assert_nothing_is_left() -> None:
    assert get_current_span() is INVALID_SPAN
    assert not [key for key in context.get_current() if "agentprof" in key]


class State(TypedDict):
    seen: Annotated[list, operator.add]


class Shelf(BaseRetriever):
    """Two books."""

    def _get_relevant_documents(self, _query, *, run_manager):  # noqa: ARG002 - LangChain looks for the name
        return [Document("a guide"), Document("a map")]


def model() -> ChatOpenAI:
    return ChatOpenAI(model=stage.SMALL, base_url=f"{stage.URL}/v1", api_key=stage.KEY, stream_usage=True)


def by_client(state: State) -> State:
    """Call the client itself, without LangChain."""
    client = OpenAI(base_url=f"{stage.URL}/v1", api_key=stage.KEY)
    with tracer.start_as_current_span("own work"):
        client.chat.completions.create(model=stage.BIG, messages=[{"role": "user", "content": stage.BRIEF}])
    return {"seen": [get_current_span().name]}


def by_chain(state: State) -> State:
    """Run a chain with a retriever in it."""
    chain = (
        {"books": Shelf(), "question": RunnablePassthrough()}
        | ChatPromptTemplate.from_template("{question} {books}")
        | model()
        | StrOutputParser()
    )
    chain.invoke(stage.BRIEF)
    return {"seen": [get_current_span().name]}


def by_human(state: State) -> State:
    """Ask a human."""
    return {"seen": [interrupt("Is Paris far?")]}


def by_heart(state: State) -> State:
    """Know the answer."""
    return {"seen": [get_current_span().name]}


def onward(state: State) -> str:
    """Choose the next node."""
    return "by_human"


inner = StateGraph(State).add_node(by_heart).add_edge(START, "by_heart").compile()
graph = (
    StateGraph(State)
    .add_node(by_client)
    .add_node(by_chain)
    .add_node("inner", inner)
    .add_node(by_human)
    .add_edge(START, "by_client")
    .add_edge(START, "by_chain")
    .add_edge(["by_client", "by_chain"], "inner")
    .add_conditional_edges("inner", onward)
    .compile(checkpointer=MemorySaver(), name="journey")
)
thread = {"configurable": {"thread_id": "t-1"}}
seen = graph.invoke({"seen": []}, thread)["seen"]
assert seen[:2] == ["by_client", "by_chain"] or seen[:2] == ["by_chain", "by_client"], seen
assert_nothing_is_left()
graph.invoke(Command(resume="no"), thread)
assert_nothing_is_left()


async def asynchronous() -> None:
    chain = ChatPromptTemplate.from_template("{question}") | model() | StrOutputParser()
    async for _ in chain.astream(stage.BRIEF):
        assert_nothing_is_left()
    await chain.abatch([stage.BRIEF, stage.BRIEF])
    assert_nothing_is_left()
    await model().ainvoke(stage.BRIEF)
    assert_nothing_is_left()


asyncio.run(asynchronous())
stage.finish("langgraph", "langchain-core", "langchain-openai", "openai")

# What the server knows nothing of: calls of a model without a client.
stage.exporter.clear()
usage = {"input_tokens": 10, "output_tokens": 2, "total_tokens": 12}
answer = AIMessage("Paris !", usage_metadata=usage, response_metadata={"model_name": "parrot"})


def of_parrot() -> dict[str, object]:
    """Return what the spans of the model in this very process tell."""
    [span] = [span for span in stage.exporter.get_finished_spans() if span.name.startswith("chat")]
    stage.exporter.clear()
    return dict(span.attributes)


parrot = GenericFakeChatModel(messages=cycle([answer]))
parrot.invoke(stage.BRIEF)
assert of_parrot()["gen_ai.usage.input_tokens"] == 10
asyncio.run(parrot.ainvoke(stage.BRIEF))
assert of_parrot()["gen_ai.usage.output_tokens"] == 2
words = (ChatPromptTemplate.from_template("{question}") | parrot).stream(stage.BRIEF)
next(words)
assert_nothing_is_left()
words.close()
assert of_parrot()["agentprof.stream.complete"] is False
set_llm_cache(InMemoryCache())
parrot.invoke(stage.BRIEF)
of_parrot()
parrot.invoke(stage.BRIEF)
assert not stage.exporter.get_finished_spans()  # the answer was LangChain's own
set_llm_cache(None)
otel_agentprof.uninstrument()
