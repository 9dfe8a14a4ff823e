"""Where agents go round in circles: turns that call a tool as before, and turns after the answer.

agent     |------------------------------|
  chat     |-|                              turn 1
  search      |-|                           with the arguments a
  chat            |-|                       turn 2: asks for nothing but what turn 1 has asked for
  search             |-|                    with the arguments a
  chat                   |-|                turn 3: the answer, no tools asked for
  chat                       |-|            its prompt is the one before and that answer, nothing new
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from otel_agentprof import semconv
from otel_agentprof.model import dialects

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.model.counting import Ledger

_ANSWERED: Final = frozenset({"stop", "end_turn", "stop_sequence", "complete", "completed"})
_FRAME_TOKENS: Final = 16  # what an answer takes beside its own tokens when it is sent back


@dataclass(frozen=True, slots=True)
class Circle:
    """One agent run that called tools with the same arguments, turn after turn. Spans are by start.

    Attributes:
        tools: How often each tool was called with the same arguments.
        first: The first call of each kind.
        again: The later ones.
        turns: The model calls that asked for nothing but those.
        turn_count: In how many turns the kind that came back most often was called.
    """

    agent: int
    tools: Mapping[str, int]
    first: tuple[int, ...]
    again: tuple[int, ...]
    turns: tuple[int, ...]
    turn_count: int


def circles(trace: Trace, at_least: int) -> Iterator[Circle]:
    """Yield the agents that called a tool with the same arguments in so many turns or more."""
    if at_least > 1 and not trace.asks_again:
        return
    roles = trace.ledger.roles
    asked = {index: what for index, what in trace.fingerprints.items() if roles[index] == "tool"}
    often = {what for what, times in Counter(asked.values()).items() if times >= at_least}
    if not often:
        return
    rounds = _Rounds(trace)
    loops = _loops(trace, rounds, {index: what for index, what in asked.items() if what in often}, at_least)
    made = _tool_calls(trace, rounds, loops.keys()) if loops else {}
    for agent, kinds in loops.items():
        again = [index for _, group in kinds for index in group[1:]]
        spared = set(again)
        tools: Counter[str] = Counter()
        for name, group in kinds:
            tools[name] += len(group)
        yield Circle(
            agent=agent,
            tools=tools,
            first=tuple(group[0] for _, group in kinds),
            again=tuple(again),
            turns=tuple(
                trace.iterations[agent][turn]
                for turn, calls in made[agent].items()
                if turn >= 0 and spared.issuperset(calls)
            ),
            turn_count=max(len(set(map(rounds.turn_of, group))) for _, group in kinds),
        )


def _loops(
    trace: Trace, rounds: _Rounds, asked: Mapping[int, str], at_least: int
) -> Mapping[int, list[tuple[str, list[int]]]]:
    """Return by agent the tools, and their calls with the same arguments, of enough turns."""
    groups: defaultdict[tuple[int, str, str], list[int]] = defaultdict(list)
    for index in sorted(asked, key=trace.tree.starts.__getitem__):
        if rounds.turn_of(index) >= 0:
            name = dialects.operation_of(trace.tree.spans[index], "tool")
            groups[rounds.owners[index], name, asked[index]].append(index)
    loops: defaultdict[int, list[tuple[str, list[int]]]] = defaultdict(list)
    for (agent, name, _), group in groups.items():
        if len(set(map(rounds.turn_of, group))) >= at_least:
            loops[agent].append((name, group))
    return loops


def _tool_calls(
    trace: Trace, rounds: _Rounds, agents: Collection[int]
) -> Mapping[int, Mapping[int, list[int]]]:
    """Return by agent and turn all tool calls."""
    made: dict[int, dict[int, list[int]]] = {agent: {} for agent in agents}
    for index, role in enumerate(trace.ledger.roles):
        if role == "tool" and trace.ledger.counted[index] and rounds.owners[index] in made:
            made[rounds.owners[index]].setdefault(rounds.turn_of(index), []).append(index)
    return made


def afterthoughts(trace: Trace) -> Iterator[tuple[int, tuple[int, ...], bool]]:
    """Yield (agent, its turns after an answer, whether their prompts are known to hold nothing new)."""
    for agent, calls in trace.iterations.items():
        found = [
            (after, is_known)
            for before, after in pairwise(calls)
            if _is_as_long(trace.ledger, before, after)
            and (is_known := _adds_nothing(trace, agent, before, after)) is not None
        ]
        if found:
            yield agent, tuple(after for after, _ in found), all(is_known for _, is_known in found)


class _Rounds:
    """To which agent, and to which of its turns, each span belongs.

    Attributes:
        owners: The nearest agent above each span, -1 where there is none.
    """

    def __init__(self, trace: Trace) -> None:
        roles, parents, starts = trace.ledger.roles, trace.tree.parents, trace.tree.starts
        self.owners = [-1] * (len(roles) + 1)
        for index in trace.tree.top_down:
            parent = parents[index]
            self.owners[index] = parent if parent >= 0 and roles[parent] == "agent" else self.owners[parent]
        self._starts = starts
        self._turns = {agent: [starts[call] for call in calls] for agent, calls in trace.iterations.items()}

    def turn_of(self, index: int) -> int:
        """Return the turn in which a span started; -1 before the first one, and outside all agents."""
        return bisect_right(self._turns.get(self.owners[index], ()), self._starts[index]) - 1


def _adds_nothing(trace: Trace, agent: int, before: int, after: int) -> bool | None:
    """Return whether a prompt is known to hold just the one before and its answer; None if it does not.

    It is as long as these; the chain of its prefixes, where there is one, makes sure.
    """
    if not _is_answer(trace, agent, before, after):
        return None
    first, second = trace.chain_of(before).parts, trace.chain_of(after).parts
    if not first or not second:
        return False
    return True if first[-1] in second[-2:] else None


def _is_as_long(ledger: Ledger, before: int, after: int) -> bool:
    """Return whether a prompt has as many tokens as the one before and its answer."""
    one, other = ledger.usage[before], ledger.usage[after]
    if one is None or other is None or not one.output:
        return False
    new_tokens = other.input - one.input - (one.output - one.reasoning)
    return 0 <= new_tokens <= _FRAME_TOKENS and ledger.models[before] == ledger.models[after]


def _is_answer(trace: Trace, agent: int, before: int, after: int) -> bool:
    """Return whether a call ended with an answer, and the next one came without anything in between."""
    tree, span = trace.tree, trace.tree.spans[before]
    reasons = dialects.finish_reasons_of(span)
    if not reasons or not _ANSWERED.issuperset(reason.lower() for reason in reasons):
        return False
    if dialects.tool_call_ids_of(span) or tree.starts[after] < tree.ends[before]:
        return False
    if not set(dialects.tool_result_ids_of(span)).issuperset(dialects.tool_result_ids_of(tree.spans[after])):
        return False
    children = tree.children[agent]
    place = bisect_left(children, tree.ends[before], key=tree.starts.__getitem__)
    # Where nothing starts afterwards, both are inside one call that somebody else made.
    return place < len(children) and trace.ledger.roles[children[place]] in semconv.LEAF_ROLES
