"""Spans of the real SDK, ended, open and built by hand."""

from __future__ import annotations

import subprocess
import sys
from types import MappingProxyType
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from otel_agentprof import readers
from otel_agentprof.errors import AgentProfError
from otel_agentprof.model.span import Event, Span
from otel_agentprof.model.span import Link as OurLink
from otel_agentprof.readers import span_of, spans_of

REMOTE = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def test_an_ended_span_is_carried_over_whole() -> None:
    provider = TracerProvider(resource=Resource({"service.name": "agent"}))
    span: Any = provider.get_tracer("scope").start_span(
        "call",
        context=set_span_in_context(NonRecordingSpan(REMOTE)),
        kind=SpanKind.CLIENT,
        attributes={"list": [1, 2], "map": {"k": "v"}, "agentprof.lane": "7/1"},
        links=[Link(REMOTE, {"why": "x"})],
        start_time=1000,
    )
    span.add_event("moment", {"n": 1}, timestamp=1500)
    span.set_status(StatusCode.ERROR, "boom")
    span.end(2000)

    ours = span_of(span)

    assert ours == Span(
        f"{0xABC:032x}",
        f"{span.context.span_id:016x}",
        f"{0xDEF:016x}",
        "call",
        1000,
        2000,
        kind="CLIENT",
        status="ERROR",
        attributes={"list": (1, 2), "map": {"k": "v"}},
        events=(Event("moment", 1500, {"n": 1}),),
        links=(OurLink(f"{0xABC:032x}", f"{0xDEF:016x}", {"why": "x"}),),
        scope="scope",
        resource={"service.name": "agent"},
        lane="7/1",
        status_message="boom",
        has_remote_parent=True,
    )
    assert type(ours.attributes) is type(ours.resource) is type(ours.events[0].attributes) is dict


def test_an_open_span_has_no_end_and_later_attributes_do_not_reach_the_copy() -> None:
    span: Any = TracerProvider().get_tracer("scope").start_span("open", attributes={"a": 1})

    ours = span_of(span)
    span.set_attribute("b", 2)

    assert (ours.end_ns, ours.attributes, ours.parent_span_id) == (None, {"a": 1}, None)


def test_dropped_attributes_are_counted() -> None:
    provider = TracerProvider(span_limits=SpanLimits(max_span_attributes=1))

    span: Any = provider.get_tracer("scope").start_span("full", attributes={"a": 1, "b": 2, "c": 3})

    assert span_of(span).dropped_attributes == 2


def test_spans_of_one_resource_share_its_copy() -> None:
    tracer = TracerProvider().get_tracer("scope")

    first, second = spans_of([tracer.start_span("a"), tracer.start_span("b")])

    assert first.resource is second.resource


def test_many_resources_keep_their_own_attributes() -> None:
    spans = [
        TracerProvider(resource=Resource({"n": number})).get_tracer("s").start_span("a")
        for number in range(50)
    ]

    assert [span.resource["n"] for span in spans_of(spans)] == list(range(50))


def test_a_span_built_by_hand_with_next_to_nothing_is_read() -> None:
    attributes = MappingProxyType({"a": 1})

    bare = span_of(ReadableSpan(name=5, context=REMOTE, attributes=attributes, end_time=7))  # type: ignore[arg-type]  # users do

    assert (bare.name, bare.start_ns, bare.end_ns, bare.scope, bare.attributes) == ("5", 7, 7, "", {"a": 1})


def test_attributes_of_any_mapping_are_copied() -> None:
    class Bare:
        def keys(self) -> list[str]:
            return ["a"]

        def __getitem__(self, key: str) -> int:
            return 1

        def __len__(self) -> int:
            return 1

    span = ReadableSpan(name="x", context=REMOTE, attributes=Bare())  # type: ignore[arg-type]  # any mapping will do
    spans = spans_of(iter([span]))

    assert [span.attributes for span in spans] == [{"a": 1}]


def test_spans_of_ours_pass_through_among_others() -> None:
    ours = Span("a" * 32, "b" * 16, None, "ours", 0, 1)

    mixed = spans_of([ours, ReadableSpan(name="theirs", context=REMOTE)])

    assert mixed[0] is ours
    assert [span.name for span in mixed] == ["ours", "theirs"]


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        ("trace.jsonl", r"got 'str'; to analyse a file, give it to otel_agentprof\.read\(\)"),
        (b"x", "got 'bytes'; to analyse"),
        (5, "got 'int'"),
        (None, "got 'NoneType'"),
        ([5], "got 'int'"),
        ([{"name": "x"}], "got 'dict'"),
        ([INVALID_SPAN], "got 'NonRecordingSpan'"),
        ([ReadableSpan(name="no context")], "got 'ReadableSpan'"),
    ],
)
def test_anything_else_is_refused_in_one_line(thing: Any, message: str) -> None:
    with pytest.raises(AgentProfError, match=rf"^expected spans of .*, {message}[^\n]*$"):
        spans_of(thing)


def test_live_spans_need_none_of_the_file_formats() -> None:
    script = (
        "import sys, otel_agentprof.readers as r; r.spans_of([]); "
        "print([n for n in ('loaded', 'jaeger') if f'{r.__name__}.{n}' in sys.modules], r.read.__name__)"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "[] read\n"


def test_every_public_name_of_the_readers_is_there_and_no_other() -> None:
    assert {name for name in readers.__all__ if callable(getattr(readers, name))} == set(readers.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'write'"):
        readers.write  # noqa: B018 - the lookup is the test
