"""Calls Acme's clients in every way, and prints the attributes of the spans."""

from __future__ import annotations

import asyncio
import json

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_agentprof

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
otel_agentprof.instrument(tracer_provider=provider)

import acme_llm  # type: ignore[import-not-found]  # noqa: E402 - patched when it is imported, however late

REQUEST = {"model": "acme-large", "messages": [{"role": "user", "content": "hello"}], "temperature": 0.5}


async def main() -> None:
    """Call the async client."""
    client = acme_llm.AsyncClient()
    await client.complete(**REQUEST)
    async for _ in await client.complete(**REQUEST, stream=True):
        pass


acme_llm.Client().complete(**REQUEST)
list(acme_llm.Client().complete(**REQUEST, stream=True))
asyncio.run(main())
print(json.dumps([dict(span.attributes or {}) for span in exporter.get_finished_spans()]))  # noqa: T201 - for the test
