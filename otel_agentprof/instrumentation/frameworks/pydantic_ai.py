"""Pydantic AI: its own spans for agents, tools and models, switched on for all agents."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from otel_agentprof.instrumentation.framework import FrameworkSpec
from otel_agentprof.instrumentation.frameworks import native

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_agentprof.instrumentation.framework import Attachment


def attach(attachment: Attachment) -> Callable[[], None]:
    """Switch the spans on, unless the user has; agents with settings of their own keep them."""
    agent = import_module("pydantic_ai").Agent
    before = agent._instrument_default  # noqa: SLF001 - has no public reader
    if before is not False:
        return native.nothing(attachment)
    ours = import_module("pydantic_ai.models.instrumented").InstrumentationSettings(
        tracer_provider=attachment.tracer_provider,
        include_content=attachment.captures_content,
        include_binary_content=attachment.captures_content,
    )
    agent.instrument_all(ours)

    def detach() -> None:
        if agent._instrument_default is ours:  # noqa: SLF001 - has no public reader
            agent.instrument_all(before)

    return detach


SPEC: Final = FrameworkSpec(
    name="pydantic_ai",
    distribution="pydantic-ai-slim>=1.0",
    attach=attach,
    note="traces itself: its own spans are switched on for all agents",
)
