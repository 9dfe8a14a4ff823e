"""What holds of counting whatever the trace: order, duplicates and oddities change no total."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from random_spans import likely_spans, wild_spans

from otel_agentprof.model import Span, SpanTree
from otel_agentprof.model.counting import count

if TYPE_CHECKING:
    from random import Random


def _with_calls(spans: list[Span], random: Random) -> list[Span]:
    roles = ["llm", "llm", "embedding", "agent", "tool", "step", "retrieval"]
    made = []
    for span in spans:
        attributes: dict[str, object] = {"agentprof.role": random.choice(roles)}
        if attributes["agentprof.role"] == "retrieval" and random.random() < 0.7:
            attributes["gen_ai.operation.name"] = "rerank"
        if random.random() < 0.7:
            attributes["gen_ai.usage.input_tokens"] = random.choice([5, 7, 100])
        if random.random() < 0.5:
            attributes["gen_ai.response.id"] = random.choice("xyz")
        scope = random.choice(["", "a", "b", "litellm", "strands", "pydantic-ai"])
        made.append(replace(span, attributes=attributes, scope=scope))
    return made


@given(spans=st.one_of(likely_spans(), wild_spans()), random=st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_no_trace_loses_all_its_tokens(spans: list[Span], random: Random) -> None:
    tree = SpanTree.from_spans(_with_calls(spans, random))

    ledger = count(tree)

    has_tokens = any("gen_ai.usage.input_tokens" in span.attributes for span in tree.spans)
    assert any(usage is not None for usage in ledger.usage) == has_tokens


@given(spans=st.one_of(likely_spans(), wild_spans()), random=st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_no_tokens_count_again_in_a_span_above(spans: list[Span], random: Random) -> None:
    tree = SpanTree.from_spans(_with_calls(spans, random))

    ledger = count(tree)

    kinds = ["rerank" if n in ledger.reranks else role for n, role in enumerate(ledger.roles)]
    leaves = {"llm", "embedding", "rerank"}
    for index, usage in enumerate(ledger.usage):
        above = tree.parents[index]
        while usage is not None and above >= 0:
            if ledger.usage[above] is not None and kinds[index] in leaves:
                assert kinds[above] in leaves
                assert kinds[above] != kinds[index] or tree.starts[index] > tree.ends[above]
            above = tree.parents[above]


@given(spans=likely_spans(), random=st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_what_counts_does_not_depend_on_the_order_of_spans(spans: list[Span], random: Random) -> None:
    unique = {span.span_id: span for span in _with_calls(spans, random)}
    shuffled = random.sample(list(unique.values()), len(unique))

    trees = [SpanTree.from_spans(order) for order in (unique.values(), shuffled)]

    ledgers = [count(tree) for tree in trees]
    found = [
        {span.span_id: pair for span, *pair in zip(tree.spans, ledger.usage, ledger.counted, strict=True)}
        for tree, ledger in zip(trees, ledgers, strict=True)
    ]
    assert found[0] == found[1]


@given(spans=likely_spans(), random=st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_spans_that_come_twice_count_once(spans: list[Span], random: Random) -> None:
    unique = list({span.span_id: span for span in _with_calls(spans, random)}.values())
    twice = random.sample(unique * 2, 2 * len(unique))

    totals = [
        sum(usage.total for usage in count(SpanTree.from_spans(given)).usage if usage is not None)
        for given in (unique, twice)
    ]

    assert totals[0] == totals[1]
