from __future__ import annotations

from drawing import draw
from flat_prices import flat_price
from hypothesis import given
from hypothesis import strategies as st

from otel_agentprof.analysis import measure
from otel_agentprof.analysis.concurrency import in_flight
from otel_agentprof.model import Span, SpanTree
from otel_agentprof.semconv import ROLE


def test_the_profile_says_for_how_long_how_many_calls_ran() -> None:
    tree = draw("""
        agent     |-------------------|   role=agent
          search   |------|               role=tool
          lookup      |-------|           role=tool
          http        |--|                role=other
          chat                 |---|      role=llm
          chat                     ||     role=llm
          empty      |                    role=tool
    """)

    profile = in_flight(measure(tree, flat_price))

    assert profile.time_ns == (4, 12, 4)
    assert (profile.most, profile.average) == (2, 1.0)
    assert (profile.ratio(0, 0), profile.ratio(1, 1), profile.ratio(2)) == (0.2, 0.6, 0.2)


def test_a_call_around_other_calls_and_one_in_the_background_are_not_in_flight() -> None:
    tree = draw(
        """
        agent      |---------|            role=agent
          expert    |------|              role=tool
            step    |------|              role=step
              chat   |--|                 role=llm
              chat       |-|              role=llm
          logs          |----------|      role=tool
    """,
        unit=1_000_000_000,
    )

    profile = in_flight(measure(tree, flat_price))

    assert profile.time_ns == (5_000_000_000, 5_000_000_000)


def test_the_profile_of_some_spans_is_over_their_own_time() -> None:
    tree = draw("""
        agent     |-------------------|   role=agent
          search   |------|               role=tool
          lookup            |--|          role=tool
    """)
    trace = measure(tree, flat_price)

    assert in_flight(trace, [1, 2]).time_ns == (2, 10)
    assert in_flight(trace, []).time_ns == (0,)
    assert in_flight(trace, []).average == 0


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=8))
def test_the_times_add_up_to_the_run_and_the_calls_to_their_durations(times: list[tuple[int, int]]) -> None:
    root = Span("1" * 32, "f" * 16, None, "agent", 0, 100, attributes={ROLE: "agent"})
    spans = [
        Span(root.trace_id, f"{n:016x}", root.span_id, "t", start, start + length, attributes={ROLE: "tool"})
        for n, (start, length) in enumerate(times)
    ]

    profile = in_flight(measure(SpanTree.from_spans([root, *spans]), flat_price))

    assert sum(profile.time_ns) == 100
    assert sum(number * ns for number, ns in enumerate(profile.time_ns)) == sum(length for _, length in times)
