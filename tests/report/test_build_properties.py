"""What holds for the report of any trace: it is made, and its totals depend on nothing but the spans."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from otlp_text import line
from random_spans import likely_spans, wild_spans

from otel_agentprof import pricing
from otel_agentprof.model import Span, SpanTree
from otel_agentprof.model.dialects.table import KNOWN
from otel_agentprof.model.span import Event
from otel_agentprof.readers import read
from otel_agentprof.report.build import build
from otel_agentprof.semconv import ROLE, ROLES

if TYPE_CHECKING:
    from random import Random

    from otel_agentprof.report.report import Report

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
_WORDS = (*ROLES, "chat", "execute_tool", "invoke_agent", "LLM", "TOOL", "AGENT", "gpt-4o", "openai", "")
_TEXTS = (
    '{"input_tokens": 5}',
    "{'prompt_tokens': -1}",
    '["a", 1]',
    "[" * 50,
    '"chat"',
    "\x00\ud800",
    "1e400",
)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(_WORDS),
    st.sampled_from(_TEXTS),
    st.text(max_size=5),
    st.binary(max_size=3),
)
_VALUES = st.one_of(
    _SCALARS, st.lists(_SCALARS, max_size=3), st.dictionaries(st.text(max_size=5), _SCALARS, max_size=3)
)
_ATTRIBUTES = st.dictionaries(
    st.one_of(st.sampled_from(sorted(KNOWN)), st.text(max_size=3)), _VALUES, max_size=8
)
_SCOPES = st.sampled_from(
    ["", "litellm", "strands", "pydantic-ai", "openinference.instrumentation.langchain"]
)


@pytest.fixture(scope="module", autouse=True)
def prices() -> None:
    """Have the price table there, so that every report is made with the same one."""
    assert pricing.wait()


@st.composite
def odd_spans(draw: st.DrawFn) -> list[Span]:
    """Return spans with any values under names that have a meaning."""
    spans = draw(st.one_of(likely_spans(), wild_spans()))
    return [
        replace(
            span,
            attributes=draw(_ATTRIBUTES),
            scope=draw(_SCOPES),
            lane=draw(st.sampled_from([None, "a", "b"])),
            events=tuple(draw(st.lists(st.builds(Event, st.text(max_size=5), st.integers()), max_size=2))),
        )
        for span in spans
    ]


@st.composite
def agents(draw: st.DrawFn) -> list[Span]:
    """Return spans with different ids and starts, calls with tokens and money among them."""
    unique = {span.span_id: span for span in draw(likely_spans())}
    made = []
    for number, span in enumerate(unique.values()):
        attributes: dict[str, Any] = {ROLE: draw(st.sampled_from(ROLES))}
        if draw(st.booleans()):
            attributes["gen_ai.request.model"] = draw(st.sampled_from(["gpt-4o", "nobody's"]))
            attributes["gen_ai.usage.input_tokens"] = draw(st.integers(0, 1000))
            attributes["gen_ai.usage.output_tokens"] = draw(st.integers(0, 1000))
        if draw(st.booleans()):
            attributes["gen_ai.response.id"] = draw(st.sampled_from("xy"))
        scope = draw(st.sampled_from(["", "a", "b"]))
        made.append(replace(span, start_ns=span.start_ns + number, attributes=attributes, scope=scope))
    return made


def totals(report: Report) -> tuple[object, ...]:
    """Return the figures of a report that are sums over its spans."""
    counts = {role: (figures.count, figures.critical_ns) for role, figures in report.by_role.items()}
    by_model = dict(report.usage_by_model)
    return report.usage, report.cost_usd, by_model, counts, report.span_count, report.duration_ns


@given(spans=odd_spans())
@settings(parent=QUICK, max_examples=400)
def test_no_attributes_and_no_times_keep_a_report_from_being_made(spans: list[Span]) -> None:
    tree = SpanTree.from_spans(spans)

    report = build(tree)

    assert report.span_count == len(report.waterfall) == len(tree)
    assert sum(figures.critical_ns for figures in report.by_role.values()) == tree.duration_ns
    assert report.to_dict()["duration_ns"] == tree.duration_ns


@given(spans=agents(), random=st.randoms(use_true_random=False))
@QUICK
def test_totals_do_not_depend_on_the_order_of_spans(spans: list[Span], random: Random) -> None:
    shuffled = random.sample(spans, len(spans))

    one, other = (build(SpanTree.from_spans(order)) for order in (spans, shuffled))

    assert totals(one) == totals(other)


@given(spans=agents(), random=st.randoms(use_true_random=False))
@QUICK
def test_totals_do_not_depend_on_spans_that_come_again(spans: list[Span], random: Random) -> None:
    again = [*spans, *random.sample(spans, len(spans) // 2)]

    one, other = (build(SpanTree.from_spans(given)) for given in (spans, again))

    assert totals(one) == totals(other)


@given(spans=agents(), random=st.randoms(use_true_random=False), parts=st.integers(1, 4))
@QUICK
def test_totals_do_not_depend_on_how_a_trace_is_split_over_exports(
    spans: list[Span], random: Random, parts: int
) -> None:
    shuffled = random.sample(spans, len(spans))
    whole = line(*map(_written, spans))
    split = "".join(line(*map(_written, shuffled[part::parts])) for part in range(parts))

    one, other = (build(next(read(io.BytesIO(text.encode())))) for text in (whole, split))

    assert totals(one) == totals(other)


def _written(span: Span) -> dict[str, Any]:
    made = {
        "traceId": "1" * 32,
        "spanId": "a" + span.span_id[1:],  # an id of zeros is none
        "parentSpanId": "a" + span.parent_span_id[1:] if span.parent_span_id else "",
        "name": span.name,
        "kind": {"INTERNAL": 1, "PRODUCER": 4, "CONSUMER": 5}[span.kind],
        "startTimeUnixNano": str(1_000_000_000 + span.start_ns),
        "attributes": [
            {"key": key, "value": {"intValue" if isinstance(value, int) else "stringValue": value}}
            for key, value in span.attributes.items()
        ],
        "status": {"code": 2 if span.status == "ERROR" else 0},
    }
    return made if span.end_ns is None else made | {"endTimeUnixNano": str(1_000_000_000 + span.end_ns)}
