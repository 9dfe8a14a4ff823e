"""Agents that go round in circles: the same tool call turn after turn, and turns after the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_agentprof.analysis import wording
from otel_agentprof.analysis.circles import afterthoughts, circles
from otel_agentprof.analysis.finding import Finding
from otel_agentprof.analysis.repeats import is_fingerprinted
from otel_agentprof.analysis.saving import MOST_RERUNS, NOT_RUN, if_removed, usd_of
from otel_agentprof.model import dialects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_agentprof.analysis.circles import Circle
    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config


def agent_loop(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the agents that call a tool as before again and again, or go on after the answer."""
    found = sorted(circles(trace, config.loop_repeats), key=lambda one: -one.turn_count)
    for place, circle in enumerate(found):
        yield _circle(trace, circle, config, is_run=place < MOST_RERUNS)
    for place, (agent, turns, is_known) in enumerate(afterthoughts(trace)):
        yield _afterthought(trace, agent, turns, is_known=is_known, is_run=place < MOST_RERUNS)


def _circle(trace: Trace, circle: Circle, config: Config, *, is_run: bool) -> Finding:
    name = _name(trace, circle.agent)
    calls = (*circle.first, *circle.again)
    spared = (*circle.again, *circle.turns)
    return Finding(
        rule="agent_loop",
        title=(
            f"Agent {name} goes round in circles: {wording.listing(circle.tools)} with the same arguments in "
            f"{circle.turn_count:,} turns"
        ),
        component=name,
        metric="equal_turns",
        value=float(circle.turn_count),
        threshold=float(config.loop_repeats),
        suggestion=(
            "The model asks for what it has already been told. Tell it that the call was made before and "
            "what it brought (or that it cannot work), and stop the agent when a call comes back."
        ),
        span_ids=trace.ids((*calls, *circle.turns, circle.agent)),
        mended_ids=trace.ids(spared),
        saving_ns=if_removed(trace, spared) if is_run else None,
        saving_usd=usd_of(trace, spared),
        derivation=(
            f"this run again without the {wording.counted(len(circle.again), 'call')} made again and the "
            f"{wording.counted(len(circle.turns), 'turn')} that asked for nothing else"
            if is_run
            else NOT_RUN
        ),
        confidence="proven" if all(is_fingerprinted(trace, index) for index in calls) else "likely",
    )


def _afterthought(
    trace: Trace, agent: int, turns: tuple[int, ...], *, is_known: bool, is_run: bool
) -> Finding:
    name = _name(trace, agent)
    return Finding(
        rule="agent_loop",
        title=f"Agent {name} calls the model {wording.counted(len(turns), 'time')} after it has answered",
        component=name,
        metric="turns_after_answer",
        value=float(len(turns)),
        threshold=0.0,
        suggestion=(
            "The answer before asked for no tool, and the next prompt brings nothing but that answer. End "
            "the loop when the model stops without asking for a tool."
        ),
        span_ids=trace.ids((*turns, agent)),
        mended_ids=trace.ids(turns),
        saving_ns=if_removed(trace, turns) if is_run else None,
        saving_usd=usd_of(trace, turns),
        derivation=(
            f"this run again without the {wording.counted(len(turns), 'turn')} after an answer"
            if is_run
            else NOT_RUN
        ),
        confidence="likely" if is_known else "possible",
    )


def _name(trace: Trace, agent: int) -> str:
    return dialects.operation_of(trace.tree.spans[agent], "agent")
