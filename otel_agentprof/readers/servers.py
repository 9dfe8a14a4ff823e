"""The documents that hold the traces of an address, from whichever kind of server it names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_agentprof.config import Config
from otel_agentprof.readers import jaeger_server, phoenix, tempo, url
from otel_agentprof.readers.http import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from otel_agentprof.readers.answers import Progress
    from otel_agentprof.readers.documents import Json
    from otel_agentprof.readers.losses import Losses

_READERS: Final[Mapping[str, Callable[[Server, Losses, Progress], Iterator[Json]]]] = {
    "jaeger": jaeger_server.documents_of,
    "tempo": tempo.documents_of,
    "phoenix": phoenix.documents_of,
}


def documents_of(source: str, losses: Losses, progress: Progress) -> Iterator[Json]:
    """Yield the documents that hold the traces of an address.

    Raises:
        UnreadableTraceError: The address is none, or the server does not give its traces.
    """
    address = url.parse(source)
    with Server(address, Config.from_env()) as server:
        yield from _READERS[address.kind](server, losses, progress)
