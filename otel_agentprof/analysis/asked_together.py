"""Calls that one answer of a model asked for: none of them can need the result of another.

agent      |--------------------|
  chat      |-|                      asks for x and y
  node         |------|              the siblings that stand for x and y are the nodes,
    search       |---|   call x      whatever a framework wraps around a call
  node                |------|
    agent               |---|   call y
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from otel_agentprof.analysis.saving import with_descendants
from otel_agentprof.model import dialects
from otel_agentprof.model.tree import NO_PARENT
from otel_agentprof.semconv import LEAF_ROLES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from otel_agentprof.analysis.trace import Trace

_MOST_WRAPPERS: Final = 8  # bounds the climb in deep traces; frameworks wrap a call once or twice


def asked_together(trace: Trace) -> Iterator[dict[int, int | None]]:
    """Yield for each answer the siblings that stand for the calls it asked for, two or more.

    Each sibling maps to the call inside it, to None where it is the call itself.
    """
    for asker, calls in _calls_by_asker(trace).items():
        if len(calls) > 1:
            siblings = _siblings(trace, asker, calls.values())
            if len(siblings) > 1:
                yield siblings


def _calls_by_asker(trace: Trace) -> Mapping[int, Mapping[str, int]]:
    """Return the calls that each answer asked for: the first span, and the outermost, of each call id."""
    found: defaultdict[int, dict[str, int]] = defaultdict(dict)
    askers, roles, counted = trace.turns.askers, trace.ledger.roles, trace.ledger.counted
    if not askers:
        return found
    spans, background, call_id_of = trace.tree.spans, trace.background, dialects.tool_call_id_of
    for index in trace.tree.top_down:
        if counted[index] and roles[index] not in LEAF_ROLES and index not in background:
            call_id = call_id_of(spans[index])
            if call_id is not None and call_id in askers:
                found[askers[call_id]].setdefault(call_id, index)
    return found


def _siblings(trace: Trace, asker: int, calls: Collection[int]) -> dict[int, int | None]:
    parents = trace.view.parents
    if len({parents[call] for call in calls}) == 1:  # nothing is wrapped around them
        return dict.fromkeys(calls)
    chains = [_chain(trace, call) for call in calls]
    common = set(chains[0][1:]).intersection(*(chain[1:] for chain in chains[1:]))
    if not common:
        return {}
    around = next(index for index in chains[0] if index in common)
    siblings: dict[int, int | None] = {}
    for chain in chains:
        call, wrapper = chain[0], chain[chain.index(around) - 1]
        if wrapper == call:
            siblings[wrapper] = None
        elif wrapper not in siblings:
            if _holds_more(trace, wrapper, call, asker):
                return {}
            siblings[wrapper] = call
    return siblings


def _chain(trace: Trace, index: int) -> list[int]:
    """Return a span and who waited for it, upwards."""
    parents = trace.view.parents
    chain = [index]
    while chain[-1] != NO_PARENT and len(chain) <= _MOST_WRAPPERS:
        chain.append(parents[chain[-1]])
    return chain


def _holds_more(trace: Trace, wrapper: int, call: int, asker: int) -> bool:
    """Return whether a span is more than a wrapper: the answer is in it, or a model call beside the call."""
    beside = with_descendants(trace, [wrapper]) - with_descendants(trace, [call])
    return asker in beside or any(trace.ledger.roles[index] == "llm" for index in beside)
