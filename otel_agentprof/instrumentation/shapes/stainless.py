"""What clients share that were made by Stainless's generator: openai, anthropic, groq, together."""

from __future__ import annotations

from typing import Any

from otel_agentprof.instrumentation.spec import CallSpec, Reply


def retries(transport: str) -> CallSpec:
    """Return the method through which every answer of a client goes, with the number of tries before it.

    Args:
        transport: The module of the client's base classes.
    """
    return CallSpec(
        targets=tuple(f"{transport}:{kind}APIClient._process_response" for kind in ("Sync", "Async")),
        operation="",
        role="other",
        read=_nothing,
        tells_retries=True,
    )


def _nothing(_reply: Reply, _answer: Any) -> None:
    """Read nothing: it is no call of its own."""
