"""The way out of a context that we made current, wherever the code around it has gone meanwhile."""

from __future__ import annotations

from contextvars import Token
from typing import Any

from opentelemetry import context as context_api


def leave(token: Any) -> None:
    """Make the context current again that was before ``token`` was got."""
    if not isinstance(token, Token):  # another runtime context than OpenTelemetry's default
        context_api.detach(token)
        return
    try:
        token.var.reset(token)
    except ValueError:
        # Driven from another context by now, as when the collector closes a generator: there is nothing to
        # restore there, and OpenTelemetry's own detach would log an error about it.
        return
