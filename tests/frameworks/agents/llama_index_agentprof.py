"""LlamaIndex, profiled: an agent with an expert and a failing tool, queries, streams, a workflow."""

import asyncio

import llama_index_instrumentation as dispatchers
import otel_agentprof
import stage
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.llms import ChatMessage, MockLLM
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step
from llama_index.llms.openai import OpenAI
from opentelemetry import context
from opentelemetry.trace import INVALID_SPAN, get_current_span

root = dispatchers.root_dispatcher
before = list(root.span_handlers), list(root.event_handlers)
provider = stage.tracing()
stage.profiled(provider)


def assert_nothing_is_left() -> None:
    assert get_current_span() is INVALID_SPAN
    assert not [key for key in context.get_current() if "agentprof" in key]


def model(name: str) -> OpenAI:
    return OpenAI(model=name, api_base=f"{stage.URL}/v1", api_key=stage.KEY)


def streaming(name: str) -> OpenAI:
    usage = {"stream_options": {"include_usage": True}}
    return OpenAI(model=name, api_base=f"{stage.URL}/v1", api_key=stage.KEY, additional_kwargs=usage)


expert = FunctionAgent(name="expert", llm=model(stage.SMALL), tools=[], streaming=False)


async def ask_expert(question: str) -> str:
    """Ask somebody who knows."""
    assert get_current_span().name == "execute_tool ask_expert"
    return str(await expert.run(question))


tools = [FunctionTool.from_defaults(tool) for tool in (stage.weather, stage.population, stage.lottery)]
guide = FunctionAgent(name="guide", llm=streaming(stage.BIG), tools=[*tools, ask_expert])


class Trip(Workflow):
    """One step that calls a model."""

    @step
    async def plan(self, _event: StartEvent) -> StopEvent:
        """Ask the model."""
        answer = await model(stage.SMALL).achat([ChatMessage(stage.BRIEF)])
        return StopEvent(result=str(answer))


async def main() -> None:
    await guide.run(stage.QUESTION)
    assert_nothing_is_left()
    handler = guide.run(stage.BRIEF)
    assert_nothing_is_left()
    async for _ in handler.stream_events():
        assert_nothing_is_left()
    await Trip().run()
    async for _ in await streaming(stage.SMALL).astream_chat([ChatMessage(stage.BRIEF)]):
        assert_nothing_is_left()
    assert_nothing_is_left()
    answer = await index.as_query_engine(llm=streaming(stage.SMALL), streaming=True).aquery(stage.BRIEF)
    async for _ in answer.response_gen:
        assert_nothing_is_left()


books = [Document(text="a guide"), Document(text="a map")]
index = VectorStoreIndex.from_documents(books, embed_model=MockEmbedding(embed_dim=8))
asyncio.run(main())
index.as_query_engine(llm=model(stage.SMALL)).query(stage.BRIEF)
assert_nothing_is_left()
answer = index.as_query_engine(llm=streaming(stage.SMALL), streaming=True).query(stage.BRIEF)
assert_nothing_is_left()
for _ in answer.response_gen:
    assert_nothing_is_left()
for _ in streaming(stage.SMALL).stream_chat([ChatMessage(stage.BRIEF)]):
    assert_nothing_is_left()
index.as_chat_engine(llm=model(stage.SMALL)).chat(stage.BRIEF)
assert_nothing_is_left()
stage.finish("llama-index-core", "llama-index-workflows", "llama-index-llms-openai", "openai")

# What the server knows nothing of: calls of a model without a client, and what is left after the way back.
stage.exporter.clear()
MockLLM().chat([ChatMessage("hello")])  # calls complete() of its own: one call all the same
MockLLM().stream_complete("a b c")  # never read
for _ in MockLLM().stream_complete("a b c"):
    assert get_current_span() is INVALID_SPAN
index.as_query_engine(llm=MockLLM(), streaming=True).query("never read")
told = [span.name for span in stage.exporter.get_finished_spans()]
engine = ["embeddings", "retrieval VectorIndexRetriever", "invoke_workflow RetrieverQueryEngine"]
assert told == ["chat", "chat", *engine], told
otel_agentprof.uninstrument()
assert (root.span_handlers, root.event_handlers) == before
stage.exporter.clear()
MockLLM().complete("hello")
assert not stage.exporter.get_finished_spans()
stage.profiled(provider)
otel_agentprof.uninstrument()
assert (root.span_handlers, root.event_handlers) == before
