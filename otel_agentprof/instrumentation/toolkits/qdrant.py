"""Qdrant's client, in memory, on disk and at a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_agentprof import semconv
from otel_agentprof.instrumentation.shapes import work
from otel_agentprof.instrumentation.spec import ProviderSpec

if TYPE_CHECKING:
    from otel_agentprof.instrumentation.spec import Arguments

_PLACES = ("qdrant_client.qdrant_client:QdrantClient", "qdrant_client.async_qdrant_client:AsyncQdrantClient")


def _name(_client: Any, arguments: Arguments) -> str | None:
    name = arguments.get("collection_name")
    return name if isinstance(name, str) else None


def _count(found: Any) -> int:
    """Return the number of points in an answer of any kind."""
    if isinstance(found, tuple):  # of scroll: the points, and where to go on
        found = found[0]
    if isinstance(found, list):
        return sum(len(part.points) if hasattr(part, "points") else 1 for part in found)
    if hasattr(found, "groups"):
        return sum(len(group.hits) for group in found.groups)
    return len(found.points)


def _targets(*methods: str) -> tuple[str, ...]:
    return tuple(f"{place}.{method}" for method in methods for place in _PLACES)


SPEC = ProviderSpec(
    name="qdrant",
    provider="qdrant",
    distribution="qdrant-client>=1.12",
    calls=(
        work.retrieval(
            *_targets(
                "query_points",
                "query_batch_points",
                "query_points_groups",
                "scroll",
                "retrieve",
            ),
            store=_name,
            count=_count,
            request={"limit": semconv.RETRIEVAL_TOP_K},
            positional=("collection_name",),
        ),
        *(
            work.writing(f"qdrant.{method}", *_targets(method), store=_name, positional=("collection_name",))
            for method in ("upsert", "delete", "update_vectors", "set_payload", "batch_update_points")
        ),
        *(
            work.writing(
                f"qdrant.{method}", f"{_PLACES[0]}.{method}", store=_name, positional=("collection_name",)
            )
            for method in ("upload_points", "upload_collection")
        ),
    ),
    url_of=lambda client: getattr(client, "rest_uri", None),  # only a remote one has it
)
