"""AutoGen 0.7: it traces agents and tools itself, without content, through the global tracer provider."""

from __future__ import annotations

from typing import Final

from otel_agentprof.instrumentation.framework import FrameworkSpec
from otel_agentprof.instrumentation.frameworks import native

SPEC: Final = FrameworkSpec(
    name="autogen",
    distribution="autogen-core>=0.7",
    attach=native.nothing,
    note="traces itself: its own spans are used, and go to the global tracer provider only",
)
