"""LanceDB's tables: a query is sent where its results are collected, not where it is built."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace

from otel_agentprof.instrumentation.shapes import work
from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec

if TYPE_CHECKING:
    from otel_agentprof.instrumentation.spec import Arguments

_WHOLE: Final = ("LanceHybridQueryBuilder", "AsyncQueryBase")
_PLAIN: Final = ("LanceVectorQueryBuilder", "LanceFtsQueryBuilder", "LanceEmptyQueryBuilder")
_TABLES: Final = (
    "lancedb.table:LanceTable",
    "lancedb.remote.table:RemoteTable",
    "lancedb.table:AsyncTable",
)


def _table_of(query: Any, _arguments: Arguments) -> str | None:
    table = query._table  # noqa: SLF001 - the only place that has it
    return None if table is None else _name(table, {})


def _name(table: Any, _arguments: Arguments) -> str | None:
    name = table.name
    return name if isinstance(name, str) else None


def _unless_leg(
    query: Any, _args: tuple[Any, ...], arguments: Arguments
) -> tuple[CallSpec, Arguments] | None:
    """Leave out the two halves of a hybrid search: they run on threads that know of no trace.

    They ask for row ids; somebody's own search that does so outside of any trace is left out with them.
    """
    is_leg = query._with_row_id and not trace.get_current_span().get_span_context().is_valid  # noqa: SLF001 - no other mark
    return None if is_leg else (_READ, arguments)


_READ: Final = replace(
    work.retrieval(
        *(f"lancedb.query:{name}.to_arrow" for name in _WHOLE),
        store=_table_of,
        count=lambda found: int(found.num_rows),
    ),
    has_fingerprint=False,  # what is asked for stands in the query, not in its arguments
)

SPEC = ProviderSpec(
    name="lancedb",
    provider="lancedb",
    distribution="lancedb>=0.20",
    calls=(
        _READ,
        replace(_READ, targets=tuple(f"lancedb.query:{name}.to_arrow" for name in _PLAIN), route=_unless_leg),
        *(
            work.writing(f"lancedb.{method}", *(f"{table}.{method}" for table in _TABLES), store=_name)
            for method in ("add", "update", "delete")
        ),
        work.writing("lancedb.merge_insert", *(f"{table}._do_merge" for table in _TABLES), store=_name),
    ),
    client_of=lambda query: query,
    url_of=lambda _client: None,  # of a table in the cloud only the connection knows it
)
