"""Our instrumentors as ``opentelemetry-instrument`` drives them."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any

import groq
import pytest
from endings import ends_with_open_streams
from loopback import Answer
from openai.resources.chat.completions import Completions
from surfaces import CHAT_USAGE, MESSAGE_USAGE, SURFACES
from test_calls import usage_of

from otel_agentprof.instrumentation import libraries
from otel_agentprof.instrumentation.instrumentor import (
    AgentProfInstrumentor,
    AnthropicInstrumentor,
    OpenAIInstrumentor,
)
from otel_agentprof.instrumentation.registry import REGISTRY

if TYPE_CHECKING:
    from conftest import Connect, Spans
    from loopback import Loopback

CHAT, MESSAGES = SURFACES[0], SURFACES[4]


@pytest.mark.parametrize(
    ("instrumentor", "surface", "usage"),
    [(OpenAIInstrumentor, CHAT, CHAT_USAGE), (AnthropicInstrumentor, MESSAGES, MESSAGE_USAGE)],
)
def test_each_patches_its_own_client_and_gives_it_back(
    instrumentor: Any, surface: Any, usage: Any, pipeline: Spans, server: Loopback, connect: Connect
) -> None:
    before = vars(Completions)["create"]

    instrumentor().instrument(tracer_provider=pipeline.provider)
    surface.resource(connect(surface)).create(**surface.arguments)
    active = [name for name in REGISTRY.slots if REGISTRY.is_active(name)]
    instrumentor().uninstrument()
    surface.resource(connect(surface)).create(**surface.arguments)

    assert active == [surface.client]
    assert usage_of(pipeline.facts()) == usage
    assert vars(Completions)["create"] is before


def test_one_more_patches_every_other_library(
    pipeline: Spans, server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "agentprof_cohere")
    client = groq.Groq(api_key="none", base_url=server.url)
    server.script.append(Answer("groq_chat.json"))

    AgentProfInstrumentor().instrument(tracer_provider=pipeline.provider)
    client.chat.completions.create(model="llama", messages=[{"role": "user", "content": "Hi"}])
    active = {name for name in REGISTRY.slots if REGISTRY.is_active(name)}
    AgentProfInstrumentor().uninstrument()

    assert pipeline.facts()["gen_ai.provider.name"] == "groq"
    # OpenTelemetry's own have entry points of their own.
    others = {library.name for library in libraries.known().values() if library.kind != "contrib"}
    assert active == others - {"openai", "anthropic", "cohere"}
    assert not any(REGISTRY.is_active(name) for name in REGISTRY.slots)


def test_the_entry_points_lead_to_them() -> None:
    found = {entry.name: entry for entry in metadata.entry_points(group="opentelemetry_instrumentor")}
    ours = {name: entry for name, entry in found.items() if name.startswith("agentprof_")}
    if not ours:
        pytest.skip("the package itself is not installed here")

    assert ours["agentprof_openai"].load() is OpenAIInstrumentor
    assert ours["agentprof_anthropic"].load() is AnthropicInstrumentor
    assert found["agentprof"].load() is AgentProfInstrumentor


@ends_with_open_streams
def test_a_stream_left_at_the_end_of_the_program_leaves_its_span(server: Loopback) -> None:
    code = f"""
import openai
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from otel_agentprof.instrumentation.instrumentor import OpenAIInstrumentor
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
OpenAIInstrumentor().instrument(tracer_provider=provider)
stream = openai.OpenAI(api_key="none", base_url="{server.url}/v1").chat.completions.create(
    model="gpt-5-mini", messages=[], stream=True)
next(stream)
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert json.loads(done.stdout)["attributes"]["agentprof.stream.complete"] is False
    assert done.stderr == ""
