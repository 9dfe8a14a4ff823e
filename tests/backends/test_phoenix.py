"""Phoenix keeps less of a span than it is sent, and what agents are about all the same."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from backends.sending import PROTOCOLS, an_agent, arrived, many_spans, sending

import otel_agentprof as ap

if TYPE_CHECKING:
    from backends.stores import Phoenix


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_phoenix_gives_the_tokens_the_cost_and_the_path_of_the_live_report(
    phoenix: Phoenix, protocol: str
) -> None:
    with sending(phoenix, protocol) as (tracer, sent):
        trace_id = an_agent(tracer, time.time_ns())
    (live,) = sent.reports
    arrived(phoenix, 5, trace_id)

    (tree,) = ap.read(f"phoenix+{phoenix.api_url}/{trace_id}")

    read = ap.analyze(tree)
    assert read.usage == live.usage
    assert read.cost_usd == live.cost_usd
    assert [step.name for step in read.critical_path] == [step.name for step in live.critical_path]
    assert abs(read.duration_ns - live.duration_ns) < 2_000  # its times have gone through a float
    assert [finding.rule for finding in read.findings] == [finding.rule for finding in live.findings]


def test_every_span_comes_back_with_attributes_of_our_own(phoenix: Phoenix) -> None:
    with sending(phoenix, "http") as (tracer, _):
        trace_id = many_spans(tracer, 300, time.time_ns(), {"made.up": 7, "share": 0.5})
    arrived(phoenix, 300, trace_id)

    (tree,) = ap.read(f"phoenix+{phoenix.api_url}/{trace_id}")

    children = [span for span in tree.spans if span.parent_span_id]
    assert len(tree.spans) == 300
    assert all(span.attributes["made.up"] == 7 for span in children)
    assert all(span.attributes["share"] == 0.5 for span in children)
