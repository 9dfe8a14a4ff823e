"""Google ADK: it traces itself, through the global tracer provider alone."""

from __future__ import annotations

from typing import Final

from otel_agentprof.instrumentation.framework import FrameworkSpec
from otel_agentprof.instrumentation.frameworks import native

SPEC: Final = FrameworkSpec(
    name="google_adk",
    distribution="google-adk>=1.20",
    attach=native.without_content("ADK_CAPTURE_MESSAGE_CONTENT_IN_SPANS", "false"),
    note="traces itself: its own spans are used, and go to the global tracer provider only",
)
