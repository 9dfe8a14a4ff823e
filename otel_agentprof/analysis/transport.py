"""How model calls travel: an HTTP request below a call is a part of the call, and so is its time.

chat gpt    |==============|        the call
  POST        |==========|          other, so far as its own span tells: here it is the call's
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from otel_agentprof import semconv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_agentprof.analysis.statistics import Times
    from otel_agentprof.model.counting import Ledger
    from otel_agentprof.model.tree import SpanTree

_Key = TypeVar("_Key")


def transports(tree: SpanTree, ledger: Ledger) -> Mapping[int, int]:
    """Return the call that each span belongs to which is only how a model call travels."""
    roles, parents, children = ledger.roles, tree.parents, tree.children
    leaves, call_of = semconv.LEAF_ROLES, ledger.shown_again
    found = {
        index: call_of.get(parents[index], parents[index])
        for index, role in enumerate(roles)
        if role == "other" and parents[index] >= 0 and roles[parents[index]] in leaves
    }
    todo = list(found)
    while todo:
        index = todo.pop()
        below = [child for child in children[index] if roles[child] == "other"]
        found.update(dict.fromkeys(below, found[index]))
        todo += below
    return found


def given_to_calls(taken: Times, parts: Mapping[int, int]) -> Times:
    """Return the same times, those of transports being their calls'.

    Requests that run at once, or lie outside their call by another clock, make no call longer than it was.
    """
    if not parts:
        return taken
    own, critical = list(taken.own), list(taken.critical)
    for part, call in parts.items():
        own[call] = min(own[call] + own[part], taken.total[call])
        critical[call] += critical[part]
        own[part] = critical[part] = 0
    return replace(taken, own=tuple(own), critical=tuple(critical))


def as_their_calls(keys: Sequence[_Key], parts: Mapping[int, int]) -> Sequence[_Key]:
    """Return what is true of each span, transports being like their calls."""
    if not parts:
        return keys
    found = list(keys)
    for part, call in parts.items():
        found[part] = keys[call]
    return found
