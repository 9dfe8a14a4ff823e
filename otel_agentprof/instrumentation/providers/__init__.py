"""The client libraries we know, one file of data each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_agentprof.instrumentation.providers.anthropic import ANTHROPIC
from otel_agentprof.instrumentation.providers.openai import OPENAI

if TYPE_CHECKING:
    from otel_agentprof.instrumentation.spec import ProviderSpec

__all__ = ["ANTHROPIC", "OPENAI", "PROVIDERS"]

PROVIDERS: tuple[ProviderSpec, ...] = (OPENAI, ANTHROPIC)
