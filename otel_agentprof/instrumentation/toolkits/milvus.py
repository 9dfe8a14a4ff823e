"""Milvus' client, at a server and over a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.instrumentation.shapes import work
from otel_agentprof.instrumentation.spec import ProviderSpec

if TYPE_CHECKING:
    from otel_agentprof.instrumentation.spec import Arguments

_PLACES: Final = (
    "pymilvus.milvus_client.milvus_client:MilvusClient",
    "pymilvus.milvus_client.async_milvus_client:AsyncMilvusClient",
)


def _name(_client: Any, arguments: Arguments) -> str | None:
    name = arguments.get("collection_name")
    return name if isinstance(name, str) else None


def _count(found: Any) -> int:
    """Return the number of records: a list of them, or one list per query."""
    return sum(len(hits) if isinstance(hits, list) else 1 for hits in found)


def _url(client: Any) -> str | None:
    """Return where a client's server is; None for older ones, which keep it elsewhere, and for sockets."""
    address = getattr(getattr(client, "_config", None), "address", None)
    return address if isinstance(address, str) and not address.startswith("unix:") else None


def _targets(*methods: str) -> tuple[str, ...]:
    return tuple(f"{place}.{method}" for method in methods for place in _PLACES)


SPEC = ProviderSpec(
    name="milvus",
    provider="milvus",
    distribution="pymilvus>=2.5",
    calls=(
        work.retrieval(
            *_targets("search", "hybrid_search", "query", "get"),
            store=_name,
            count=_count,
            request={"limit": semconv.RETRIEVAL_TOP_K},
            positional=("collection_name",),
        ),
        *(
            work.writing(f"milvus.{method}", *_targets(method), store=_name, positional=("collection_name",))
            for method in ("insert", "upsert", "delete")
        ),
    ),
    client_of=lambda client: client,
    url_of=_url,
)
