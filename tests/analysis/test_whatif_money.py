"""What-if in dollars, and with other calls: together, once, by another model."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from drawing import draw
from flat_prices import flat_price
from hypothesis import given, settings
from random_spans import likely_spans, wild_spans

from otel_agentprof import pricing
from otel_agentprof.analysis import findings, measure, what_if
from otel_agentprof.config import Config
from otel_agentprof.model import Span, SpanTree

_ASKED = "agentprof.request.fingerprint"
_AGENT = f"""
    agent       |---------------------------------------|   role=agent model=m
      chat      |--------|                                  role=llm op=chat model=m in=1000 out=100
      search              |--------|                        role=tool tool=search {_ASKED}=a
      search                        |--------|              role=tool tool=search {_ASKED}=a
        rank                         |----|                 role=llm op=chat model=m in=40 out=2
      answer                                  |----|        role=llm op=chat model=other in=9 out=100
"""
_CHAT, _AGAIN, _ANSWER = (f"{number:016x}" for number in (2, 4, 6))
_MINI = """
    agent       |------------------------------|   role=agent
      chat      |--------|                         role=llm op=chat model=gpt-4o in=1000 out=100
      chat                |--|                     role=llm op=chat model=gpt-4o-mini-2024-07-18 in=9 out=99
      chat                     |----|              role=llm op=chat model=gpt-4o in=500 out=10
"""


def test_what_is_not_called_saves_what_it_cost_and_what_is_inside_it() -> None:
    tree = draw(_AGENT)

    chat, again = (what_if(tree, remove=[span_id], price=flat_price) for span_id in (_CHAT, _AGAIN))

    assert (chat.saved_ns, chat.saved_usd, chat.removed) == (9, Decimal("1.1"), (_CHAT,))
    assert (again.saved_ns, again.saved_usd, again.removed) == (9, Decimal("0.042"), (_AGAIN, f"{5:016x}"))
    assert not again.is_estimate


def test_what_was_asked_before_is_not_asked_again() -> None:
    answer = what_if(draw(_AGENT), dedupe=True, price=flat_price)

    assert (answer.saved_ns, answer.saved_usd) == (9, Decimal("0.042"))
    assert answer.removed == (_AGAIN, f"{5:016x}")
    assert answer.notes == ("1 call",)


def test_savings_in_dollars_need_the_prices_of_what_changes_only() -> None:
    tree = draw(_AGENT)

    assert what_if(tree, remove=[_ANSWER], price=flat_price).saved_usd is None
    assert what_if(tree, remove=[_CHAT, _ANSWER], price=flat_price).saved_usd is None
    assert what_if(tree, remove=[_CHAT], price=flat_price).saved_usd == Decimal("1.1")


@pytest.mark.parametrize(
    ("call", "saved"),
    [
        ("role=llm op=chat model=m", None),
        ("role=llm op=chat model=m agentprof.cache.hit=true", Decimal(0)),
        ("role=llm op=chat model=m status=ERROR", Decimal(0)),
        ("role=llm op=chat model=x cost=0.25", Decimal("0.25")),
        ("role=llm op=chat model=x in=0 out=0", Decimal(0)),
        ("role=tool", Decimal(0)),
    ],
)
def test_a_call_that_tells_no_tokens_is_of_unknown_cost_unless_nothing_was_billed(
    call: str, saved: Decimal | None
) -> None:
    tree = draw(f"""
        agent    |------------|  role=agent
          call    |----|         {call}
    """)

    assert what_if(tree, remove=[f"{2:016x}"], price=flat_price).saved_usd == saved


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"scale": {_CHAT: 0}},
        {"by_role": {"llm": 0.5}},
        {"by_model": {"other": 0}},
        {"concurrency": 1},
        {"parallel": True},
        {"together": [[f"{3:016x}", _AGAIN]]},
        {"remove": ["none"]},
        {"replace_models": {"nobody": "m"}},
    ],
)
def test_what_leaves_every_call_as_it_is_saves_no_money_whatever_is_priced(change: dict[str, Any]) -> None:
    answer = what_if(draw(_AGENT), price=flat_price, **change)

    assert (answer.saved_usd, answer.is_estimate, answer.removed) == (Decimal(0), False, ())


def test_calls_that_need_nothing_of_each_other_run_together() -> None:
    answer = what_if(draw(_AGENT), parallel=True)

    assert (answer.saved_ns, answer.notes) == (9, ("2 calls in 1 group",))


def test_run_together_saves_what_the_finding_says() -> None:
    trace = measure(
        draw("""
            agent     |------------------------------|   role=agent
              chat    |---|                               role=llm op=chat model=m in=9 out=9
              search       |---|                          role=tool tool=search
              fetch             |------|                  role=tool tool=fetch
              lookup                    |----|            role=tool tool=lookup
        """),
        flat_price,
    )
    (found,) = (one for one in findings(trace, Config()) if one.rule == "sequential_group")

    assert what_if(trace.tree, parallel=True, trace=trace).saved_ns == found.saving_ns


def test_calls_that_are_hoisted_to_different_spans_are_no_error_to_run_together() -> None:
    tree = draw(
        """
        agent       |----------------------|   role=agent
          step      |---------|                role=step
            one      |--|                      role=tool tool=one
            two          |------------|        role=tool tool=two
        """,
        unit=1_000_000_000,
    )

    assert what_if(tree, parallel=True).saved_ns >= 0


def test_independent_calls_and_equal_ones_that_are_not_there_are_told() -> None:
    tree = draw("""
        agent    |------------|  role=agent
          one     |----|         role=tool
    """)
    known = draw(f"""
        agent    |------------|  role=agent
          one     |----|         role=tool {_ASKED}=a
    """)

    answers = [
        what_if(tree, parallel=True, dedupe=True),
        what_if(known, dedupe=True),
        what_if(tree, {"x": 1}),
    ]

    assert [answer.notes for answer in answers] == [
        (
            "no calls that are known to be independent",
            "no call tells its input: nothing is known to be repeated",
        ),
        ("no call was made twice with the same input",),
        ("nothing in this trace goes by that name",),
    ]
    assert {answer.saved_ns for answer in answers} == {0}


def test_another_model_is_an_estimate_from_the_table_and_the_speed_of_this_trace() -> None:
    answer = what_if(draw(_MINI, unit=100), replace_models={"gpt-4o": "gpt-4o-mini"})

    # 110 tokens in 1,400 ns against 99 in 300 ns: the calls take 4.2 times less.
    assert (answer.makespan_ns, answer.saved_ns) == (2033, 1067)
    assert answer.saved_usd == (1500 * Decimal("2.35") + 110 * Decimal("9.4")) / 10**6
    assert answer.is_estimate
    assert answer.replaced == (("gpt-4o", "gpt-4o-mini"),)
    assert answer.notes == (
        "estimate: 330000000 instead of 78571429 output tokens/s, as in this trace, same tokens",
    )
    assert [percent for percent, _ in answer.curve] == [25, 50, 75, 100]


@pytest.mark.parametrize("kind", [dict, list, SpanTree])
def test_the_speed_of_another_model_may_be_given_or_observed_elsewhere(kind: type) -> None:
    elsewhere = draw("chat  |--|  role=llm op=chat model=gpt-4.1-nano in=9 out=100", unit=100)
    known: dict[type, Any] = {dict: {"gpt-4.1-nano": 1e9 / 3}, list: [elsewhere], SpanTree: elsewhere}

    answer = what_if(draw(_MINI, unit=100), replace_models={"gpt-4o": "gpt-4.1-nano"}, speed_from=known[kind])

    assert answer.saved_ns == 1070
    assert "as in the trace given" in answer.notes[0]


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf")])
def test_a_speed_is_a_number_above_0(speed: float) -> None:
    with pytest.raises(ValueError, match="tokens per second"):
        what_if(draw(_MINI), replace_models={"gpt-4o": "x"}, speed_from={"x": speed})


@pytest.mark.parametrize(
    ("after", "speed_from", "note"),
    [
        ("nobody", {}, "estimate: neither its price nor its speed is known here"),
        ("gpt-4.1-nano", {}, "estimate: price only, its speed is not known here"),
        (
            "nobody",
            {"nobody": 7e8},
            "tokens/s, as in the trace given, same tokens; what they cost is not known",
        ),
    ],
)
def test_what_is_not_known_of_another_model_is_said(
    after: str, speed_from: dict[str, float], note: str
) -> None:
    answer = what_if(draw(_MINI), replace_models={"gpt-4o": after}, speed_from=speed_from)

    assert answer.notes[0].endswith(note)
    assert answer.is_estimate
    assert (answer.saved_usd is None) is (after == "nobody")
    assert (answer.saved_ns != 0) is bool(speed_from)


def test_another_model_is_priced_at_the_same_seller_else_wherever_it_is_sold() -> None:
    tree = draw("chat  |--|  role=llm op=chat provider=openai model=gpt-4o in=1000 out=100")

    answer = what_if(tree, replace_models={"gpt-4o": "claude-haiku-4-5"})

    cost = pricing.price(measure(tree, pricing.price).ledger.usage[0], "claude-haiku-4-5")  # type: ignore[arg-type]
    assert cost is not None
    assert answer.saved_usd == Decimal("0.0035") - cost.total


def test_a_model_whose_calls_tell_no_tokens_saves_nobody_knows_what() -> None:
    tree = draw("""
        agent    |------------|  role=agent model=gpt-4o
          chat    |----|         role=llm op=chat model=gpt-4o
    """)

    answer = what_if(tree, replace_models={"gpt-4o": "gpt-4o-mini"})

    assert (answer.saved_usd, answer.saved_ns, answer.is_estimate) == (None, 0, True)


def test_an_agent_that_names_a_model_is_no_call_of_it() -> None:
    tree = draw("""
        agent    |------------|  role=agent model=gpt-4o
          tool    |----|         role=tool
    """)

    answer = what_if(tree, replace_models={"gpt-4o": "gpt-4o-mini"})

    assert (answer.saved_usd, answer.is_estimate) == (Decimal(0), False)
    assert answer.notes == ("nothing in this trace goes by that name",)


def test_what_is_not_made_is_not_asked_of_another_model_either() -> None:
    tree = draw(_MINI)
    change: dict[str, Any] = {"remove": [_CHAT], "replace_models": {"gpt-4o": "gpt-4o-mini"}}

    alone, both = what_if(tree, remove=[_CHAT]), what_if(tree, **change)

    assert alone.saved_usd == Decimal("0.0035")
    assert both.saved_usd == Decimal("0.0035") + (500 * Decimal("2.35") + 10 * Decimal("9.4")) / 10**6
    assert both.makespan_ns < alone.makespan_ns


def test_faster_calls_that_are_not_made_stay_away_along_the_curve() -> None:
    answer = what_if(draw(_AGENT), {_CHAT: 0.5, _ANSWER: 0.5}, remove=[_CHAT], price=flat_price)

    assert answer.curve[-1] == (100, 26)
    assert answer.curve[0][1] <= 31


def test_a_model_may_be_scaled_without_its_version() -> None:
    tree = draw(_MINI)

    full = what_if(tree, by_model={"gpt-4o-mini-2024-07-18": 0.0})

    assert what_if(tree, by_model={"gpt-4o-mini": 0.0}) == full
    assert full.saved_ns == 3


def test_a_trace_that_is_measured_is_not_measured_again() -> None:
    trace = measure(draw(_AGENT), flat_price)
    change: dict[str, Any] = {"dedupe": True, "parallel": True, "by_role": {"llm": 0.5}}

    assert what_if(trace.tree, trace=trace, **change) == what_if(trace.tree, price=flat_price, **change)


@given(spans=likely_spans() | wild_spans())
@settings(max_examples=100, deadline=None)
def test_changes_that_find_nothing_change_nothing(spans: list[Span]) -> None:
    tree = SpanTree.from_spans(spans)

    answer = what_if(
        tree, parallel=True, dedupe=True, replace_models={"a": "b"}, remove=["none"], price=flat_price
    )

    assert (answer.makespan_ns, answer.saved_ns, answer.saved_usd) == (tree.duration_ns, 0, Decimal(0))
