"""Makes the calls of a case and returns the spans: sync and async clients through the same door."""

from __future__ import annotations

import asyncio
import inspect
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from garbage import collect

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from providers.case import Case, Kind


_KIND: ContextVar[Kind | None] = ContextVar("kind", default=None)  # of the client that is at work


async def awaited(value: Any) -> Any:
    """Return a value, waited for if it has to be."""
    return await value if inspect.isawaitable(value) else value


async def read(stream: Any, *, most: int | None = None) -> list[Any]:
    """Return the items of a stream of either kind, or its first ones."""
    items: list[Any] = []
    if hasattr(stream, "__aiter__") and _KIND.get() != "sync":  # LiteLLM's can be read in both ways
        async for item in stream:
            items.append(item)
            if len(items) == most:
                break
    else:
        for item in stream:
            items.append(item)
            if len(items) == most:
                break
    return items


async def closed(client: Any) -> None:
    """Close a client in whichever way it has."""
    for name in ("close", "aclose"):
        close = getattr(client, name, None)
        if callable(close) and not (name == "close" and hasattr(client, "aclose")):
            await awaited(close())
            return


def with_client(case: Case, url: str, work: Callable[[Any], Coroutine[Any, Any, Any]], *, kind: Kind) -> Any:
    """Return what some work with a client of a case gives."""

    async def main() -> Any:
        _KIND.set(kind)
        client = case.connect(url, kind)
        try:
            return await work(client)
        finally:
            await closed(client)

    try:
        return asyncio.run(main())
    finally:
        collect()


def failure_of(work: Callable[[], object]) -> Exception:
    """Return the exception that some work raises; it has to."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 - the clients' own errors are of any kind
        return error
    raise AssertionError("nothing was raised")
