"""One trace in the shape of each backend's answer and of each kind of file.

What the SDK's own exporter would send is the start: real protobuf, which protobuf's own JSON turns into what
Tempo answers. The shapes of Jaeger and Phoenix are made after their sources.
"""

from __future__ import annotations

import base64
import importlib
import json
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

Json = dict[str, Any]
MessageToDict = importlib.import_module("google.protobuf.json_format").MessageToDict  # it has no types
_IDS = ("traceId", "spanId", "parentSpanId")
_PLAIN = {"stringValue": "string", "boolValue": "bool", "intValue": "int64", "doubleValue": "float64"}


def protobuf(spans: Sequence[ReadableSpan]) -> bytes:
    """Return what an OTLP exporter sends."""
    data: bytes = encode_spans(spans).SerializeToString()
    return data


def as_dict(spans: Sequence[ReadableSpan], *, names_enums: bool = False) -> Json:
    """Return protobuf's own JSON: ids in base64, 64-bit integers as strings."""
    document: Json = MessageToDict(encode_spans(spans), use_integers_for_enums=not names_enums)
    return document


def framed(*records: bytes) -> bytes:
    """Return what the Collector's file exporter writes with ``format: proto``."""
    return b"".join(len(record).to_bytes(4, "big") + record for record in records)


def tempo_v2(spans: Sequence[ReadableSpan]) -> Json:
    return {"trace": as_dict(spans, names_enums=True), "metrics": {}}


def tempo_v1(spans: Sequence[ReadableSpan]) -> Json:
    return {"batches": as_dict(spans, names_enums=True)["resourceSpans"]}


def otlp_json(spans: Sequence[ReadableSpan]) -> Json:
    """Return what the Collector's file exporter writes: hex ids, enums as numbers."""
    document = as_dict(spans)
    for _, _, span in _each(document):
        for owner in (span, *span.get("links", ())):
            owner.update({name: base64.b64decode(owner[name]).hex() for name in _IDS if name in owner})
    return document


def jaeger_v3(spans: Sequence[ReadableSpan]) -> Json:
    return {"result": otlp_json(spans)}


def jaeger_legacy(spans: Sequence[ReadableSpan]) -> Json:
    """Return Jaeger's own JSON: microseconds, and tags for what OTLP has fields for."""
    document = otlp_json(spans)
    rows, processes = [], {}
    for resource, scope, span in _each(document):
        tags = dict(_pairs(resource))
        service = tags.pop("service.name")
        processes["p1"] = {"serviceName": service["value"], "tags": [*tags.values()]}
        rows.append(_legacy_span(scope, span))
    return {
        "data": [{"traceID": rows[0]["traceID"], "spans": rows, "processes": processes, "warnings": None}]
    }


def phoenix(spans: Sequence[ReadableSpan]) -> Json:
    """Return a page of Phoenix's ``spans/otlpv1``: no kinds, links and resources; times through a float."""
    rows = []
    for _, _, span in _each(otlp_json(spans)):
        status = span.get("status", {})
        rows.append(
            {
                "attributes": [_snake_pair(pair) for pair in span.get("attributes", ())],
                "dropped_attributes_count": None,
                "end_time_unix_nano": _through_a_float(span["endTimeUnixNano"]),
                "events": [
                    {
                        "attributes": [_snake_pair(pair) for pair in event.get("attributes", ())],
                        "name": event["name"],
                        "time_unix_nano": _through_a_float(event["timeUnixNano"]),
                    }
                    for event in span.get("events", ())
                ],
                "kind": "SPAN_KIND_INTERNAL",
                "links": None,
                "name": span["name"],
                "parent_span_id": span.get("parentSpanId"),
                "span_id": span["spanId"],
                "start_time_unix_nano": _through_a_float(span["startTimeUnixNano"]),
                "status": {"code": status.get("code", 0), "message": status.get("message")},
                "trace_id": span["traceId"],
                "trace_state": None,
            }
        )
    return {"data": rows[::-1], "next_cursor": None}


def _each(document: Json) -> Iterator[tuple[Json, str, Json]]:
    """Yield resource, name of the scope and span."""
    for group in document["resourceSpans"]:
        for scope in group["scopeSpans"]:
            for span in scope["spans"]:
                yield group["resource"], scope.get("scope", {}).get("name", ""), span


def _legacy_span(scope: str, span: Json) -> Json:
    kind = ("", "internal", "server", "client", "producer", "consumer")[span["kind"]]
    status = span.get("status", {})
    start, end = (int(span[name]) // 1000 for name in ("startTimeUnixNano", "endTimeUnixNano"))
    references = [{"refType": "CHILD_OF", "traceID": span["traceId"], "spanID": span.get("parentSpanId")}]
    tags = [tag for _, tag in _pairs(span)]
    tags += [_tag("otel.scope.name", scope), _tag("span.kind", kind), _tag("internal.span.format", "otlp")]
    if "code" in status:
        tags.append(_tag("otel.status_code", ("UNSET", "OK", "ERROR")[status["code"]]))
    if status.get("code") == 2:
        tags += [
            {"key": "error", "type": "bool", "value": True},
            _tag("otel.status_description", status["message"]),
        ]
    return {
        "traceID": span["traceId"].lstrip("0"),
        "spanID": span["spanId"],
        "operationName": span["name"],
        "references": (references if "parentSpanId" in span else [])
        + [
            {"refType": "FOLLOWS_FROM", "traceID": link["traceId"], "spanID": link["spanId"]}
            for link in span.get("links", ())
        ],
        "startTime": start,
        "duration": end - start,
        "tags": tags,
        "logs": [
            {
                "timestamp": int(event["timeUnixNano"]) // 1000,
                "fields": [_tag("event", event["name"]), *(tag for _, tag in _pairs(event))],
            }
            for event in span.get("events", ())
        ],
        "processID": "p1",
        "warnings": None,
    }


def _pairs(owner: Json) -> Iterator[tuple[str, Json]]:
    for pair in owner.get("attributes", ()):
        ((kind, content),) = pair["value"].items()
        if kind == "arrayValue":
            members = [member["stringValue"] for member in content["values"]]
            yield pair["key"], _tag(pair["key"], json.dumps(members))
        else:
            value = int(content) if kind == "intValue" else content
            yield pair["key"], {"key": pair["key"], "type": _PLAIN[kind], "value": value}


def _tag(key: str, value: str) -> Json:
    return {"key": key, "type": "string", "value": value}


def _snake_pair(pair: Json) -> Json:
    ((kind, content),) = pair["value"].items()
    value: Json = dict.fromkeys(
        (
            "array_value",
            "bool_value",
            "bytes_value",
            "double_value",
            "int_value",
            "kvlist_value",
            "string_value",
        )
    )
    if kind == "arrayValue":
        value["array_value"] = {
            "values": [_snake_pair({"key": "", "value": one})["value"] for one in content["values"]]
        }
    else:
        value[kind.replace("Value", "_value")] = int(content) if kind == "intValue" else content
    return {"key": pair["key"], "value": value}


def _through_a_float(time_ns: str) -> int:
    return int(int(time_ns) // 1000 / 1_000_000 * 1_000_000_000)
