"""Clients with one instrumentation, or with several at once, in the order of the mode.

Modes: client:instrumentation+instrumentation; "native" is the client's own, off unless named.
"""

from __future__ import annotations

import os
from importlib import import_module

import stage

INSTRUMENTORS = {
    ("openai", "genai"): ("opentelemetry.instrumentation.genai.openai", "OpenAIInstrumentor"),
    ("openai", "openllmetry"): ("opentelemetry.instrumentation.openai", "OpenAIInstrumentor"),
    ("openai", "openinference"): ("openinference.instrumentation.openai", "OpenAIInstrumentor"),
    ("anthropic", "genai"): ("opentelemetry.instrumentation.genai.anthropic", "AnthropicInstrumentor"),
    ("anthropic", "openllmetry"): ("opentelemetry.instrumentation.anthropic", "AnthropicInstrumentor"),
    ("anthropic", "openinference"): ("openinference.instrumentation.anthropic", "AnthropicInstrumentor"),
}
PREFIX = {
    "genai": "opentelemetry-instrumentation-genai",
    "openllmetry": "opentelemetry-instrumentation",
    "openinference": "openinference-instrumentation",
}
client, _, rest = stage.MODE.partition(":")
chosen = rest.split("+")
os.environ["ANTHROPIC_OPEN_TELEMETRY"] = str("native" in chosen).lower()
provider = stage.tracing()
packages = [client]
for name in chosen:
    if name == "agentprof":
        stage.profiled(provider)
    elif name != "native":
        module, instrumentor = INSTRUMENTORS[client, name]
        getattr(import_module(module), instrumentor)().instrument(tracer_provider=provider)
        packages.append(f"{PREFIX[name]}-{client}")
import_module({"openai": "openai_chat", "anthropic": "anthropic_messages"}[client]).run()
stage.finish(*packages)
