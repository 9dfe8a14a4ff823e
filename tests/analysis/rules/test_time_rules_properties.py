from __future__ import annotations

from flat_prices import flat_price
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentprof.analysis import findings, measure
from otel_agentprof.config import Config
from otel_agentprof.model import Span, SpanTree
from otel_agentprof.semconv import ROLE, TOOL_CALL_ID, TOOL_CALL_IDS

EAGER = Config(
    slow_llm_ms=0,
    slow_tool_ms=0,
    max_calls=1,
    max_iterations=1,
    sequential_group=2,
    straggler_ms=0,
    fan_out_calls=3,
    own_code_ratio=0,
    own_code_ms=0,
    slow_first_token_ms=0,
    outlier_ms=0,
    min_saving_ratio=0,
)
ROLES = st.sampled_from(["llm", "tool", "agent", "step", "retrieval", "other"])
IDS = st.sampled_from(["x", "y", "z"])


@st.composite
def traces(draw: st.DrawFn) -> SpanTree:
    """Return spans of any roles, any times, below any others, with any tool calls."""
    spans = []
    for number in range(draw(st.integers(1, 14))):
        start = draw(st.integers(0, 12))
        attributes = {
            ROLE: draw(ROLES),
            TOOL_CALL_ID: draw(IDS),
            TOOL_CALL_IDS: draw(st.lists(IDS, max_size=3)),
            "gen_ai.usage.output_tokens": draw(st.integers(0, 200)),
            "gen_ai.response.time_to_first_chunk": draw(st.integers(0, 3)),
        }
        spans.append(
            Span(
                "1" * 32,
                f"{number:016x}",
                f"{draw(st.integers(0, number - 1)):016x}" if number else None,
                draw(st.sampled_from(["a", "b"])),
                start * 10**9,
                (start + draw(st.integers(0, 12))) * 10**9,
                status=draw(st.sampled_from(["UNSET", "UNSET", "ERROR"])),
                kind=draw(st.sampled_from(["INTERNAL", "CLIENT"])),
                attributes=attributes,
                lane=draw(st.sampled_from([None, "1", "2"])),
            )
        )
    return SpanTree.from_spans(spans)


@given(traces())
@settings(max_examples=150, deadline=None)
def test_whatever_the_trace_every_finding_has_evidence_and_saves_no_more_than_the_run(tree: SpanTree) -> None:
    known = {span.span_id for span in tree.spans}

    found = findings(measure(tree, flat_price), EAGER)

    for one in found:
        assert one.span_ids
        assert known.issuperset(one.span_ids)
        assert one.title
        assert one.suggestion
        assert one.derivation
        assert 0 <= (one.saving_ns or 0) <= tree.duration_ns
