"""Haystack, profiled: an agent in a pipeline with a retriever, one that streams, a model of its own."""

import otel_agentprof
import stage
from haystack import Document, Pipeline, tracing
from haystack.components.agents import Agent
from haystack.components.builders import ChatPromptBuilder
from haystack.components.generators.chat import MockChatGenerator, OpenAIChatGenerator
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.dataclasses import ChatMessage
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.tools import create_tool_from_function
from haystack.utils import Secret
from opentelemetry.trace import INVALID_SPAN, get_current_span

before = tracing.tracer.actual_tracer
stage.profiled(stage.tracing())


def model(name: str, **settings: object) -> OpenAIChatGenerator:
    key = Secret.from_token(stage.KEY)
    return OpenAIChatGenerator(key, name, api_base_url=f"{stage.URL}/v1", generation_kwargs=settings)


functions = [stage.weather, stage.population, stage.lottery]
guide = Agent(chat_generator=model(stage.BIG), tools=[create_tool_from_function(one) for one in functions])
documents = InMemoryDocumentStore()
documents.write_documents([Document(content="Paris is in France.")])
pipeline = Pipeline()
pipeline.add_component("library", InMemoryBM25Retriever(documents))
pipeline.add_component(
    "prompt", ChatPromptBuilder([ChatMessage.from_user(stage.QUESTION + "{% if d %} {% endif %}")])
)
pipeline.add_component("guide", guide)
pipeline.add_component(
    "brief", ChatPromptBuilder([ChatMessage.from_user(stage.BRIEF + "{% if m %} {% endif %}")])
)
pipeline.add_component("expert", model(stage.SMALL))
pipeline.connect("library.documents", "prompt.d")
pipeline.connect("prompt.prompt", "guide.messages")
pipeline.connect("guide.last_message", "brief.m")
pipeline.connect("brief.prompt", "expert.messages")
pipeline.run({"library": {"query": "Paris"}})
assert get_current_span() is INVALID_SPAN
heard = []
Agent(
    chat_generator=model(stage.SMALL, stream_options={"include_usage": True}), streaming_callback=heard.append
).run([ChatMessage.from_user(stage.BRIEF)])
assert heard
assert get_current_span() is INVALID_SPAN
stage.finish("haystack-ai")

# What the server knows nothing of: a generator without a client.
stage.exporter.clear()
Agent(chat_generator=MockChatGenerator("Paris!")).run([ChatMessage.from_user(stage.BRIEF)])
told = {span.name: span.attributes for span in stage.exporter.get_finished_spans()}
assert told["chat mock-model"]["gen_ai.usage.input_tokens"] > 0, told
assert "gen_ai.usage.input_tokens" not in told["invoke_agent Agent"], told
otel_agentprof.uninstrument()
assert tracing.tracer.actual_tracer is before
