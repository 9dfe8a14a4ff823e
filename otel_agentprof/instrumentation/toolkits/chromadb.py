"""Chroma's collections, in memory, on disk and at a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_agentprof import semconv
from otel_agentprof.instrumentation.shapes import work
from otel_agentprof.instrumentation.spec import ProviderSpec

if TYPE_CHECKING:
    from otel_agentprof.instrumentation.spec import Arguments

_PLACES = ("chromadb.api.models.Collection:Collection", "chromadb.api.models.AsyncCollection:AsyncCollection")


def _name(collection: Any, _arguments: Arguments) -> str | None:
    name = collection.name
    return name if isinstance(name, str) else None


def _count(found: Any) -> int:
    """Return the number of ids: a list of them, or one list per query."""
    return sum(len(ids) if isinstance(ids, list) else 1 for ids in found["ids"])


def _targets(method: str) -> tuple[str, ...]:
    return tuple(f"{place}.{method}" for place in _PLACES)


SPEC = ProviderSpec(
    name="chromadb",
    provider="chromadb",
    distribution="chromadb>=1",
    calls=(
        work.retrieval(
            *_targets("query"), store=_name, count=_count, request={"n_results": semconv.RETRIEVAL_TOP_K}
        ),
        work.retrieval(*_targets("get"), *_targets("peek"), *_targets("search"), store=_name, count=_count),
        *(
            work.writing(f"chromadb.{method}", *_targets(method), store=_name)
            for method in ("add", "upsert", "update", "delete")
        ),
    ),
    url_of=lambda client: getattr(client, "_api_url", None),  # only what speaks HTTP has one
)
