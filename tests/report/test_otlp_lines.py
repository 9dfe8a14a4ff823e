"""Spans written as OTLP JSON lines and read back are the spans they were."""

from __future__ import annotations

import base64
import io
import json
import math
import random
from types import MappingProxyType
from typing import Any

import pytest
from google.protobuf.json_format import Parse  # type: ignore[import-untyped]  # ships no types
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from otel_agentprof.model.span import Event, Link, Span
from otel_agentprof.readers import read_spans
from otel_agentprof.report.otlp_lines import render

START = 1_700_000_000_000_000_000

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
times = st.integers(min_value=1, max_value=2**63)
trace_ids = st.integers(min_value=1, max_value=2**128 - 1).map("{:032x}".format)
span_ids = st.integers(min_value=1, max_value=2**64 - 1).map("{:016x}".format)
scalars = (
    texts
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**63 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=5)
    | st.none()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
attributes = st.dictionaries(texts.filter(lambda key: key != "agentprof.lane"), values, max_size=4)
spans = st.builds(
    Span,
    trace_id=trace_ids,
    span_id=span_ids,
    parent_span_id=st.none() | span_ids,
    name=texts,
    start_ns=times,
    end_ns=st.none() | times,
    kind=st.sampled_from(["INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]),
    status=st.sampled_from(["UNSET", "OK", "ERROR"]),
    attributes=attributes,
    events=st.lists(st.builds(Event, texts, times, attributes), max_size=2).map(tuple),
    links=st.lists(st.builds(Link, trace_ids, span_ids, attributes), max_size=2).map(tuple),
    scope=st.sampled_from(["", "openai", "agent"]),
    resource=st.sampled_from(
        [{}, {"service.name": "a"}, {"service.name": "a", "n": True}, {"service.name": "a", "n": 1}]
    ),
    lane=st.none() | texts,
    status_message=texts,
    dropped_attributes=st.integers(min_value=0, max_value=2**31),
    dropped_events=st.integers(min_value=0, max_value=2**31),
    dropped_links=st.integers(min_value=0, max_value=2**31),
    has_remote_parent=st.booleans(),
)


def span(**fields: Any) -> Span:
    plain: dict[str, Any] = {"trace_id": "ab" * 16, "span_id": "cd" * 8, "parent_span_id": None, "name": "n"}
    return Span(**(plain | {"start_ns": START, "end_ns": START + 5} | fields))


def back(*written: Span) -> tuple[Span, ...]:
    loaded = read_spans(io.BytesIO("\n".join(render(written)).encode()))
    assert loaded.notes == ()
    return loaded.spans


def value_of(value: Any) -> Any:
    """Return the AnyValue that is written for an attribute."""
    (line,) = render([span(attributes={"k": value})])
    (attribute,) = json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"]
    return attribute["value"]


@settings(max_examples=120, deadline=None)
@given(st.lists(spans, min_size=1, max_size=6))
def test_what_is_written_reads_back_equal_in_value_type_and_order(written: list[Span]) -> None:
    read_back = back(*written)

    assert repr(read_back) == repr(tuple(written))  # repr: True is not 1, -0.0 is not 0.0


@settings(max_examples=60, deadline=None)
@given(st.lists(spans, min_size=1, max_size=4))
def test_protobuf_itself_accepts_what_is_written(written: list[Span]) -> None:
    for line in render(written):
        document = json.loads(line)
        for group in document["resourceSpans"]:
            for scope in group["scopeSpans"]:
                for raw in scope["spans"]:
                    for holder in (raw, *raw.get("links", ())):
                        for name in {"traceId", "spanId", "parentSpanId"} & holder.keys():
                            holder[name] = base64.b64encode(bytes.fromhex(holder[name])).decode()

        Parse(json.dumps(document), TracesData())


def test_the_format_is_that_of_the_collectors_file_exporter() -> None:
    root = span(resource={"service.name": "x"}, scope="s", kind="CLIENT", status="ERROR", attributes={"n": 1})

    (line,) = render([root])

    assert line == (
        '{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"x"}}]},'
        '"scopeSpans":[{"scope":{"name":"s"},"spans":[{"traceId":"abababababababababababababababab",'
        '"spanId":"cdcdcdcdcdcdcdcd","name":"n","kind":3,"startTimeUnixNano":"1700000000000000000",'
        '"endTimeUnixNano":"1700000000000000005","attributes":[{"key":"n","value":{"intValue":"1"}}],'
        '"status":{"code":2}}]}]}]}'
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, {"doubleValue": "NaN"}),
        (math.inf, {"doubleValue": "Infinity"}),
        (-math.inf, {"doubleValue": "-Infinity"}),
        (1.0, {"doubleValue": 1.0}),
        (True, {"boolValue": True}),
        (2**63, {"stringValue": str(2**63)}),
        (-(2**63), {"intValue": str(-(2**63))}),
        (bytearray(b"\x00"), {"bytesValue": "AA=="}),
        (
            MappingProxyType({1: "a"}),
            {"kvlistValue": {"values": [{"key": "1", "value": {"stringValue": "a"}}]}},
        ),
        ([], {"arrayValue": {"values": []}}),
        (1 + 2j, {"stringValue": "(1+2j)"}),
        (None, {}),
    ],
)
def test_each_type_has_its_any_value(value: Any, expected: Any) -> None:
    assert value_of(value) == expected


def test_a_value_that_contains_itself_ends_somewhere() -> None:
    endless: list[Any] = []
    endless.append(endless)

    (read_back,) = back(span(attributes={"k": endless}))

    assert "(nested too deeply)" in repr(read_back.attributes["k"])


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    (read_back,) = back(span(name="a\ud83d", attributes={"k\udc00": "\ud800"}))

    assert (read_back.name, read_back.attributes) == ("a\ufffd", {"k\ufffd": "\ufffd"})


def test_text_that_looks_like_a_line_end_stays_in_its_line() -> None:
    name = "a\nb\rc\x00\x1b[31m"

    (line,) = render([span(name=name)])

    assert line.isprintable()
    assert back(span(name=name))[0].name == name


@pytest.mark.parametrize(("start", "end"), [(0, 0), (0, 20), (5, None)])
def test_synthetic_times_read_back(start: int, end: int | None) -> None:
    (read_back,) = back(span(start_ns=start, end_ns=end))

    assert (read_back.start_ns, read_back.end_ns) == (start, end)


def test_a_time_before_the_epoch_becomes_the_epoch() -> None:
    (line,) = render([span(start_ns=-5, end_ns=-1)])

    assert '"startTimeUnixNano":"0","endTimeUnixNano":"0"' in line


def test_a_kind_and_status_of_no_known_name_are_those_of_most_spans() -> None:
    (read_back,) = back(span(kind="ODD", status="ODD"))

    assert (read_back.kind, read_back.status) == ("INTERNAL", "UNSET")


def test_neighbours_of_equal_resource_and_scope_share_a_group_and_lines_are_bounded() -> None:
    spans_ = [span(scope="ab"[number // 100 % 2], resource={"r": 1}) for number in range(1000)]

    documents = [json.loads(line) for line in render(iter(spans_))]

    shapes = [
        [[len(scope["spans"]) for scope in group["scopeSpans"]] for group in document["resourceSpans"]]
        for document in documents
    ]
    assert shapes == [[[100, 100, 100, 100, 100, 12]], [[88, 100, 100, 100, 100]]]


def test_equal_spans_give_equal_lines() -> None:
    rng = random.Random(1)  # noqa: S311 - a fixed sequence, no secrets
    some = [span(span_id=rng.randbytes(8).hex(), resource={"r": 1}) for _ in range(5)]

    assert list(render(some)) == list(render([span(span_id=one.span_id, resource={"r": 1}) for one in some]))


def test_nothing_gives_no_line() -> None:
    assert list(render([])) == []
