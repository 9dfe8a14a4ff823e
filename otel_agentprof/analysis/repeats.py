"""Calls that were made before, with the same input: what a cache, or one call shared by all, would spare.

    search   |---|                       pays
    search          |---|                could come from a cache
      embed           |-|                is spared with the search that it is in: no repetition of its own
    chat     |---|
    chat       |---|                     overlaps with an equal one: could wait for its answer

A failed call has no answer that a cache could hold: it is no repetition, and its equal is a retry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof import semconv
from otel_agentprof.model import dialects

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.model.counting import Ledger
    from otel_agentprof.model.dialects import Chain
    from otel_agentprof.model.tree import SpanTree
    from otel_agentprof.semconv import Role

_CALLS: Final[frozenset[Role]] = frozenset({"llm", "tool", "retrieval", "embedding"})
_LEAVES, _FINGERPRINT, _CHAIN = semconv.LEAF_ROLES, semconv.REQUEST_FINGERPRINT, semconv.PROMPT_CHAIN


class Repetition(NamedTuple):
    """Calls with the same input: the first one, and those made again, by start."""

    first: int
    again: tuple[int, ...]


class Requests(NamedTuple):
    """What the calls of a trace ask for, by index, as far as it is known.

    Attributes:
        fingerprints: What is equal for calls that ask for the same.
        chains: The first parts of captured prompts.
        written: The calls whose own span tells them; they are read there when they are needed.
    """

    fingerprints: Mapping[int, str]
    chains: Mapping[int, Chain]
    written: AbstractSet[int]


def requests(tree: SpanTree, ledger: Ledger) -> Requests:
    """Return what the calls of a tree ask for."""
    fingerprints: dict[int, str] = {}
    chains: dict[int, Chain] = {}
    written: set[int] = set()
    for index, (span, role, counted) in enumerate(zip(tree.spans, ledger.roles, ledger.counted, strict=True)):
        if not counted or role not in _CALLS:
            continue
        attributes = span.attributes
        has_chain = role in _LEAVES and attributes.get(_CHAIN) is not None
        if has_chain:
            written.add(index)
        own = attributes.get(_FINGERPRINT)
        if own and isinstance(own, str) and (has_chain or role not in _LEAVES):
            fingerprints[index] = own  # the rest of the span would tell nothing more
        elif not dialects.TELLING.isdisjoint(attributes):
            fingerprint, chain = dialects.request_of(span, role)
            if fingerprint:
                fingerprints[index] = fingerprint
            if chain.parts:
                chains[index] = chain
    return Requests(fingerprints, chains, written)


def repetitions(trace: Trace) -> tuple[Repetition, ...]:
    """Return the calls that were made more than once, by the start of the first."""
    if not trace.asks_again:
        return ()
    asked = trace.fingerprints
    tree, ledger = trace.tree, trace.ledger
    is_spared = bytearray(len(tree) + 1)  # made again, or inside such a call; the last entry: no parent
    groups: dict[tuple[str, ...], list[int]] = {}
    for index in sorted(tree.top_down, key=tree.starts.__getitem__):
        if is_spared[tree.parents[index]]:
            is_spared[index] = True
            continue
        fingerprint = asked.get(index)
        if fingerprint is None or tree.spans[index].status == "ERROR":
            continue
        if dialects.is_cache_hit(tree.spans[index]):  # nothing of it is left to save
            continue
        role = ledger.roles[index]
        name = dialects.operation_of(tree.spans[index], role)
        group = groups.setdefault((role, name, ledger.models[index] or "", fingerprint), [])
        is_spared[index] = bool(group)
        group.append(index)
    return tuple(Repetition(first, tuple(again)) for first, *again in groups.values() if again)


def is_fingerprinted(trace: Trace, index: int) -> bool:
    """Return whether all of a request was looked at when it was made; what others captured may be cut."""
    return semconv.REQUEST_FINGERPRINT in trace.tree.spans[index].attributes
