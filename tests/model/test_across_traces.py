"""Calls that two traces show are found, and only those."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from drawing import draw_spans

from otel_agentprof.model.counting.across_traces import shown_twice

if TYPE_CHECKING:
    from otel_agentprof.model import Span

CALL = "role=llm model=gpt-4o in=100 out=9"
FRAMEWORK = f"""
    agent       |-------------------|    scope=fw role=agent
      model       |-------|              scope=fw {CALL}
"""


def twins(picture: str) -> list[tuple[str, str]]:
    """Return the names of what is shown twice; first the one that is a trace of its own."""
    traces: defaultdict[str, list[Span]] = defaultdict(list)
    for span in draw_spans(picture):
        traces[span.trace_id].append(span)
    return [(one.alone.name, one.other.name) for one in shown_twice(traces)]


def test_a_call_that_began_a_trace_of_its_own_is_found_in_the_frameworks_trace() -> None:
    picture = f"{FRAMEWORK}    chat           |-----|      trace=2 scope=client {CALL}"

    assert twins(picture) == [("chat", "model")]


@pytest.mark.parametrize(
    "other",
    [
        f"|-----|      trace=2 scope=fw {CALL}",
        f"|-----|      trace=2 scope=client {CALL} in=101",
        f"|-----|      trace=2 scope=client {CALL} out=10",
        f"|-----|      trace=2 scope=client {CALL} model=gpt-5",
        f"|-----|      trace=2 scope=client {CALL} role=embedding",
        f"|----->      trace=2 scope=client {CALL}",
        "|-----|      trace=2 scope=client role=llm model=gpt-4o",
        "|-----|      trace=2 scope=client role=llm model=gpt-4o in=0 out=0",
        "|-----|      trace=2 scope=client role=tool",
        f"    |-----|      trace=2 scope=client {CALL}",
        f"                  |---|      trace=2 scope=client {CALL}",
    ],
)
def test_what_differs_in_one_sign_is_another_call(other: str) -> None:
    assert twins(f"{FRAMEWORK}    chat           {other}") == []


def test_a_call_inside_a_trace_of_several_spans_is_none_of_its_own() -> None:
    assert twins(f"""{FRAMEWORK}
        request          |-----|      trace=2 scope=client
          chat           |-----|      scope=client {CALL}
    """) == []  # fmt: skip


def test_requests_below_a_call_make_no_difference_as_long_as_they_are_few() -> None:
    below = "      POST          |---|    scope=httpx\n"
    picture = f"{FRAMEWORK}    chat           |-----|      trace=2 scope=client {CALL}\n"

    assert twins(picture + below * 7) == [("chat", "model")]
    assert twins(picture + below * 8) == []
    assert twins(f"{picture}    more           |-----|      trace=2 scope=client {CALL}") == []


@pytest.mark.parametrize(("one", "other", "found"), [("r1", "r1", 1), ("r1", "r2", 0), ("r1", '""', 1)])
def test_two_responses_are_two_calls(one: str, other: str, found: int) -> None:
    picture = f"""
    model       |-------|              scope=fw {CALL} response={one}
    chat         |-----|               trace=2 scope=client {CALL} response={other}
    """

    assert len(twins(picture)) == found


def test_equal_calls_that_run_at_once_are_paired_one_by_one() -> None:
    picture = f"""
    agent       |-------------------|    scope=fw role=agent
      model a     |-------|              scope=fw {CALL}
      model b     |--------|             scope=fw {CALL}
    chat 1         |----|                trace=2 scope=client {CALL}
    chat 2         |-----|               trace=3 scope=client {CALL} model=gpt-4o-2024-08-06
    chat 3         |------|              trace=4 scope=client {CALL}
    """

    assert twins(picture) == [("chat 1", "model a"), ("chat 2", "model b")]


def test_of_traces_of_one_call_each_a_pair_is_told_once() -> None:
    picture = f"""
    model       |-------|              scope=fw {CALL}
    chat         |-----|               trace=2 scope=client {CALL}
    """
    third = f"call         |-----|               trace=3 scope=gateway {CALL}"

    assert twins(picture) == [("model", "chat")]
    assert twins(picture + third) == [("model", "chat"), ("chat", "call")]
