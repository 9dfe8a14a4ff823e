"""OTLP JSON in all the shapes that backends and libraries give it."""

from __future__ import annotations

import base64
import io
import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.json_format import MessageToJson  # type: ignore[import-untyped]  # ships no types
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags

from otel_agentprof.readers import read_spans, spans_of
from otel_agentprof.readers.ids import UNREADABLE_PARENT
from otel_agentprof.readers.loaded import Loaded

if TYPE_CHECKING:
    from otel_agentprof.model.span import Span

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
PARENT = "00f067aa0ba902b7"
START = 1_700_000_000_000_000_000


def raw_span(**fields: Any) -> dict[str, Any]:
    span: dict[str, Any] = {
        "traceId": TRACE,
        "spanId": SPAN,
        "name": "chat",
        "startTimeUnixNano": str(START),
        "endTimeUnixNano": str(START + 5),
    }
    span |= fields
    return {key: value for key, value in span.items() if value is not ...}


def groups(*spans: Any) -> list[dict[str, Any]]:
    return [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {"name": "s"}, "spans": list(spans)}]}]


def load(document: Any) -> Loaded:
    return read_spans(io.BytesIO(json.dumps(document).encode()))


def load_span(**fields: Any) -> Span:
    loaded = load({"resourceSpans": groups(raw_span(**fields))})
    (span,) = loaded.spans
    assert loaded.notes == ()
    return span


def load_repaired(**fields: Any) -> tuple[Span, list[str]]:
    loaded = load({"resourceSpans": groups(raw_span(**fields))})
    (span,) = loaded.spans
    return span, [code for code, _ in loaded.notes]


def codes_beside_a_good_span(bad: Any) -> list[str]:
    loaded = load({"resourceSpans": groups(raw_span(), bad)})
    assert len(loaded.spans) == 1
    return [code for code, _ in loaded.notes]


@pytest.mark.parametrize(
    "document",
    [
        {"resourceSpans": groups(raw_span())},
        {"batches": groups(raw_span())},
        {"trace": {"resourceSpans": groups(raw_span())}, "metrics": {}},
        {"trace": {"batches": groups(raw_span())}},
        {"result": {"resourceSpans": groups(raw_span())}},
        [{"resourceSpans": groups(raw_span())}],
        groups(raw_span()),
        {"resourceSpans": [{"instrumentationLibrarySpans": [{"spans": [raw_span()]}]}]},
        [{"instrumentationLibrarySpans": [{"spans": [raw_span()]}]}],
    ],
)
def test_every_envelope_is_opened(document: Any) -> None:
    loaded = load(document)

    assert [span.name for span in loaded.spans] == ["chat"]
    assert loaded.notes == ()


@pytest.mark.parametrize(
    "written",
    [
        TRACE,
        TRACE.upper(),
        base64.b64encode(bytes.fromhex(TRACE)).decode(),
        base64.b64encode(bytes.fromhex(TRACE)).decode().rstrip("="),
        base64.urlsafe_b64encode(bytes.fromhex(TRACE)).decode(),
    ],
)
def test_a_trace_id_is_read_from_hex_and_base64(written: str) -> None:
    assert load_span(traceId=written).trace_id == TRACE


@pytest.mark.parametrize("written", [SPAN, SPAN.upper(), base64.b64encode(bytes.fromhex(SPAN)).decode()])
def test_span_ids_are_read_from_hex_and_base64(written: str) -> None:
    span = load_span(spanId=written, parentSpanId=written)

    assert (span.span_id, span.parent_span_id) == (SPAN, SPAN)


@pytest.mark.parametrize("written", [..., None, "", "0" * 16, "AAAAAAAAAAA="])
def test_a_missing_or_zero_parent_is_none(written: Any) -> None:
    assert load_span(parentSpanId=written).parent_span_id is None


@pytest.mark.parametrize("written", ["not an id", "f" * 17, 17, ["x"]])
def test_an_unreadable_parent_makes_an_orphan_and_not_another_root(written: Any) -> None:
    span, codes = load_repaired(parentSpanId=written)

    assert (span.parent_span_id, codes) == (UNREADABLE_PARENT, ["bad_parent"])


def test_short_ids_are_padded_with_zeros() -> None:
    span, codes = load_repaired(traceId="ABC", spanId="1f")

    assert (span.trace_id, span.span_id) == ("abc".zfill(32), "1f".zfill(16))
    assert codes == ["short_id"]


@pytest.mark.parametrize("field", ["traceId", "spanId"])
@pytest.mark.parametrize(
    "bad", [..., None, "", "0" * 32, "0" * 16, "xyz", "a" * 33, 5, True, {}, "zz" * 8, "a b"]
)
def test_a_span_without_readable_ids_is_left_out_and_told(field: str, bad: Any) -> None:
    assert codes_beside_a_good_span(raw_span(**{field: bad})) == ["bad_id"]


@pytest.mark.parametrize("spaced", [" " + SPAN[1:], SPAN[:8] + "  " + SPAN[8:14]])
def test_hex_with_spaces_is_no_id(spaced: str) -> None:
    assert codes_beside_a_good_span(raw_span(spanId=spaced)) == ["bad_id"]


@pytest.mark.parametrize("bad", [None, 3, "span", []])
def test_a_span_that_is_no_object_is_left_out_and_told(bad: Any) -> None:
    assert codes_beside_a_good_span(bad) == ["bad_span"]


@pytest.mark.parametrize("written", [3, "3", "SPAN_KIND_CLIENT", "CLIENT", 3.0])
def test_a_kind_is_read_by_number_and_by_name(written: Any) -> None:
    assert load_span(kind=written).kind == "CLIENT"


@pytest.mark.parametrize("written", [..., None, 0, 1, "SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL"])
def test_a_span_of_no_kind_is_internal(written: Any) -> None:
    assert load_span(kind=written).kind == "INTERNAL"


@pytest.mark.parametrize("written", [2, "2", "STATUS_CODE_ERROR", "ERROR"])
def test_a_status_is_read_by_number_and_by_name(written: Any) -> None:
    span = load_span(status={"code": written, "message": "boom"})

    assert (span.status, span.status_message) == ("ERROR", "boom")


@pytest.mark.parametrize("written", [..., None, {}, {"code": 0}, {"code": None}])
def test_no_status_is_unset(written: Any) -> None:
    assert load_span(status=written).status == "UNSET"


@pytest.mark.parametrize("flags", [0x301, "769"])
def test_a_parent_is_remote_where_the_flags_say_so(flags: Any) -> None:
    assert load_span(flags=flags).has_remote_parent


@pytest.mark.parametrize("flags", [0x101, 0x201, 1, None])  # known to be here; not known
def test_a_parent_is_not_remote_where_the_flags_do_not_know_it(flags: Any) -> None:
    assert not load_span(flags=flags).has_remote_parent


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"kind": 17}, {"kind": "INTERNAL"}),
        ({"kind": ["x"]}, {"kind": "INTERNAL"}),
        ({"status": {"code": "WORSE"}}, {"status": "UNSET"}),
        ({"status": "ERROR"}, {"status": "UNSET"}),
        ({"name": 5}, {"name": ""}),
        ({"droppedAttributesCount": "x"}, {"dropped_attributes": 0}),
        ({"droppedEventsCount": "x"}, {"dropped_events": 0}),
        ({"flags": "x"}, {"has_remote_parent": False}),
        ({"attributes": {"a": 1}}, {"attributes": {}}),
        ({"attributes": [{"key": "a"}, {"value": {}}, 5]}, {"attributes": {}}),
        ({"attributes": [{"key": 5, "value": {"intValue": 1}}]}, {"attributes": {}}),
        ({"events": "x"}, {"events": ()}),
        ({"links": [{"traceId": "x"}]}, {"links": ()}),
    ],
)
def test_a_field_of_the_wrong_type_is_left_out_and_told(fields: Any, what: dict[str, Any]) -> None:
    span, codes = load_repaired(**fields)

    assert {name: getattr(span, name) for name in what} == what
    assert codes == ["bad_value"]


@pytest.mark.parametrize("written", [str(START), START, float(START)])
def test_a_time_is_read_from_a_string_and_a_number(written: Any) -> None:
    assert load_span(startTimeUnixNano=written).start_ns == START


@pytest.mark.parametrize("written", [..., None, "0", 0])
def test_a_span_without_an_end_is_open(written: Any) -> None:
    assert load_span(endTimeUnixNano=written).end_ns is None


def test_a_synthetic_trace_may_start_and_end_at_zero() -> None:
    span = load_span(startTimeUnixNano="0", endTimeUnixNano="0")

    assert (span.start_ns, span.end_ns) == (0, 0)


def test_a_start_that_protojson_left_out_is_zero() -> None:
    span = load_span(startTimeUnixNano=..., endTimeUnixNano="1000")

    assert (span.start_ns, span.end_ns) == (0, 1000)


@pytest.mark.parametrize("written", [..., "0"])
def test_a_span_does_not_last_from_1970_until_now(written: Any) -> None:
    span, codes = load_repaired(startTimeUnixNano=written)

    assert (span.start_ns, span.end_ns) == (START + 5, START + 5)
    assert codes == ["bad_time"]


@pytest.mark.parametrize("bad", ["-5", -5, math.nan, math.inf, 10**30, "9" * 5000, "soon", [], {}])
def test_an_unreadable_time_is_left_out_and_told(bad: Any) -> None:
    span, codes = load_repaired(endTimeUnixNano=bad)

    assert (span.end_ns, codes) == (None, ["bad_time"])


def test_a_span_without_any_time_is_left_out_and_told() -> None:
    bare = raw_span(startTimeUnixNano=..., endTimeUnixNano=...)

    assert codes_beside_a_good_span(bare) == ["bad_span"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"stringValue": "a"}, "a"),
        ({"stringValue": ""}, ""),
        ({"intValue": "7"}, 7),
        ({"intValue": -7}, -7),
        ({"intValue": 7.0}, 7),
        ({"doubleValue": 0.5}, 0.5),
        ({"doubleValue": "Infinity"}, math.inf),
        ({"doubleValue": "-Infinity"}, -math.inf),
        ({"boolValue": True}, True),
        ({"boolValue": "false"}, False),
        ({"bytesValue": "AP8="}, b"\x00\xff"),
        ({"bytesValue": ""}, b""),
        ({"arrayValue": {"values": [{"stringValue": "a"}, {}, {"intValue": "1"}]}}, ("a", None, 1)),
        ({"arrayValue": {}}, ()),
        (
            {"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": False}}, {"key": "n"}]}},
            {"k": False, "n": None},
        ),
        ({}, None),
        ({"stringValue": None, "intValue": "3"}, 3),
        ({"arrayValue": {"values": [None]}}, (None,)),
    ],
)
def test_an_attribute_of_any_type_is_read(value: Any, expected: Any) -> None:
    found = load_span(attributes=[{"key": "k", "value": value}]).attributes["k"]

    assert found == expected
    assert type(found) is type(expected)


def test_not_a_number_is_read() -> None:
    assert math.isnan(load_span(attributes=[{"key": "k", "value": {"doubleValue": "NaN"}}]).attributes["k"])


@pytest.mark.parametrize(
    "value",
    [
        {"stringValue": 5},
        {"intValue": "many"},
        {"intValue": 7.5},
        {"intValue": math.inf},
        {"intValue": str(2**63)},
        {"doubleValue": "x"},
        {"doubleValue": 10**400},
        {"boolValue": "perhaps"},
        {"boolValue": []},
        {"bytesValue": "*"},
        {"bytesValue": 5},
        {"arrayValue": []},
        {"arrayValue": {"values": {"a": 1}}},
        {"kvlistValue": {"values": [{}]}},
        {"colourValue": "red"},
        "bare",
        5,
    ],
)
def test_an_unreadable_attribute_costs_only_itself(value: Any) -> None:
    pairs = [{"key": "bad", "value": value}, {"key": "good", "value": {"intValue": "1"}}]

    span, codes = load_repaired(attributes=pairs)

    assert (span.attributes, codes) == ({"good": 1}, ["bad_value"])


@pytest.mark.parametrize("levels", [48, 49])
def test_values_may_nest_as_deep_as_protobuf_takes_them(levels: int) -> None:
    value: dict[str, Any] = {"intValue": "1"}
    for _ in range(levels):
        value = {"arrayValue": {"values": [value]}}

    loaded = load({"resourceSpans": groups(raw_span(attributes=[{"key": "k", "value": value}]))})

    assert (loaded.notes == ()) is (levels == 48)


def test_events_links_and_the_lane_are_read() -> None:
    pair = [{"key": "k", "value": {"intValue": "1"}}]
    span = load_span(
        attributes=[{"key": "agentprof.lane", "value": {"stringValue": "7/1"}}, *pair],
        events=[{"timeUnixNano": str(START + 1), "name": "first token", "attributes": pair}],
        links=[{"traceId": TRACE, "spanId": PARENT, "attributes": pair}],
        droppedAttributesCount=2,
    )

    assert (span.lane, span.attributes, span.dropped_attributes) == ("7/1", {"k": 1}, 2)
    assert [(event.name, event.time_ns, event.attributes) for event in span.events] == [
        ("first token", START + 1, {"k": 1})
    ]
    assert [(link.trace_id, link.span_id, link.attributes) for link in span.links] == [
        (TRACE, PARENT, {"k": 1})
    ]


def test_spans_share_the_resource_of_their_group() -> None:
    document = {"resourceSpans": groups(raw_span(), raw_span(spanId=PARENT))}
    document["resourceSpans"][0]["resource"]["attributes"] = [
        {"key": "service.name", "value": {"stringValue": "x"}}
    ]

    first, second = load(document).spans

    assert first.resource == {"service.name": "x"}
    assert first.resource is second.resource


@pytest.mark.parametrize(
    "bad",
    [
        {"resourceSpans": {}},
        {"resourceSpans": [5]},
        {"resourceSpans": [{"scopeSpans": 5}]},
        {"resourceSpans": [{"scopeSpans": ["x"]}]},
    ],
)
def test_a_malformed_group_costs_only_itself(bad: Any) -> None:
    loaded = load([{"resourceSpans": groups(raw_span())}, bad])

    assert len(loaded.spans) == 1
    assert [code for code, _ in loaded.notes] == ["bad_group"]


def test_the_real_sdk_through_protobufs_own_json_reads_back_as_it_was() -> None:
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "agent", "n": 3}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("real")
    other = SpanContext(int(TRACE, 16), int(SPAN, 16), is_remote=True, trace_flags=TraceFlags.get_default())
    attributes: Any = {
        "s": "ü",
        "i": 2**40,
        "f": 0.1,
        "b": True,
        "list": ("a", "b"),
        "raw": b"\x00",
        "map": {"k": [1]},
    }
    with tracer.start_as_current_span(
        "root", attributes=attributes, links=[Link(other, {"why": "x"})]
    ) as root:
        root.add_event("moment", {"k": 1.5})
        with tracer.start_as_current_span("call", kind=SpanKind.CLIENT) as call:
            call.set_status(StatusCode.ERROR, "boom")
    finished = memory.get_finished_spans()

    text = MessageToJson(encode_spans(finished))

    assert '"SPAN_KIND_CLIENT"' in text
    assert read_spans(io.BytesIO(text.encode())) == Loaded(spans_of(finished))
