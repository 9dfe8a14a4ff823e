"""Whatever a file holds: spans, or one clear line."""

from __future__ import annotations

import base64
import gzip
import importlib
import io
import json
import re
from typing import Any

import zstandard
from backend_shapes import framed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1 import trace_pb2

from otel_agentprof.errors import UnreadableTraceError
from otel_agentprof.model.span import Event, Link, Span
from otel_agentprof.model.tree import by_trace
from otel_agentprof.readers import read_spans
from otel_agentprof.report.otlp_lines import render

ParseDict = importlib.import_module("google.protobuf.json_format").ParseDict  # it has no types
_VarintBytes = importlib.import_module("google.protobuf.internal.encoder")._VarintBytes
QUICK = settings(max_examples=300, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
OTLP_FIELDS = [
    "parentSpanId",
    "name",
    "kind",
    "startTimeUnixNano",
    "endTimeUnixNano",
    "attributes",
    "events",
    "links",
    "status",
    "droppedAttributesCount",
]
JAEGER_FIELDS = ["traceID", "operationName", "references", "duration", "tags", "logs", "processID", "process"]
OTHER_FIELDS = [
    "resourceSpans",
    "batches",
    "trace",
    "result",
    "resource",
    "scopeSpans",
    "instrumentationLibrarySpans",
    "scope",
    "spans",
    "traceId",
    "spanId",
    "code",
    "message",
    "key",
    "value",
    "values",
    "stringValue",
    "intValue",
    "doubleValue",
    "boolValue",
    "bytesValue",
    "arrayValue",
    "kvlistValue",
    "timeUnixNano",
    "data",
    "spanID",
    "startTime",
    "refType",
    "fields",
    "timestamp",
    "processes",
    "serviceName",
    "type",
]

ids = st.sampled_from(
    ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "t61rcWkgMzE=", "1f", "", "0" * 16]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | ids
    | st.sampled_from(
        ["1700000000000000000", "CHILD_OF", "int64", "bool", "NaN", "-1", "9" * 5000, 1e308, -1, 2**64]
    )
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(OTLP_FIELDS + JAEGER_FIELDS + OTHER_FIELDS), inner, max_size=5)
    ),
    max_leaves=25,
)
otlp_span = st.fixed_dictionaries(
    {"traceId": ids, "spanId": ids},
    optional=dict.fromkeys(OTLP_FIELDS, anything),
)
jaeger_span = st.fixed_dictionaries(
    {"spanID": ids, "startTime": st.integers(0, 2**50) | scalars},
    optional=dict.fromkeys(JAEGER_FIELDS, anything),
)


def in_otlp(spans: Any) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}


def in_jaeger(spans: Any) -> dict[str, Any]:
    return {"data": [{"traceID": "0af7651916cd43dd", "spans": spans, "processes": {}}]}


documents = (
    anything
    | st.lists(otlp_span | anything, max_size=4).map(in_otlp)
    | st.lists(jaeger_span | anything, max_size=4).map(in_jaeger)
)

EXAMPLE = "\n".join(
    line
    for number in range(3)
    for line in render(
        [
            Span(
                "0af7651916cd43dd8448eb211c80319c",
                f"{number + 1:016x}",
                "b7ad6b7169203331",
                "chat \U0001f600",
                1_700_000_000_000_000_000,
                1_700_000_001_000_000_000,
                kind="CLIENT",
                attributes={"s": "x", "i": 7, "f": 0.5, "b": True, "l": ("a", 1), "m": {"k": b"\x00"}},
                events=(Event("e", 1, {"a": 1}),),
                links=(Link("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"),),
                resource={"service.name": "x"},
            )
        ]
    )
).encode()


def base64_of(found: re.Match[str]) -> str:
    return base64.b64encode(bytes.fromhex(found[0])).decode()


MESSAGE = b"".join(
    ParseDict(json.loads(one), trace_pb2.TracesData()).SerializeToString()
    for one in re.sub(r'(?<=Id":")[0-9a-f]+', base64_of, EXAMPLE.decode()).splitlines()
)
PRETTY = json.dumps([json.loads(line) for line in EXAMPLE.splitlines()], indent=1).encode()

FILES = [
    EXAMPLE,
    PRETTY,
    gzip.compress(EXAMPLE, mtime=0),
    zstandard.compress(EXAMPLE),
    MESSAGE,
    framed(MESSAGE, EXAMPLE.splitlines()[0], zstandard.compress(MESSAGE)),
]


def read_or_refuse(data: bytes) -> None:
    """Read, and hold what is read to what the model promises."""
    try:
        loaded = read_spans(io.BytesIO(data))
    except UnreadableTraceError as refused:
        refusal = str(refused)
        loaded = None
    if loaded is None:
        assert refusal.isprintable()
        return
    assert loaded.spans
    for span in loaded.spans:
        assert len(bytes.fromhex(span.trace_id)) == 16
        assert len(bytes.fromhex(span.span_id)) == 8
        assert span.parent_span_id is None or len(bytes.fromhex(span.parent_span_id)) == 8
        assert type(span.start_ns) is int
        assert span.end_ns is None or type(span.end_ns) is int
        assert type(span.attributes) is type(span.resource) is dict
        assert {type(span.name), type(span.scope), type(span.kind), type(span.status)} == {str}
    assert all(message.isprintable() for _, message in loaded.notes)
    assert sum(len(tree) + tree.duplicate_count for tree in by_trace(loaded.spans)) == len(loaded.spans)
    assert read_spans(io.BytesIO("\n".join(render(loaded.spans)).encode())).spans


@QUICK
@given(st.lists(documents, max_size=3), st.sampled_from([None, 1]))
def test_random_json_gives_spans_or_one_clear_line(values: list[Any], indent: int | None) -> None:
    read_or_refuse("\n".join(json.dumps(value, indent=indent) for value in values).encode())


@QUICK
@given(st.sampled_from(FILES), st.data())
def test_a_file_that_breaks_off_anywhere_gives_spans_or_one_clear_line(
    whole: bytes, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))

    read_or_refuse(whole[start:end])


@QUICK
@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_a_file_with_flipped_bytes_gives_spans_or_one_clear_line(
    whole: bytes, flips: list[tuple[float, int]]
) -> None:
    damaged = bytearray(whole)
    for place, byte in flips:
        damaged[int(place * len(damaged))] = byte

    read_or_refuse(bytes(damaged))


@QUICK
@given(st.sampled_from([b"", b"\n", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"]), st.binary(max_size=200))
def test_random_bytes_give_one_clear_line(magic: bytes, data: bytes) -> None:
    read_or_refuse(magic + data)
    read_or_refuse(framed(magic + data))


def in_protobuf(spans: list[bytes]) -> bytes:
    return field(1, field(2, b"".join(field(2, span) for span in spans)))


def field(number: int, content: bytes) -> bytes:
    encoded: bytes = _VarintBytes(number << 3 | 2) + _VarintBytes(len(content)) + content
    return encoded


protobuf_field = (
    st.tuples(st.integers(1, 20), st.binary(max_size=20)).map(lambda pair: field(*pair))
    | st.tuples(st.integers(1, 20), st.integers(0, 2**64 - 1)).map(
        lambda pair: _VarintBytes(pair[0] << 3) + _VarintBytes(pair[1])
    )
    | st.tuples(st.integers(1, 20), st.binary(min_size=8, max_size=8)).map(
        lambda pair: _VarintBytes(pair[0] << 3 | 1) + pair[1]
    )
    | st.sampled_from([field(1, bytes(15) + b"\1"), field(2, bytes(7) + b"\1"), field(5, b"name")])
)
protobuf_span = st.lists(protobuf_field, max_size=8).map(b"".join)


@QUICK
@given(st.lists(protobuf_span, max_size=4), st.binary(max_size=8))
def test_random_messages_give_spans_or_one_clear_line(spans: list[bytes], tail: bytes) -> None:
    read_or_refuse(in_protobuf(spans) + tail)
    read_or_refuse(framed(in_protobuf(spans)) + tail)
