"""What clients share that were made by Stainless's generator: openai, anthropic, groq, together."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from otel_agentprof.instrumentation.spec import CallSpec, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


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


class Replay:
    """Streams of a client's own type, made of items that came before; see :class:`spec.Replay`."""

    __slots__ = ("_package", "has_final_event")

    def __init__(self, package: str, *, has_final_event: bool) -> None:
        self._package = package
        self.has_final_event = has_final_event

    def __call__(self, client: Any, items: tuple[Any, ...], is_async: bool) -> Any:  # noqa: FBT001 - see spec.Replay
        """Return a stream of the client, on a response with nothing left to read."""
        package: Any = sys.modules[self._package]
        kind = package.AsyncStream if is_async else package.Stream
        module = vars(sys.modules[f"{self._package}._streaming"])
        http = module["httpx2"] if "httpx2" in module else module["httpx"]
        response = http.Response(200, request=http.Request("POST", client.base_url), content=b"")
        stream = kind(cast_to=object, response=response, client=client)
        stream._iterator = _each(items) if is_async else iter(items)  # noqa: SLF001 - the one place it reads
        return stream


async def _each(items: tuple[Any, ...]) -> AsyncIterator[Any]:
    for item in items:
        yield item
