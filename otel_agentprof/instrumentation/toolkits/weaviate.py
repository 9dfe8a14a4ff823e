"""Weaviate's collections: queries of every kind, generative ones too, and writes."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.instrumentation.shapes import work
from otel_agentprof.instrumentation.spec import ProviderSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_agentprof.instrumentation.spec import Arguments

_QUERIES: Final = {  # a package and a class of its own for each kind, twice: to find, and to answer from it
    "near_text": "NearText",
    "near_vector": "NearVector",
    "near_object": "NearObject",
    "near_image": "NearImage",
    "near_media": "NearMedia",
    "hybrid": "Hybrid",
    "bm25": "BM25",
    "fetch_objects": "FetchObjects",
    "fetch_objects_by_ids": "FetchObjectsByIDs",
}
_ONE: Final = "fetch_object_by_id"
_ROOM: Final = "weaviate.collections"


def _targets() -> Iterator[str]:
    for method, kind in _QUERIES.items():
        for way in ("query", "generate"):
            yield f"{_ROOM}.queries.{method}.{way}.executor:_{kind}{way.capitalize()}Executor.{method}"
    yield f"{_ROOM}.queries.{_ONE}.executor:_FetchObjectByIDQueryExecutor.{_ONE}"


def _awaits(collection: Any) -> bool:
    return type(collection._connection).__name__ == "ConnectionAsync"  # noqa: SLF001 - sync and async share all else


def _name(collection: Any, _arguments: Arguments) -> str | None:
    name = collection._name  # noqa: SLF001 - the only place that has it
    return name if isinstance(name, str) else None


def _data_name(collection: Any, _arguments: Arguments) -> str | None:
    name = collection.name
    return name if isinstance(name, str) else None


def _count(found: Any) -> int:
    return len(found.objects) if hasattr(found, "objects") else 1


SPEC = ProviderSpec(
    name="weaviate",
    provider="weaviate",
    distribution="weaviate-client>=4.16",
    calls=(
        replace(
            work.retrieval(
                *_targets(), store=_name, count=_count, request={"limit": semconv.RETRIEVAL_TOP_K}
            ),
            awaits=_awaits,
        ),
        *(
            replace(
                work.writing(
                    f"weaviate.{method}",
                    f"{_ROOM}.data.executor:_DataCollectionExecutor.{method}",
                    store=_data_name,
                ),
                awaits=_awaits,
            )
            for method in ("insert", "insert_many", "replace", "update", "delete_by_id", "delete_many")
        ),
    ),
    client_of=attrgetter("_connection"),
    url_of=attrgetter("url"),
)
