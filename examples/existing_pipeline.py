"""You have OpenTelemetry already: add one processor, and each trace gets one more span with its analysis.

    python examples/existing_pipeline.py
    agentprof run examples/existing_pipeline.py

Your provider and your exporters stay as they are; your spans are not touched.
"""

from openai import OpenAI
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

import otel_agentprof as ap
from otel_agentprof.cli.demo_server import in_place_of_missing_keys


def one_line(span: ReadableSpan) -> str:
    attributes = span.attributes or {}
    wanted = (
        "gen_ai.usage.input_tokens",
        "agentprof.cost.total",
        "agentprof.top_finding",
        "agentprof.span_count",
    )
    shown = ", ".join(f"{name}={attributes[name]!s}" for name in wanted if name in attributes)
    return f"{span.name:20} {shown}\n"


# What you have: any provider, any exporters (here: the console).
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=one_line)))
trace.set_tracer_provider(provider)

# What you add.
provider.add_span_processor(ap.AgentProfSpanProcessor())
ap.instrument()

tracer = trace.get_tracer("my.app")


def main() -> None:
    client = OpenAI()
    with tracer.start_as_current_span("POST /summary"):
        for part in ("first", "second", "third"):
            client.chat.completions.create(
                model="gpt-4o-mini",
                messages=[{"role": "user", "content": f"Summarise the {part} part of the document."}],
            )
    client.close()


if __name__ == "__main__":
    with in_place_of_missing_keys():
        main()
