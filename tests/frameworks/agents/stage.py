"""What all the little agents share: where the model is, two tools, and where the spans go.

Runs inside the environments of the frameworks, which have no pytest, and mostly not what our package needs:
of it only what turns the SDK's spans into lines is used, unless a run is about it.
"""

from __future__ import annotations

import asyncio
import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_agentprof.readers.sdk import span_of
from otel_agentprof.report.otlp_lines import render

if TYPE_CHECKING:
    from collections.abc import Coroutine

URL = os.environ["FRAMEWORKS_URL"]
SPANS = Path(os.environ["FRAMEWORKS_SPANS"])
MODE = os.environ.get("FRAMEWORKS_MODE", "")
BIG, SMALL = "gpt-5-mini", "gpt-5-nano"
CLAUDE, HAIKU = "claude-sonnet-4-5", "claude-haiku-4-5"
QUESTION, BRIEF = "How is Paris?", "In brief: how is Paris?"
KEY = "nobody-asks"

exporter = InMemorySpanExporter()


def tracing() -> TracerProvider:
    """Make a provider whose spans are kept, and make it the global one."""
    provider = TracerProvider()
    keep(provider)
    trace.set_tracer_provider(provider)
    return provider


def profiled(provider: TracerProvider) -> None:
    """Profile the program with our own package too."""
    import otel_agentprof  # noqa: PLC0415 - most environments have not what it needs

    otel_agentprof.instrument(tracer_provider=provider)


def keep(provider: Any) -> None:
    """Keep the spans of a provider."""
    provider.add_span_processor(SimpleSpanProcessor(exporter))


def weather(city: str) -> str:
    """Return the weather of a city.

    Args:
        city: Its name.
    """
    return f"mild in {city}"


def population(city: str) -> str:
    """Return how many people live in a city.

    Args:
        city: Its name.
    """
    return f"two million in {city}"


def lottery(city: str) -> str:
    """Return the lucky number of a city.

    Args:
        city: Its name.
    """
    raise ValueError(f"no luck in {city} today")


def run(program: Coroutine[Any, Any, object]) -> None:
    """Run an agent that is asynchronous."""
    asyncio.run(program)


def finish(*packages: str) -> None:
    """Write the spans, and which packages made them."""
    provider = trace.get_tracer_provider()
    getattr(provider, "force_flush", bool)()
    spans = [span_of(span) for span in exporter.get_finished_spans()]
    SPANS.write_text("".join(f"{line}\n" for line in render(spans)), encoding="utf-8")
    named = {name: version(name) for name in packages}
    SPANS.with_suffix(".versions.json").write_text(json.dumps(named), encoding="utf-8")
