"""A block of Tempo with some traces in it, laid out as vParquet4 and 5 are."""

from __future__ import annotations

import base64
import importlib
import json
from typing import TYPE_CHECKING, Any

from backend_shapes import as_dict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

Json = dict[str, Any]
pa = importlib.import_module("pyarrow")  # it has no types
parquet = importlib.import_module("pyarrow.parquet")
_HTTP = {"http.method": "HttpMethod", "http.status_code": "HttpStatusCode"}
_SERVICE = {"service.name": "ServiceName"}
_VALUES = {
    "stringValue": "Value",
    "intValue": "ValueInt",
    "doubleValue": "ValueDouble",
    "boolValue": "ValueBool",
}
_ATTRIBUTE = pa.struct(
    [
        ("Key", pa.string()),
        ("IsArray", pa.bool_()),
        ("Value", pa.list_(pa.string())),
        ("ValueInt", pa.list_(pa.int64())),
        ("ValueDouble", pa.list_(pa.float64())),
        ("ValueBool", pa.list_(pa.bool_())),
        ("ValueUnsupported", pa.string()),
    ]
)
_ATTRIBUTES = ("Attrs", pa.list_(_ATTRIBUTE))
_STRINGS = [(f"String{number:02}", pa.string()) for number in range(1, 11)]
_INTEGERS = [(f"Int{number:02}", pa.int64()) for number in range(1, 6)]
_DEDICATED = ("DedicatedAttributes", pa.struct([*_STRINGS, *_INTEGERS]))
_EVENT = pa.struct([("TimeSinceStartNano", pa.uint64()), ("Name", pa.string()), _ATTRIBUTES])
_LINK = pa.struct([("TraceID", pa.binary()), ("SpanID", pa.binary()), _ATTRIBUTES])
_SPAN = pa.struct(
    [
        *((name, pa.binary()) for name in ("SpanID", "ParentSpanID")),
        *((name, pa.int32()) for name in ("ParentID", "NestedSetLeft", "NestedSetRight")),
        ("Name", pa.string()),
        ("Kind", pa.int64()),
        ("TraceState", pa.string()),
        ("StartTimeUnixNano", pa.uint64()),
        ("DurationNano", pa.uint64()),
        ("StatusCode", pa.int64()),
        ("StatusMessage", pa.string()),
        _ATTRIBUTES,
        ("DroppedAttributesCount", pa.int32()),
        ("Events", pa.list_(_EVENT)),
        ("Links", pa.list_(_LINK)),
        ("HttpMethod", pa.string()),
        ("HttpStatusCode", pa.int64()),
        _DEDICATED,
    ]
)
_RESOURCE = pa.struct([_ATTRIBUTES, ("ServiceName", pa.string()), ("K8sPodName", pa.string()), _DEDICATED])
_SCOPE = pa.struct([("Name", pa.string()), ("Version", pa.string())])
_SCOPE_SPANS = pa.struct([("Scope", _SCOPE), ("Spans", pa.list_(_SPAN))])
_GROUP = pa.struct([("Resource", _RESOURCE), ("ss", pa.list_(_SCOPE_SPANS))])
_BLOCK = pa.schema([("TraceID", pa.binary()), ("TraceIDText", pa.string()), ("rs", pa.list_(_GROUP))])


def tempo_block(directory: Path, *traces: Sequence[ReadableSpan], dedicated: Sequence[Json] = ()) -> Path:
    """Write a block, with some attributes in columns of their own."""
    directory.mkdir(parents=True)
    rows = [_row(as_dict(spans), dedicated) for spans in traces]
    parquet.write_table(pa.Table.from_pylist(rows, schema=_BLOCK), directory / "data.parquet")
    meta = {"format": "vParquet4", "tenantID": "single-tenant", "dedicatedColumns": list(dedicated)}
    (directory / "meta.json").write_text(json.dumps(meta))
    return directory


def _row(document: Json, dedicated: Sequence[Json]) -> Json:
    groups = [
        {
            "Resource": _owner(group["resource"], dedicated, "resource", _SERVICE),
            "ss": [
                {
                    "Scope": {"Name": scope.get("scope", {}).get("name", ""), "Version": ""},
                    "Spans": [_span(span, dedicated) for span in scope["spans"]],
                }
                for scope in group["scopeSpans"]
            ],
        }
        for group in document["resourceSpans"]
    ]
    trace_id = base64.b64decode(document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"])
    return {"TraceID": trace_id, "TraceIDText": trace_id.hex(), "rs": groups}


def _span(span: Json, dedicated: Sequence[Json]) -> Json:
    start, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
    status = span.get("status", {})
    return {
        "SpanID": base64.b64decode(span["spanId"]),
        "ParentSpanID": base64.b64decode(span.get("parentSpanId", "")),
        "Name": span["name"],
        "Kind": span["kind"],
        "StartTimeUnixNano": start,
        "DurationNano": end - start,
        "StatusCode": status.get("code", 0),
        "StatusMessage": status.get("message", ""),
        **_owner(span, dedicated, "span", _HTTP),
        "Events": [
            {
                "TimeSinceStartNano": (int(event["timeUnixNano"]) - start) % 2**64,
                "Name": event["name"],
                "Attrs": [_attribute(pair) for pair in event.get("attributes", ())],
            }
            for event in span.get("events", ())
        ],
        "Links": [
            {
                "TraceID": base64.b64decode(link["traceId"]),
                "SpanID": base64.b64decode(link["spanId"]),
                "Attrs": [_attribute(pair) for pair in link.get("attributes", ())],
            }
            for link in span.get("links", ())
        ],
    }


def _owner(owner: Json, dedicated: Sequence[Json], scope: str, known: Mapping[str, str]) -> Json:
    """Return attributes as Tempo lays them out: known ones, dedicated ones, and the rest."""
    columns: dict[str, str] = {}
    for kind in ("string", "int"):
        mine = [one for one in dedicated if one.get("s", "span") == scope and one.get("t", "string") == kind]
        columns |= {one["n"]: f"{kind.capitalize()}{number:02}" for number, one in enumerate(mine, 1)}
    laid: Json = {"Attrs": [], "DedicatedAttributes": {}}
    for pair in owner.get("attributes", ()):
        ((kind, content),) = pair["value"].items()
        value = int(content) if kind == "intValue" else content
        if pair["key"] in known:
            laid[known[pair["key"]]] = value
        elif pair["key"] in columns:
            laid["DedicatedAttributes"][columns[pair["key"]]] = value
        else:
            laid["Attrs"].append(_attribute(pair))
    return laid


def _attribute(pair: Json) -> Json:
    row: Json = {"Key": pair["key"], "IsArray": False, **{column: [] for column in _VALUES.values()}}
    ((kind, content),) = pair["value"].items()
    if kind == "arrayValue":
        row["IsArray"] = True
        for member in content.get("values", ()):
            ((inner, value),) = member.items()
            row[_VALUES[inner]].append(int(value) if inner == "intValue" else value)
    elif kind in _VALUES:
        row[_VALUES[kind]] = [int(content) if kind == "intValue" else content]
    else:
        row["ValueUnsupported"] = json.dumps(pair["value"])
    return row
