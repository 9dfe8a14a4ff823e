"""A rerank is a call of a model: it is counted once like one, though its role is that of a retrieval."""

from __future__ import annotations

import pytest
from drawing import Drawing, draw, draw_spans
from model.ledgers import tokens

from otel_agentprof.model import Span, dialects
from otel_agentprof.model.counting import count
from otel_agentprof.model.counting.across_traces import shown_twice


def counted(trace: Drawing) -> set[str]:
    ledger = count(trace)
    assert set(ledger.roles) <= {"agent", "retrieval", "llm", "embedding", "step"}
    return {span.name for span, is_counted in zip(trace.spans, ledger.counted, strict=True) if is_counted}


@pytest.mark.parametrize("response", ["", "response=r1"])
def test_a_rerank_that_two_instrumentations_show_counts_once(response: str) -> None:
    trace = draw(f"""
        agent     |-----------|    role=agent
          one       |-----|        op=rerank in=100 out=0 scope=a {response}
          two       |-----|        op=rerank in=100 out=0 scope=b {response}
    """)

    assert sum(tokens(trace, count(trace)).values()) == 100
    assert len(counted(trace)) == 2
    assert count(trace).coarse == set()


def test_a_rerank_inside_a_rerank_is_the_call() -> None:
    trace = draw("""
        agent     |-----------|    role=agent
          outer     |-----|        op=rerank in=120 scope=a
            inner    |---|         op=rerank in=100 scope=b
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"inner": 100}
    assert counted(trace) == {"agent", "inner"}
    assert [(entry.said, entry.counted) for entry in ledger.roll_up_deltas] == [(120, 100)]


@pytest.mark.parametrize(
    ("outer", "inner", "left"), [("", "", "inner"), ("in=100", "", "outer"), ("", "in=100", "inner")]
)
def test_of_nested_reranks_one_counts_whichever_names_tokens(outer: str, inner: str, left: str) -> None:
    trace = draw(f"""
        agent     |-----------|    role=agent
          outer     |-----|        op=rerank scope=a {outer}
            inner    |---|         op=rerank scope=b {inner}
    """)

    assert counted(trace) == {"agent", left}


def test_a_single_rerank_is_no_sum_of_unknown_calls() -> None:
    trace = draw("""
        agent     |-----------|    role=agent in=100
          rerank    |-----|        op=rerank in=100
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"rerank": 100}
    assert (set(ledger.coarse), set(ledger.roll_ups), set(ledger.reranks)) == (set(), {0}, {1})


def test_a_rerank_that_asks_a_model_repeats_its_tokens() -> None:
    trace = draw("""
        agent     |-----------|    role=agent
          rerank    |-----|        op=rerank in=100 cost=0.5
            chat     |---|         op=chat in=100
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"chat": 100}
    assert counted(trace) == {"agent", "rerank", "chat"}
    assert ledger.run_costs == {1: 0.5}


def test_a_retrieval_that_is_no_rerank_is_counted_as_before() -> None:
    trace = draw("""
        agent       |-----------|    role=agent
          search      |-----|        op=retrieval in=100
            rerank     |---|         op=rerank in=100
          vectors            |-|     op=retrieval
            again            ||      op=retrieval
    """)

    ledger = count(trace)

    assert tokens(trace, ledger) == {"rerank": 100}
    assert counted(trace) == {"agent", "search", "rerank", "vectors", "again"}
    assert ledger.reranks == {2}


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.operation.name": "rerank"},
        {"agentprof.role": "retrieval", "gen_ai.operation.name": "rerank"},
        {"openinference.span.kind": "RERANKER"},
        {"mlflow.spanType": '"RERANKER"'},
        {"llm.request.type": "rerank"},
        {"ai.operationId": "ai.rerank.doRerank"},
    ],
)
def test_every_dialect_has_a_word_for_reranks(attributes: dict[str, str]) -> None:
    read = dialects.read(Span("1", "a", None, "span", 0, 1, attributes=attributes))

    assert (read.role, read.is_rerank) == ("retrieval", True)


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.operation.name": "retrieval"},
        {"agentprof.role": "tool", "gen_ai.operation.name": "rerank"},
        {"openinference.span.kind": "RETRIEVER"},
        {"ai.operationId": "ai.rerank"},
    ],
)
def test_what_is_no_rerank_is_not_taken_for_one(attributes: dict[str, str]) -> None:
    assert not dialects.read(Span("1", "a", None, "span", 0, 1, attributes=attributes)).is_rerank


def test_a_rerank_that_another_trace_shows_too_is_found() -> None:
    spans = draw_spans("""
        agent       |-------------------|    scope=fw role=agent
          model       |-------|              scope=fw op=rerank in=100
        rerank         |-----|               scope=client op=rerank in=100 trace=2 parent=none
    """)

    (twice,) = shown_twice({"1": spans[:2], "2": spans[2:]})

    assert (twice.alone.name, twice.other.name) == ("rerank", "model")
