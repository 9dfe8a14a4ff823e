"""Siblings that go on with what the one before them brought, as far as their prompts show.

    agent     |---------------------|
      cycle    |-------|
        chat    |-|                      reads 1,000 tokens and writes 100
        search      |-|                  its result is for the next model call to read
      cycle             |-------|
        chat             |-|             reads 1,250 tokens: those 1,100, and something new

The last model call inside the earlier one is held against the first inside the later one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_agentprof import semconv
from otel_agentprof.model import dialects

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.semconv import Role

    _Ends = tuple[int, int] | None

_MOST_LEVELS: Final = 6  # bounds the search in deep traces: an agent is a tool, a run, a cycle, two chats
_ABOUT: Final = 0.9  # of an answer that is sent again; not all that is billed need come back
# Work that is told what to do: that a prompt inside is longer than another one says nothing.
_TOLD: Final[frozenset[Role]] = frozenset({"tool", "retrieval", "embedding"})


def apart(trace: Trace, siblings: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield siblings, by start, cut wherever one goes on with what the one before it brought."""
    places = _going_on(trace, siblings) if len(siblings) > 1 else []
    cut = 0
    for place in places:
        yield siblings[cut:place]
        cut = place
    yield siblings[cut:]


def _going_on(trace: Trace, siblings: tuple[int, ...]) -> list[int]:
    """Return the places of those that go on with what the one before them brought.

    Prompts of work that is independent have some size or other, and about half of them happen to be longer
    than the one before: sizes are believed only where most prompts grow, as those of a loop do.
    """
    calls = [_first_and_last(trace, index) for index in siblings]
    if len(calls) - calls.count(None) < 2:  # noqa: PLR2004 - nothing to compare
        return []
    starts, ends, is_told = trace.tree.starts, trace.tree.ends, trace.ledger.roles[siblings[0]] in _TOLD
    shown: set[int] = set()
    grown: dict[int, bool] = {}
    for place in range(1, len(siblings)):
        before, after = calls[place - 1], calls[place]
        around = siblings[place - 1]
        if before is None or after is None or starts[siblings[place]] < ends[around]:
            continue
        needs = _needs(trace, around, before[1], after[0])
        if needs:
            shown.add(place)
        elif needs is None and not is_told and (longer := _grows(trace, before[1], after[0])) is not None:
            grown[place] = longer
    if 4 * sum(grown.values()) >= 3 * len(grown):
        shown.update(place for place, longer in grown.items() if longer)
    return sorted(shown)


def _first_and_last(trace: Trace, index: int) -> _Ends:
    """Return the first and the last model call of a span: itself, or the ones nearest below it."""
    roles, counted, children = trace.ledger.roles, trace.ledger.counted, trace.tree.children
    if roles[index] == "llm":
        return index, index
    level: Sequence[int] = children[index]
    for _ in range(_MOST_LEVELS):
        if not level:
            break
        found = [below for below in level if roles[below] == "llm" and counted[below]]
        if found:
            starts, ends = trace.tree.starts, trace.tree.ends
            return min(found, key=starts.__getitem__), max(found, key=ends.__getitem__)
        level = [further for below in level for further in children[below]]
    return None


def _needs(trace: Trace, around: int, before: int, after: int) -> bool | None:
    """Return whether a model call needs what an earlier one, or the span around that, brought.

    None where the trace does not tell: what is said by ids and prompts comes first.
    """
    first, second = trace.tree.spans[before], trace.tree.spans[after]
    if around != before:
        askers = trace.turns.askers
        if askers and any(askers.get(call) == before for call in dialects.tool_result_ids_of(second)):
            return True
        previous = second.attributes.get(semconv.REQUEST_PREVIOUS_RESPONSE_ID)
        if previous and previous == dialects.response_id_of(first):
            return True
    earlier, later = trace.chain_of(before).parts, trace.chain_of(after).parts
    if earlier and later:
        return earlier[-1] in later[:-1]  # the whole prompt again, and more: with the answer to it
    return True if around != before and _leaves_results(trace, around, before) else None


def _leaves_results(trace: Trace, around: int, call: int) -> bool:
    """Return whether a step ended with tools that its model call asked for: the next one reads on."""
    roles, starts, spans = trace.ledger.roles, trace.tree.starts, trace.tree.spans
    if roles[around] != "step":
        return False  # an agent, or a tool, hands its results to who called it
    end_ns = trace.tree.ends[call]
    tools = [one for one in trace.tree.children[around] if roles[one] == "tool" and starts[one] >= end_ns]
    if not tools:
        return False
    return (
        call in trace.turns.asking
        or any("tool" in reason for reason in dialects.finish_reasons_of(spans[call]))
        or any(dialects.tool_call_id_of(spans[one]) is not None for one in tools)
    )


def _grows(trace: Trace, before: int, after: int) -> bool | None:
    """Return whether a prompt is longer than an earlier one by its answer; None if that is not known."""
    ledger = trace.ledger
    one, other = ledger.usage[before], ledger.usage[after]
    if one is None or other is None or not one.input or not other.input:
        return None
    if ledger.models[before] != ledger.models[after]:
        return None  # they count tokens each in its own way
    more = other.input - one.input
    return more > 0 and more >= _ABOUT * (one.output - one.reasoning)
