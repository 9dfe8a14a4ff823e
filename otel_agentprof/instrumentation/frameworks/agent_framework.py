"""Microsoft's Agent Framework: it traces itself, without content, through the global tracer provider."""

from __future__ import annotations

from typing import Final

from otel_agentprof.instrumentation.framework import FrameworkSpec
from otel_agentprof.instrumentation.frameworks import native

SPEC: Final = FrameworkSpec(
    name="agent_framework",
    distribution="agent-framework-core>=1.0",
    attach=native.nothing,
    note="traces itself: its own spans are used, and go to the global tracer provider only",
)
