"""Jaeger's legacy JSON, as its API and its download button give it."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from otel_agentprof.model.span import Event, Link, Span
from otel_agentprof.readers import read_spans

if TYPE_CHECKING:
    from otel_agentprof.readers.loaded import Loaded

TRACE = "0af7651916cd43dd8448eb211c80319c"
START_US = 1_700_000_000_000_000


def tag(key: str, value: Any, kind: str = "string") -> dict[str, Any]:
    return {"key": key, "type": kind, "value": value}


def reference(span_id: str, kind: str = "CHILD_OF", trace_id: str = TRACE) -> dict[str, Any]:
    return {"refType": kind, "traceID": trace_id, "spanID": span_id}


def raw_span(**fields: Any) -> dict[str, Any]:
    span = {
        "traceID": TRACE,
        "spanID": "a1",
        "operationName": "chat",
        "references": [],
        "startTime": START_US,
        "duration": 1500,
        "tags": [],
        "logs": [],
        "processID": "p1",
        "warnings": None,
    }
    return {key: value for key, value in (span | fields).items() if value is not ...}


def raw_trace(*spans: Any, **fields: Any) -> dict[str, Any]:
    processes = {"p1": {"serviceName": "agent", "tags": [tag("host.name", "box")]}}
    return {"traceID": TRACE, "spans": list(spans), "processes": processes} | fields


def load(document: Any) -> Loaded:
    return read_spans(io.BytesIO(json.dumps(document).encode()))


def load_span(**fields: Any) -> Span:
    (span,) = load({"data": [raw_trace(raw_span(**fields))]}).spans
    return span


@pytest.mark.parametrize(
    "document",
    [
        {"data": [raw_trace(raw_span())], "total": 0, "limit": 0, "offset": 0, "errors": None},
        raw_trace(raw_span()),
        [raw_trace(raw_span())],
    ],
)
def test_the_api_answer_a_bare_trace_and_a_list_are_read(document: Any) -> None:
    (span,) = load(document).spans

    assert span == Span(
        TRACE,
        "00000000000000a1",
        None,
        "chat",
        START_US * 1000,
        START_US * 1000 + 1_500_000,
        resource={"service.name": "agent", "host.name": "box"},
    )


def test_tags_that_are_fields_go_back_to_their_fields() -> None:
    span = load_span(
        tags=[
            tag("span.kind", "client"),
            tag("otel.status_code", "ERROR"),
            tag("otel.status_description", "boom"),
            tag("error", value=True, kind="bool"),
            tag("otel.scope.name", "opentelemetry.instrumentation.x"),
            tag("otel.scope.version", "1"),
            tag("otel.dropped_attributes_count", 4, "int64"),
            tag("internal.span.format", "otlp"),
            tag("agentprof.lane", "7/1"),
            tag("kept", "yes"),
        ]
    )

    assert (span.kind, span.status, span.status_message) == ("CLIENT", "ERROR", "boom")
    assert (span.scope, span.dropped_attributes, span.lane) == ("opentelemetry.instrumentation.x", 4, "7/1")
    assert span.attributes == {"kept": "yes"}


@pytest.mark.parametrize(
    ("tags", "status", "rest"),
    [
        ([tag("error", value=True, kind="bool")], "ERROR", {}),
        ([tag("error", "true")], "ERROR", {}),
        ([tag("error", value=False, kind="bool")], "UNSET", {"error": False}),
        ([tag("otel.status_code", "ok"), tag("error", value=True, kind="bool")], "OK", {"error": True}),
        ([tag("otel.status_code", "STATUS_CODE_ERROR")], "ERROR", {}),
        ([], "UNSET", {}),
    ],
)
def test_the_status_comes_from_otel_before_the_older_error_tag(tags: Any, status: str, rest: Any) -> None:
    span = load_span(tags=tags)

    assert (span.status, span.attributes) == (status, rest)


def test_the_older_name_of_the_scope_is_read() -> None:
    assert load_span(tags=[tag("otel.library.name", "old")]).scope == "old"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (tag("k", "7", "int64"), 7),
        (tag("k", 7, "int64"), 7),
        (tag("k", "0.5", "float64"), 0.5),
        (tag("k", 1, "float64"), 1.0),
        (tag("k", "true", "bool"), True),
        (tag("k", value=False, kind="bool"), False),
        (tag("k", "AP8=", "binary"), b"\x00\xff"),
        (tag("k", "7"), "7"),
        ({"key": "k", "value": 7}, 7),
        ({"key": "k", "value": "x", "type": "novel"}, "x"),
    ],
)
def test_a_tag_has_the_type_that_it_names(raw: Any, expected: Any) -> None:
    found = load_span(tags=[raw]).attributes["k"]

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "bad",
    [
        tag("k", "seven", "int64"),
        tag("k", "perhaps", "bool"),
        tag("k", None),
        tag("k", {"a": 1}),
        {"key": 5, "value": "x"},
        {"key": "k", "value": "x", "type": ["int64"]},
        "tag",
    ],
)
def test_an_unreadable_tag_costs_only_itself(bad: Any) -> None:
    loaded = load(raw_trace(raw_span(tags=[bad, tag("good", "yes")])))

    assert [span.attributes for span in loaded.spans] == [{"good": "yes"}]
    assert [code for code, _ in loaded.notes] == ["bad_value"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('["call_1","call_2"]', ("call_1", "call_2")),
        ("[1]", "[1]"),
        ("{}", "{}"),
        ("call_1", "call_1"),
        ("[", "["),
    ],
)
def test_an_array_of_semconv_is_an_array_again(text: str, expected: Any) -> None:
    span = load_span(tags=[tag("agentprof.tool_call.ids", text), tag("other", text)])

    assert span.attributes == {"agentprof.tool_call.ids": expected, "other": text}


@pytest.mark.parametrize(
    ("references", "parent", "links"),
    [
        ([reference("b1")], "b1", []),
        ([reference("b1", trace_id=TRACE.upper())], "b1", []),
        ([{"refType": "CHILD_OF", "spanID": "b1"}], "b1", []),
        ([reference("b1", "FOLLOWS_FROM"), reference("b2")], "b2", ["b1"]),
        ([reference("b1", "FOLLOWS_FROM"), reference("b2", "FOLLOWS_FROM")], "b1", ["b2"]),
        ([reference("b1", trace_id="1234"), reference("b2", "FOLLOWS_FROM")], "b2", ["b1"]),
        ([reference("b1", trace_id="1234")], None, ["b1"]),
        ([reference("b1"), reference("nothing", "FOLLOWS_FROM"), reference("b3", trace_id="?")], "b1", []),
        (None, None, []),
    ],
)
def test_the_parent_is_the_child_of_reference_of_the_same_trace(
    references: Any, parent: str | None, links: list[str]
) -> None:
    span = load_span(references=references)

    assert span.parent_span_id == (None if parent is None else parent.zfill(16))
    assert [link.span_id for link in span.links] == [link.zfill(16) for link in links]
    assert all(isinstance(link, Link) for link in span.links)


def test_the_older_parent_field_is_read() -> None:
    assert load_span(parentSpanID="b1").parent_span_id == "b1".zfill(16)


def test_logs_become_events() -> None:
    logs = [
        {"timestamp": START_US + 1, "fields": [tag("event", "exception"), tag("n", "2", "int64")]},
        {"fields": [tag("message", "hello")]},
    ]

    span = load_span(logs=logs)

    assert span.events == (
        Event("exception", (START_US + 1) * 1000, {"n": 2}),
        Event("log", 0, {"message": "hello"}),
    )


def test_duplicates_are_kept_for_the_tree_to_drop() -> None:
    assert len(load(raw_trace(raw_span(), raw_span())).spans) == 2


def test_a_span_may_leave_its_trace_id_to_the_trace_and_carry_its_process() -> None:
    own = {"serviceName": "own", "tags": []}

    span = load_span(traceID=..., processID=..., process=own)

    assert (span.trace_id, span.resource) == (TRACE, {"service.name": "own"})


def test_an_unknown_process_is_no_resource() -> None:
    assert load_span(processID="p9").resource == {}


@pytest.mark.parametrize("start", [12.5, "12.5"])
def test_a_fraction_of_a_microsecond_is_kept_where_it_is_a_number(start: Any) -> None:
    loaded = load(raw_trace(raw_span(), raw_span(startTime=start)))

    assert [span.start_ns for span in loaded.spans[1:]] == ([12_500] if start == 12.5 else [])


def test_a_span_without_a_duration_is_open() -> None:
    assert load_span(duration=...).end_ns is None


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (raw_span(startTime=...), "bad_span"),
        (raw_span(spanID="x"), "bad_id"),
        (raw_span(traceID="x"), "bad_id"),
        ("span", "bad_span"),
    ],
)
def test_a_malformed_span_is_left_out_and_told(bad: Any, code: str) -> None:
    loaded = load(raw_trace(raw_span(), bad))

    assert len(loaded.spans) == 1
    assert [name for name, _ in loaded.notes] == [code]


@pytest.mark.parametrize("fields", [{"processes": []}, {"processes": {"p1": 5}}, {"processes": None}])
def test_malformed_processes_do_not_cost_the_spans(fields: Any) -> None:
    loaded = load(raw_trace(raw_span(), **fields))

    assert [span.resource for span in loaded.spans] == [{}]
