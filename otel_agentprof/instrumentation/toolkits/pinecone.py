"""Pinecone's indexes: vectors, records and documents, over HTTP and gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.instrumentation.shapes import work
from otel_agentprof.instrumentation.spec import ProviderSpec

if TYPE_CHECKING:
    from otel_agentprof.instrumentation.spec import Arguments

_INDEXES: Final = (
    "pinecone.index:Index",
    "pinecone.async_client.async_index:AsyncIndex",
    "pinecone.grpc:GrpcIndex",
)
_DOCUMENTS: Final = (
    "pinecone.client.documents:Documents",
    "pinecone.async_client.documents:AsyncDocuments",
)
_CLOUD: Final = ".pinecone.io"


def _url(index: Any) -> str:
    return str(index._host)  # noqa: SLF001 - where every kind of index keeps it


def _name(index: Any, _arguments: Arguments) -> str:
    """Return the name of an index as its host tells it: ``articles-ab12cd`` of ``articles-ab12cd.svc...``."""
    host = _url(index).rpartition("://")[2].partition("/")[0]
    return host.partition(".")[0] if host.endswith(_CLOUD) else host


def _count(found: Any) -> int | None:
    hits = getattr(found, "result", found)
    for name in ("matches", "hits", "vectors", "documents"):
        if (records := getattr(hits, name, None)) is not None:
            return len(records)
    return None


def _targets(places: tuple[str, ...], *methods: str) -> tuple[str, ...]:
    return tuple(f"{place}.{method}" for method in methods for place in places)


SPEC = ProviderSpec(
    name="pinecone",
    provider="pinecone",
    distribution="pinecone>=10",
    calls=(
        work.retrieval(
            *_targets(_INDEXES, "query", "search", "fetch"),
            *_targets(_DOCUMENTS, "search", "fetch"),
            store=_name,
            count=_count,
            request={"top_k": semconv.RETRIEVAL_TOP_K},
        ),
        *(
            work.writing(
                f"pinecone.{method}",
                *_targets(_INDEXES, method),
                *(_targets(_DOCUMENTS, method) if method != "upsert_records" else ()),
                store=_name,
            )
            for method in ("upsert", "delete", "update", "upsert_records")
        ),
    ),
    client_of=lambda index: index,
    url_of=_url,
)
