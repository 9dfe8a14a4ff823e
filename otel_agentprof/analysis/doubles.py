"""Calls that several spans show: whoever takes one away, or makes it faster, means all of them.

    agent           |------------------|
      openai.chat    |-----|              a wrapper of the call inside it, and where that call is
        chat          |---|               the call that counts
      search               |--|           comes after the call, whatever shows it
      chat                     |-----|    the call that counts
      openai.chat               |---|     its twin: the same call, and no other, beside it

A span that was left out and is around more than one call (a gateway that tries again, a step of an agent that
runs tools) is nobody's wrapper: it is as it was, and what is before it comes before what is after it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.model.tree import NO_PARENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from otel_agentprof.analysis.forward import Forward
    from otel_agentprof.analysis.statistics import Times
    from otel_agentprof.analysis.windows import Windows
    from otel_agentprof.model.counting import Ledger
    from otel_agentprof.model.tree import SpanTree

_SEVERAL: Final = -2
_NO_WORK: Final = frozenset({"step", "other"})


@dataclass(frozen=True, slots=True)
class Doubles:
    """The spans of one trace that show calls again; empty for nearly every trace.

    Attributes:
        twins: For each span beside a call that shows it again, and nothing else: the call.
        wrappers: For each span around a call that shows it again, and nothing else: the call.
        places: For each call with wrappers the outermost of them.
        inside: For each span below a call that shows it again: the call.
        mixed: All others that were left out, and twins that are nowhere near their call.
    """

    twins: Mapping[int, int] = field(default_factory=dict)
    wrappers: Mapping[int, int] = field(default_factory=dict)
    places: Mapping[int, int] = field(default_factory=dict)
    inside: Mapping[int, int] = field(default_factory=dict)
    mixed: AbstractSet[int] = frozenset()
    _shown_by: Mapping[int, Sequence[int]] = field(default_factory=dict)

    def whole(self, indices: Iterable[int]) -> Iterable[int]:
        """Return some spans, and with each call among them the other spans that show it."""
        if not self._shown_by:
            return indices
        found = list(indices)
        return [*found, *(other for index in found for other in self._shown_by.get(index, ()))]

    def place_of(self, call: int) -> int:
        """Return the span that is among the siblings of a call: its outermost wrapper, else itself."""
        return self.places.get(call, call)

    def followed(self, follows: dict[int, int], model: Forward) -> dict[int, int]:
        """Return which spans start together with which, the twins of a call with whom the call does."""
        found = dict(follows)
        for twin, call in self.twins.items():
            leader = follows.get(self.place_of(call))
            if leader is not None and twin not in self.mixed and model.starts[leader] < model.starts[twin]:
                found[twin] = leader
        return found

    def call_of(self, index: int) -> int:
        """Return the call that a wrapper or a twin shows; any other span as it is."""
        return self.wrappers.get(index, self.twins.get(index, index))


NO_DOUBLES: Final = Doubles()


def doubles(tree: SpanTree, ledger: Ledger) -> Doubles:
    """Return the spans that show calls again."""
    if False not in ledger.counted:
        return NO_DOUBLES
    shown, counted, parents = ledger.shown_again, ledger.counted, tree.parents
    within, nearest = _only_calls(tree, ledger), _nearest_calls(tree, ledger)
    wrappers: dict[int, int] = {}
    places: dict[int, int] = {}
    for call in dict.fromkeys(shown.values()):
        above = parents[call]
        while above >= 0 and within[above] == call:
            if shown.get(above) == call:
                wrappers[above], places[call] = call, above
            above = parents[above]
    shown_by: defaultdict[int, list[int]] = defaultdict(list)
    twins: dict[int, int] = {}
    inside: dict[int, int] = {}
    mixed: set[int] = set()
    for index in [index for index, is_counted in enumerate(counted) if not is_counted]:
        call = shown.get(index, NO_PARENT)
        if call >= 0 and nearest[parents[index]] == call:
            inside[index] = call
        elif index not in wrappers and (call < 0 or within[index] != call):
            mixed.add(index)
        else:
            shown_by[call].append(index)
            if index not in wrappers:
                twins[index] = call
    mixed.update(twin for twin, call in twins.items() if parents[twin] != parents[places.get(call, call)])
    return Doubles(twins, wrappers, places, inside, frozenset(mixed), dict(shown_by))


def completed(tree: SpanTree, several: Doubles) -> SpanTree:
    """Return the same tree, each call with what only other spans of it say: tool ids, finish reasons...

    What a call says itself stays as it is.
    """
    if several is NO_DOUBLES:
        return tree
    told: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    for index, call in (*several.inside.items(), *several.wrappers.items(), *several.twins.items()):
        told[call].update(tree.spans[index].attributes)
    spans = list(tree.spans)
    for call, words in told.items():
        spans[call] = replace(spans[call], attributes={**words, **spans[call].attributes})
    return replace(tree, spans=tuple(spans))


def _only_calls(tree: SpanTree, ledger: Ledger) -> list[int]:
    """Return for each span the call that is all the work in it, itself included; -1: none, -2: several."""
    roles, shown = ledger.roles, ledger.shown_again
    found = [NO_PARENT] * (len(roles) + 1)
    for index in reversed(tree.top_down):
        if ledger.counted[index] and roles[index] not in _NO_WORK:
            found[index] = index  # with whatever is inside
        elif not ledger.counted[index]:
            found[index] = _either(found[index], shown.get(index, _SEVERAL))
        parent = tree.parents[index]
        found[parent] = _either(found[parent], found[index])
    return found


def _nearest_calls(tree: SpanTree, ledger: Ledger) -> list[int]:
    """Return for each span the nearest call with doubles that it is, or is inside of; -1: none."""
    calls = set(ledger.shown_again.values())
    found = [NO_PARENT] * (len(ledger.roles) + 1)
    for index in tree.top_down:
        found[index] = index if index in calls else found[tree.parents[index]]
    return found


def _either(one: int, other: int) -> int:
    if other in (one, NO_PARENT):
        return one
    return other if one == NO_PARENT else _SEVERAL


def path_once(
    pieces: Iterable[tuple[int, int, int]], view: Windows, twins: Mapping[int, int]
) -> Iterator[tuple[int, int, int]]:
    """Yield the same pieces of a path (owner, start, end), calls holding it while they run beside a twin."""
    for owner, start_ns, end_ns in pieces:
        call = twins.get(owner, owner)
        first_ns = min(max(view.starts[call], start_ns), end_ns)
        last_ns = max(min(view.ends[call], end_ns), first_ns)
        if call == owner or call in view.background or first_ns == last_ns:
            yield owner, start_ns, end_ns
            continue
        if start_ns < first_ns:
            yield owner, start_ns, first_ns
        yield call, first_ns, last_ns
        if last_ns < end_ns:
            yield owner, last_ns, end_ns


def timed_once(tree: SpanTree, taken: Times, several: Doubles) -> Times:
    """Return the same times, each call timed once: what a twin does beside its call is the call's."""
    if several is NO_DOUBLES:
        return taken
    own, added = list(taken.own), list(taken.total)
    for twin, call in several.twins.items():
        beside = min(tree.ends[twin], tree.ends[call]) - max(tree.starts[twin], tree.starts[call])
        kept = min(own[twin], taken.total[twin] - max(beside, 0))
        own[call] = min(own[call] + own[twin] - kept, taken.total[call])
        own[twin] = kept
    for index in (*several.twins, *several.wrappers, *several.inside, *several.mixed):
        added[index] = own[index]
    return replace(taken, own=tuple(own), added=tuple(added), inside=several.inside)
