"""Logfire's integration for OpenAI's client; its streams end before their first piece."""

import logfire
import openai_chat
import stage
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

logfire.configure(
    send_to_logfire=False,
    console=False,
    inspect_arguments=False,
    additional_span_processors=[SimpleSpanProcessor(stage.exporter)],
)
logfire.instrument_openai()
openai_chat.run()
stage.finish("logfire", "openai")
