"""Tempo's blocks (vParquet4 and 5) in the shape of OTLP JSON: one row of ``data.parquet`` per trace.

    TraceID, rs[].Resource, rs[].ss[].Scope, rs[].ss[].Spans[]
       Attrs[]: Key, IsArray, Value[] | ValueInt[] | ValueDouble[] | ValueBool[] | ValueUnsupported
       DedicatedAttributes.String01...: the names are in meta.json, in order within scope and type
       HttpMethod, ServiceName...: of one attribute each

A trace has rows in several blocks until Tempo has compacted them; they become one tree like those of files.
"""

from __future__ import annotations

import importlib
import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.errors import UnreadableTraceError
from otel_agentprof.readers.fields import object_of, objects_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from otel_agentprof.readers.documents import Json
    from otel_agentprof.readers.losses import Losses

_MAGIC: Final = b"PAR1"
_DATA: Final = "data.parquet"
_ROWS: Final = 32  # unpacked at a time: a row is a trace, and may be large
_MAX_UINT64: Final = 2**64
_COLUMNS: Final = {"string": "String", "int": "Int"}
_VALUES: Final = {
    "Value": "stringValue",
    "ValueInt": "intValue",
    "ValueDouble": "doubleValue",
    "ValueBool": "boolValue",
}
_KNOWN: Final = {
    "ServiceName": "service.name",
    "Cluster": "cluster",
    "Namespace": "namespace",
    "Pod": "pod",
    "Container": "container",
    "K8sClusterName": "k8s.cluster.name",
    "K8sNamespaceName": "k8s.namespace.name",
    "K8sPodName": "k8s.pod.name",
    "K8sContainerName": "k8s.container.name",
    "HttpMethod": "http.method",
    "HttpUrl": "http.url",
    "HttpStatusCode": "http.status_code",
}

Names = dict[str, dict[str, str]]  # by scope: column -> attribute
Row = dict[str, Any]


def is_block(path: Path) -> bool:
    """Return whether a path is a Parquet file, or a directory with blocks in it."""
    try:
        if path.is_dir():
            return next(_files(path), None) is not None
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return False


def documents_of(path: Path, losses: Losses) -> Iterator[Json]:
    """Yield each trace in a block, or in those of a directory, as the OTLP document that it would be.

    Raises:
        UnreadableTraceError: pyarrow is not there, or the file is no block.
    """
    try:
        parquet = importlib.import_module("pyarrow.parquet")  # an extra, slow to import, and without types
    except ImportError:
        raise UnreadableTraceError(
            f"{str(path)!r}: blocks of Tempo are read with pyarrow; pip install 'otel-agentprof[parquet]'"
        ) from None
    losses.unit, losses.line = "trace", 0
    for file in sorted(_files(path)) if path.is_dir() else [path]:
        names = _names(file.with_name("meta.json"), losses)
        try:
            block = parquet.ParquetFile(file)
            if not {"TraceID", "rs"} <= set(block.schema_arrow.names):
                raise UnreadableTraceError(
                    f"{str(file)!r} is Parquet, but no block of Tempo: it has no TraceID"
                )
            for batch in block.iter_batches(batch_size=_ROWS, columns=["TraceID", "rs"]):
                for row in batch.to_pylist():
                    losses.line += 1
                    yield {"resourceSpans": [_group(group, row, names, losses) for group in row["rs"] or ()]}
        except (OSError, ValueError) as error:  # pyarrow's own are both
            losses.add("cut_input", str(error).partition("\n")[0])


def _files(directory: Path) -> Iterator[Path]:
    """Yield the data of one block, of a tenant's blocks, or of those of all tenants."""
    for depth in ("", "*/", "*/*/", "*/*/*/"):
        yield from directory.glob(f"{depth}{_DATA}")


def _names(meta: Path, losses: Losses) -> Names:
    """Return which attribute each dedicated column holds in this block."""
    names: Names = defaultdict(dict)
    try:
        content = object_of(json.loads(meta.read_bytes()), losses)
    except (OSError, ValueError, RecursionError):
        return names
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for column in objects_of(content.get("dedicatedColumns"), "bad_value", losses):
        scope, kind = text_of(column.get("s"), losses) or "span", text_of(column.get("t"), losses) or "string"
        counts[scope, kind] += 1
        names[scope][f"{_COLUMNS.get(kind, kind)}{counts[scope, kind]:02}"] = text_of(column.get("n"), losses)
    return names


def _group(group: Row, row: Row, names: Names, losses: Losses) -> dict[str, Json]:
    resource = group.get("Resource") or {}
    return {
        "resource": {"attributes": _attributes(resource, names["resource"], losses)},
        "scopeSpans": [
            {
                "scope": {"name": (scope.get("Scope") or {}).get("Name")},
                "spans": [_span(span, row, names, losses) for span in scope.get("Spans") or ()],
            }
            for scope in group.get("ss") or ()
        ],
    }


def _span(span: Row, row: Row, names: Names, losses: Losses) -> dict[str, Json]:
    start = span["StartTimeUnixNano"]
    return {
        "traceId": _hex(row["TraceID"]),
        "spanId": _hex(span["SpanID"]),
        "parentSpanId": _hex(span.get("ParentSpanID")),
        "name": span.get("Name"),
        "kind": span.get("Kind"),
        "startTimeUnixNano": start,
        "endTimeUnixNano": (start + (span.get("DurationNano") or 0)) % _MAX_UINT64,
        "attributes": _attributes(span, names["span"], losses),
        "droppedAttributesCount": span.get("DroppedAttributesCount"),
        "droppedEventsCount": span.get("DroppedEventsCount"),
        "droppedLinksCount": span.get("DroppedLinksCount"),
        "status": {"code": span.get("StatusCode"), "message": span.get("StatusMessage")},
        "events": [
            {
                # What came before the span's start is there as a number that wraps round.
                "timeUnixNano": (start + (event.get("TimeSinceStartNano") or 0)) % _MAX_UINT64,
                "name": event.get("Name"),
                "attributes": _attributes(event, names["event"], losses),
            }
            for event in span.get("Events") or ()
        ],
        "links": [
            {
                "traceId": _hex(link.get("TraceID")),
                "spanId": _hex(link.get("SpanID")),
                "attributes": _attributes(link, {}, losses),
            }
            for link in span.get("Links") or ()
        ],
    }


def _attributes(owner: Row, dedicated: Mapping[str, str], losses: Losses) -> list[Json]:
    pairs = [(attribute.get("Key"), _value(attribute, losses)) for attribute in owner.get("Attrs") or ()]
    for column, content in (owner.get("DedicatedAttributes") or {}).items():
        if content is None or content == []:
            continue
        if column in dedicated:
            pairs.append((dedicated[column], _plain(content)))
        else:
            losses.add("unnamed_value")
    pairs += [
        (name, _plain(owner[column])) for column, name in _KNOWN.items() if owner.get(column) is not None
    ]
    # What has no value at all in the block is one of Tempo's fillings, and no attribute.
    return [
        {"key": key, "value": value}
        for key, value in pairs
        if value is not None and not (key == "service.name" and value == {"stringValue": ""})
    ]


def _value(attribute: Row, losses: Losses) -> Json | None:
    """Return the AnyValue of one attribute, None where it has none."""
    for column, kind in _VALUES.items():
        if contents := attribute.get(column):
            values = [{kind: content} for content in contents]
            return {"arrayValue": {"values": values}} if attribute.get("IsArray") else values[0]
    if attribute.get("IsArray"):
        return {"arrayValue": {"values": []}}
    if (text := attribute.get("ValueUnsupported")) is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        losses.add("bad_value")
        return None


def _plain(content: Any) -> Json:
    if isinstance(content, list):
        values = [_plain(member) for member in content]
        return values[0] if len(values) == 1 else {"arrayValue": {"values": values}}
    return {"stringValue" if isinstance(content, str) else "intValue": content}


def _hex(data: bytes | None) -> str:
    return (data or b"").hex()
