"""A client that nobody but CONTRIBUTING.md knows; it answers by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ANSWER = {
    "id": "acme-1",
    "model": "acme-large",
    "stop": "stop",
    "text": "Paris.",
    "usage": {"in": 1200, "out": 85, "cached": 1024},
}


class Client:
    """The sync client."""

    url = "https://api.acme.example/v1"

    def complete(self, *, stream: bool = False, **_: object) -> Any:
        return self._pieces() if stream else ANSWER

    def _pieces(self) -> Iterator[dict[str, Any]]:
        yield {"text": "Par"}
        yield ANSWER


class AsyncClient:
    """The async client."""

    url = Client.url

    async def complete(self, *, stream: bool = False, **_: object) -> Any:
        return self._pieces() if stream else ANSWER

    async def _pieces(self) -> AsyncIterator[dict[str, Any]]:
        yield {"text": "Par"}
        yield ANSWER
