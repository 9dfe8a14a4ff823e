"""Frameworks with spans of their own, and MCP: whose parent is who in the recorded runs."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import pytest
from frameworks.running import RECORDED, served_of

import otel_agentprof as ap
from otel_agentprof import semconv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_agentprof.model import Span, SpanTree

NATIVE = (
    "pydantic_ai_switched",
    "strands_switched",
    "google_adk_switched",
    "agent_framework",
    "autogen",
    "ag2",
)
BRIEF_BY_ANOTHER = ("autogen", "ag2")  # agents that either stream or do not
MCP = ("mcp", "mcp1")
CLAUDE = "claude_agent_sdk"
CANARIES = ("mild in", "two million", "How is Paris", "In brief", "people live there")


class Place(NamedTuple):
    """A span and where it stands."""

    span: Span
    above: tuple[Span, ...]  # the nearest first


def places(run: str) -> list[Place]:
    return [place for tree in ap.read(str(RECORDED / f"{run}.jsonl")) for place in _of_tree(tree)]


def _of_tree(tree: SpanTree) -> Iterator[Place]:
    for index, span in enumerate(tree.spans):
        above, up = [], tree.parents[index]
        while up >= 0:
            above.append(tree.spans[up])
            up = tree.parents[up]
        yield Place(span, tuple(above))


def ours(run: str) -> list[Place]:
    """Return the calls of models that our client instrumentation saw."""
    return [
        place
        for place in places(run)
        if place.span.scope == semconv.SCOPE and place.span.attributes.get(semconv.ROLE) == "llm"
    ]


def agent_of(place: Place) -> str:
    return next(
        str(span.attributes[semconv.AGENT_NAME])
        for span in place.above
        if span.attributes.get(semconv.OPERATION_NAME) == "invoke_agent"
    )


def tool(run: str, name: str) -> Place:
    """Return the outermost span of a tool."""
    found = [place for place in places(run) if place.span.attributes.get(semconv.TOOL_NAME) == name]
    return min(found, key=lambda place: len(place.above))


@pytest.mark.parametrize("run", [*NATIVE, *MCP, CLAUDE])
def test_each_call_that_was_served_has_one_span_of_ours_below_the_agent_that_made_it(run: str) -> None:
    truth = json.loads((RECORDED / f"{run}.truth.json").read_text(encoding="utf-8"))
    agents = {
        "gpt-5-mini": "guide",
        "gpt-5-nano": "ask_expert" if run in {"google_adk_switched", "autogen"} else "expert",
        "claude-sonnet-4-5": "claude",
        "claude-haiku-5-5": "expert",
    }

    due = [(call.model, agents[call.model]) for call in served_of(truth)]
    if run in BRIEF_BY_ANOTHER:
        due[-1] = (due[-1][0], "brief")

    made = [(place.span.attributes[semconv.REQUEST_MODEL], agent_of(place)) for place in ours(run)]

    assert Counter(made) == Counter(due)


@pytest.mark.parametrize("run", [*NATIVE, *MCP, CLAUDE])
def test_each_tool_call_that_a_model_asked_for_is_one_tool_span(run: str) -> None:
    asked = [i for place in ours(run) for i in place.span.attributes.get(semconv.TOOL_CALL_IDS, ())]

    run_ids = [place.span.attributes.get(semconv.TOOL_CALL_ID) for place in places(run)]

    assert len(asked) >= 3
    assert [run_ids.count(call_id) for call_id in asked] == [1] * len(asked)


@pytest.mark.parametrize("run", [*NATIVE, *MCP])
def test_tools_that_were_asked_for_together_are_siblings(run: str) -> None:
    weather, population = tool(run, "weather"), tool(run, "population")

    assert weather.above
    assert weather.above == population.above


@pytest.mark.parametrize("run", NATIVE)
def test_the_call_of_an_agent_that_is_a_tool_stands_below_that_tool(run: str) -> None:
    (call,) = [place for place in ours(run) if place.span.attributes[semconv.REQUEST_MODEL] == "gpt-5-nano"]

    assert tool(run, "ask_expert").span in call.above


@pytest.mark.parametrize("run", [*NATIVE, *MCP, CLAUDE])
def test_prompts_answers_arguments_and_results_stay_out(run: str) -> None:
    text = (RECORDED / f"{run}.jsonl").read_text(encoding="utf-8")

    assert [canary for canary in CANARIES if canary in text] == []


@pytest.mark.parametrize("run", [run for run in NATIVE if run != "google_adk_switched"])
def test_a_tool_that_fails_is_an_error_and_its_agent_is_none(run: str) -> None:
    lottery = tool(run, "lottery")

    assert lottery.span.status == "ERROR"
    assert "ERROR" not in {span.status for span in lottery.above}


@pytest.mark.parametrize("run", MCP)
def test_a_tool_on_an_mcp_server_is_the_child_of_the_clients_call_in_another_process(run: str) -> None:
    served = [place for place in places(run) if place.span.kind == "SERVER"]
    tools = [place for place in served if semconv.TOOL_NAME in place.span.attributes]

    assert sorted(str(place.span.attributes[semconv.TOOL_NAME]) for place in tools) == [
        "lottery",
        "population",
        "weather",
    ]
    assert {place.above[0].kind for place in tools} == {"CLIENT"}
    assert {agent_of(place) for place in tools} == {"guide"}


@pytest.mark.parametrize("run", MCP)
def test_a_tool_whose_result_is_an_error_has_failed_and_was_called_once(run: str) -> None:
    reports = [ap.analyze(tree) for tree in ap.read(str(RECORDED / f"{run}.jsonl"))]

    served = [
        place.span
        for place in places(run)
        if place.span.kind == "SERVER" and place.span.attributes.get(semconv.TOOL_NAME) == "lottery"
    ]

    assert [(span.status, span.attributes[semconv.ERROR_TYPE]) for span in served] == [
        ("ERROR", "tool_error")
    ]
    assert sum(report.by_role["tool"].count for report in reports if "tool" in report.by_role) == 3


def test_a_sub_agent_of_claude_stands_below_the_tool_that_began_it_and_its_calls_below_it() -> None:
    (call,) = [
        place for place in ours(CLAUDE) if "haiku" in str(place.span.attributes[semconv.REQUEST_MODEL])
    ]

    assert [span.name for span in call.above] == [
        "invoke_agent expert",
        "execute_tool Agent",
        "invoke_agent claude",
    ]


def test_a_tool_server_inside_claudes_client_works_below_the_call_of_the_tool() -> None:
    served = [place for place in places(CLAUDE) if place.span.name.startswith("tools/call")]

    parents = {place.span.attributes[semconv.TOOL_NAME]: place.above[0].name for place in served}

    assert parents == {
        name: f"execute_tool mcp__city__{name}" for name in ("weather", "population", "lottery")
    }


def test_the_failing_tool_of_claude_is_an_error_and_its_agent_is_none() -> None:
    lottery = tool(CLAUDE, "mcp__city__lottery")

    assert lottery.span.status == "ERROR"
    assert {span.status for span in lottery.above} == {"UNSET"}


def test_claude_names_the_money_once_and_only_on_calls_of_models() -> None:
    costly = [place.span for place in places(CLAUDE) if semconv.COST_TOTAL in place.span.attributes]

    assert {span.attributes[semconv.ROLE] for span in costly} == {"llm"}
    assert {span.attributes[semconv.COST_SOURCE] for span in costly} == {"provider"}
