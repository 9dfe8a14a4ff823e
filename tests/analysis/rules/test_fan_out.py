from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from drawing import draw
from found import SECOND, found_by, ids

from otel_agentprof.config import Config
from otel_agentprof.model import Span, SpanTree
from otel_agentprof.semconv import ROLE

STRAGGLER = """
    agent     |---------------|   role=agent
      search   |---|              role=tool
      search   |----|             role=tool
      search   |---------|        role=tool
      search   |--|               role=tool
"""


def in_batches(batches: list[list[int]], *, gap: int = 0, words: dict[str, object] | None = None) -> SpanTree:
    """Return calls of so many seconds each, a batch starting when all of the one before have ended."""
    spans, now = [], 0
    for batch in batches:
        spans += [(now, now + seconds) for seconds in batch]
        now += max(batch) + gap
    return calls(spans, words)


def calls(times: list[tuple[int, int]], words: dict[str, object] | None = None) -> SpanTree:
    """Return calls of one tool under one agent, by their first and last second."""
    root = Span(
        "1" * 32,
        "f" * 16,
        None,
        "agent",
        0,
        max(end for _, end in times) * SECOND,
        attributes={ROLE: "agent"},
    )
    below = [
        Span(
            root.trace_id,
            f"{number:016x}",
            root.span_id,
            "fetch",
            start * SECOND,
            end * SECOND,
            attributes=words or {ROLE: "tool"},
        )
        for number, (start, end) in enumerate(times, start=1)
    ]
    return SpanTree.from_spans([root, *below])


def test_a_fan_out_that_waits_for_one_straggler_saves_up_to_the_second_slowest() -> None:
    tree = draw(STRAGGLER, unit=SECOND)

    (held_up,) = found_by("head_of_line", tree)

    assert held_up.saving_ns == 5 * SECOND
    assert (held_up.component, held_up.metric) == ("search", "straggler_ratio")
    assert (held_up.value, held_up.threshold) == (2.5, 2.0)
    assert held_up.span_ids == ids(4, 5, 2, 3)
    assert held_up.title == (
        "4 calls of search side by side wait for one: 10.0 s, the median of the others is 4.0 s"
    )
    assert held_up.derivation.endswith("as long as the second slowest call beside it")


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(Config(straggler_ratio=2.5), id="not that many times longer"),
        pytest.param(Config(straggler_ms=6000), id="not that much longer"),
        pytest.param(Config(min_saving_ratio=0.4), id="not that much of the run"),
    ],
)
def test_a_call_that_is_at_the_limit_is_no_straggler(config: Config) -> None:
    assert found_by("head_of_line", draw(STRAGGLER, unit=SECOND), config) == []


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(
            """
            agent     |---------------|   role=agent
              search   |---|              role=tool
              search   |---------|        role=tool
            """,
            id="two only",
        ),
        pytest.param(
            """
            agent     |---------------|   role=agent
              search   |---|              role=tool
              lookup   |---|              role=tool
              crawl    |---------|        role=tool
            """,
            id="different tools",
        ),
        pytest.param(
            """
            agent     |----------------|   role=agent
              search   |-|                 role=tool
              search   |---------|         role=tool
              search             |-|       role=tool
              search           |---|       role=tool
            """,
            id="others end later",
        ),
        pytest.param(
            """
            agent     |------------------|   role=agent
              flow     |---------------|     role=step
              search   |---|                 role=tool
              search   |---|                 role=tool
              search   |---------|           role=tool
            """,
            id="nobody waits for it",
        ),
    ],
)
def test_what_holds_nobody_up_is_no_straggler(picture: str) -> None:
    assert found_by("head_of_line", draw(picture, unit=SECOND)) == []


def test_stragglers_of_one_operation_are_one_finding_and_a_second_model_call_has_its_price() -> None:
    tree = draw(
        """
        agent     |---------------------------------|   role=agent
          ask      |---|                                role=llm
          ask      |---|                                role=llm
          ask      |---------|                          role=llm
          note               |-|                        role=step
          ask                  |---|                    role=llm
          ask                  |---|                    role=llm
          ask                  |-----------|            role=llm
        """,
        unit=SECOND,
    )

    (held_up,) = found_by("head_of_line", tree)

    assert held_up.title.startswith("ask waits for one straggler in 2 of 2 fan-outs: 12.0 s")
    assert held_up.span_ids[:2] == ids(4, 8)
    assert held_up.saving_ns == 14 * SECOND
    assert "paid for twice" in held_up.suggestion


def test_batches_that_wait_for_their_slowest_save_what_a_sliding_window_saves() -> None:
    tree = in_batches([[1, 4], [1, 4], [1, 4], [1, 4]])

    (waiting,) = found_by("unused_concurrency", tree)

    assert waiting.title == "8 calls of fetch ran in 4 batches of 2, each waiting for its slowest"
    assert waiting.saving_ns == 5 * SECOND  # two at a time, they are done after 11 s instead of 16
    assert (waiting.value, waiting.threshold, waiting.confidence) == (1.25, 2.0, "likely")
    assert (waiting.component, waiting.metric, len(waiting.span_ids)) == ("fetch", "calls_in_flight", 8)
    assert "a semaphore of 2" in waiting.suggestion
    assert "All at once would save 12.0 s." in waiting.suggestion


def test_equal_calls_that_run_few_at_a_time_save_what_twice_as_many_at_a_time_save() -> None:
    tree = in_batches([[1, 1]] * 10)

    (limited,) = found_by("unused_concurrency", tree)

    assert limited.title == "20 calls of fetch, never more than 2 at a time"
    assert limited.saving_ns == 5 * SECOND
    assert (limited.value, limited.threshold) == (2.0, 4.0)
    assert limited.derivation == "this run again with up to 4 of these calls at a time"
    assert "All at once would save 9.0 s." in limited.suggestion


def test_a_sliding_window_is_found_by_how_full_it_is() -> None:
    steady = [(0, 2), (0, 3), (2, 4), (3, 5), (4, 6), (5, 7), (6, 8), (7, 8)]
    full = calls(steady)
    mostly_empty = calls([*steady[:-1], (7, 30)])

    (limited,) = found_by("unused_concurrency", full)

    assert limited.confidence == "possible"
    assert limited.saving_ns == 4 * SECOND
    assert found_by("unused_concurrency", mostly_empty) == []


def test_calls_of_one_answer_that_run_few_at_a_time_are_told_once() -> None:
    asked = [f"c{number}" for number in range(1, 9)]
    answer = Span(
        "1" * 32, "e" * 16, "f" * 16, "chat", 0, 0, attributes={ROLE: "llm", "agentprof.tool_call.ids": asked}
    )
    batches = in_batches([[1, 1]] * 4)
    spans = [
        span
        if span.parent_span_id is None
        else Span(
            span.trace_id,
            span.span_id,
            span.parent_span_id,
            span.name,
            span.start_ns,
            span.end_ns,
            attributes={ROLE: "tool", "gen_ai.tool.call.id": f"c{int(span.span_id, 16)}"},
        )
        for span in batches.spans
    ]
    tree = SpanTree.from_spans([spans[0], answer, *spans[1:]])

    (limited,) = found_by("unused_concurrency", tree)

    assert limited.confidence == "proven"
    told = "Also: 8 tool calls ran in 4 batches one after another: fetch x8, worth 3.0 s."
    assert limited.suggestion.endswith(told)
    assert found_by("sequential_group", tree) == []


@pytest.mark.parametrize(
    ("tree", "config"),
    [
        pytest.param(in_batches([[1, 1]] * 3), Config(), id="few calls"),
        pytest.param(in_batches([[1, 1]] * 4), Config(fan_out_calls=9), id="fewer than asked for"),
        pytest.param(in_batches([[1, 1, 1, 1], [1, 1, 1, 1]]), Config(), id="two steps of a plan"),
        pytest.param(in_batches([[1]] * 9), Config(), id="a sequence is another finding"),
        pytest.param(in_batches([[1] * 4, [1] * 3, [1] * 3]), Config(), id="uneven steps of a plan"),
        pytest.param(in_batches([[1, 1]] * 4), Config(min_saving_ratio=0.9), id="hardly anything to save"),
        pytest.param(
            in_batches([[1, 1]] * 4, words={ROLE: "llm", "gen_ai.response.finish_reasons": ["tool_calls"]}),
            Config(),
            id="model calls that go on with what a tool brought",
        ),
    ],
)
def test_what_is_not_limited_is_not_told(tree: SpanTree, config: Config) -> None:
    assert found_by("unused_concurrency", tree, config) == []


def test_one_failed_call_makes_no_chain_of_many_but_several_answers_do() -> None:
    spans = list(in_batches([[1, 1]] * 6).spans)
    failed = [replace(span, status="ERROR") if number == 2 else span for number, span in enumerate(spans)]
    answers = [
        replace(
            spans[0],
            span_id=f"{number:0>16}",
            parent_span_id=spans[0].span_id,
            end_ns=0,
            attributes={ROLE: "llm", "agentprof.tool_call.ids": [f"c{number}"]},
        )
        for number in ("a1", "b2")
    ]
    asked = [
        replace(span, attributes={ROLE: "tool", "gen_ai.tool.call.id": f"c{'a1' if number < 6 else 'b2'}"})
        for number, span in enumerate(spans[1:])
    ]

    assert len(found_by("unused_concurrency", SpanTree.from_spans(failed))) == 1
    assert found_by("unused_concurrency", SpanTree.from_spans([spans[0], *answers, *asked])) == []


def test_batches_whose_window_saves_nothing_are_told_by_their_limit() -> None:
    tree = in_batches([[2, 2]] * 5, gap=0)

    (limited,) = found_by("unused_concurrency", tree, Config(high_impact_ratio=0.5))

    assert limited.title.endswith("never more than 2 at a time")
    assert (limited.impact, limited.saving_usd) == ("medium", None)
    assert limited.saving_ns == 4 * SECOND
    assert Decimal(limited.saving_ns) / tree.duration_ns == Decimal("0.4")


def test_a_fan_out_inside_a_fan_out_of_the_same_name_takes_no_places_of_its_own() -> None:
    outer = in_batches([[4, 4]] * 4, words={ROLE: "agent"})
    first = outer.spans[1]
    inner = [
        replace(
            first,
            span_id=f"a{number:015x}",
            parent_span_id=first.span_id,
            start_ns=number // 2 * SECOND // 2,
            end_ns=(number // 2 + 1) * SECOND // 2,
        )
        for number in range(16)
    ]

    (limited,) = found_by("unused_concurrency", SpanTree.from_spans([*outer.spans, *inner]))

    assert limited.title == "24 calls of fetch, never more than 2 at a time"
    assert limited.saving_ns == 8 * SECOND


def test_a_straggler_that_writes_slowly_is_told_as_that() -> None:
    tree = draw(
        """
        agent     |-----------------|   role=agent
          ask      |---|                role=llm model=m out=400
          ask      |---|                role=llm model=m out=400
          ask      |---|                role=llm model=m out=400
          ask      |--------------|     role=llm model=m out=400
        """,
        unit=SECOND,
    )

    (slow,) = found_by("slow_generation", tree)

    assert found_by("head_of_line", tree) == []
    assert "Also: 4 calls of ask side by side wait for one" in slow.suggestion
    assert slow.saving_ns == 11 * SECOND
