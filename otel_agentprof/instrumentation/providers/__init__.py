"""The client libraries we know, one file of data each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_agentprof.instrumentation.providers.anthropic import ANTHROPIC
from otel_agentprof.instrumentation.providers.openai import OPENAI

if TYPE_CHECKING:
    from otel_agentprof.instrumentation.spec import ProviderSpec

PROVIDERS: tuple[ProviderSpec, ...] = (OPENAI, ANTHROPIC)
