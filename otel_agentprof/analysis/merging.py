"""One finding per cause: what is said in general gives way to what says why, and its title goes on with it.

Two findings tell one cause if mending both would save hardly more than mending one of them. That is so, and
the general one gives way, if

1. the other rule can be the reason for it (``TELLING``);
2. most of it is about what the other one mends. For findings about how long calls take (``_LENGTHS``) calls
   weigh as much as they are above the limit, and a request inside a slow tool is the same place as the tool;
   an operation that costs much is weighed by money;
3. nothing is hidden: what the other one saves, and the part of the general saving that is left then (by a
   run gone through again where there is a limit to hold the calls against), is at most a quarter more than
   what the other one saves alone, in time and in money, each for itself.

Else both stay: they are two causes, and their savings add up. Where both have the same remedy
(``SAME_REMEDY``) savings do not add up: the more telling one stays if it has at least half of what the
general one saves, else the general one, if the other is a part of it. Whatever saves more than what is told
in its place, is told with what it is worth.

    slow_tool         calls of  1  1  1 30 s, limit 1 s: saves 29 s      gives way
    timeout                             30 s, given up:  saves 30 s      mends all that is above the limit

    slow_llm          calls of  8  8  8 20 s, limit 3 s: saves 32 s      stays
    slow_generation                     20 s, usually 8: saves 12 s      is the lesser part of it
"""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING, Final

from otel_agentprof.analysis import wording
from otel_agentprof.analysis.ancestry import above
from otel_agentprof.analysis.saving import if_limited, with_descendants

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from otel_agentprof.analysis.finding import Finding
    from otel_agentprof.analysis.trace import Trace

_NEED_NOT_BE: Final = ("agent_loop", "timeout", "retry_waste", "repeated_call")  # calls that nobody needs

# What each general rule gives way to, the most telling first. The rules come in the order in which they do:
# what is told in the most general way first.
TELLING: Final[Mapping[str, tuple[str, ...]]] = {
    "prompt_heavy": ("prompt_cache_miss", "context_growth"),
    "unusual_duration": (
        *_NEED_NOT_BE,
        "slow_first_token",
        "slow_generation",
        "head_of_line",
        "slow_llm",
        "slow_tool",
        "unusual_duration",  # a request inside a retrieval
    ),
    "slow_llm": (*_NEED_NOT_BE, "slow_first_token", "slow_generation", "head_of_line"),
    "slow_tool": (*_NEED_NOT_BE, "head_of_line", "slow_tool"),
    "too_many_calls": ("agent_loop", "repeated_call", "retry_waste", "too_many_iterations"),
    "too_many_iterations": ("agent_loop",),
    "sequential_group": ("agent_loop", "retry_waste", "repeated_call", "unused_concurrency"),
    "head_of_line": (*_NEED_NOT_BE, "slow_first_token", "slow_generation"),
    "slow_first_token": _NEED_NOT_BE,
    "slow_generation": _NEED_NOT_BE,
    "costly_operation": ("oversized_model",),
    "repeated_call": ("agent_loop",),
    "retry_waste": ("agent_loop",),
    "timeout": ("agent_loop",),
}
# What else they give way to if they save nothing: a cheaper model is another remedy than shorter prompts.
_WITHOUT_SAVING: Final[Mapping[str, tuple[str, ...]]] = {
    "costly_operation": ("prompt_cache_miss", "context_growth")
}
# Pairs that ask for the same: a faster or cheaper model, a faster tool, an end of the loop.
SAME_REMEDY: Final = frozenset(
    {
        ("unusual_duration", "slow_llm"),
        ("unusual_duration", "slow_generation"),
        ("unusual_duration", "slow_tool"),
        ("unusual_duration", "unusual_duration"),
        ("slow_llm", "slow_generation"),
        ("slow_tool", "slow_tool"),
        ("costly_operation", "oversized_model"),
        ("too_many_iterations", "agent_loop"),
    }
)
# Turns in vain are told among many rounds too.
_PARTS: Final = SAME_REMEDY - {("too_many_iterations", "agent_loop")}
# The general one is about calls of which some run together already; the other says what all at once saves.
_TOLD_IN_FULL: Final = frozenset({("sequential_group", "unused_concurrency")})
_LENGTHS: Final = frozenset(
    {"unusual_duration", "slow_llm", "slow_tool", "head_of_line", "slow_first_token", "slow_generation"}
)
# Its evidence are agents; what it tells is in their rounds.
_BY_PLACE: Final = frozenset({"too_many_iterations"})
_ABOVE_A_LIMIT: Final = frozenset({"avg_latency_ms", "max_duration_ms"})
_ORDER: Final = {rule: place for place, rule in enumerate(TELLING)}
_MOST: Final = 0.5
_HARDLY_MORE: Final = 1.25
_DOUBLE: Final = 2
_TIME: Final = 0  # in savings; 1 is money


def merged(trace: Trace, found: Sequence[Finding]) -> list[Finding]:
    """Return findings without those whose cause another one tells; the order stays."""
    rules = {one.rule for one in found}
    general = {
        place: telling
        for place, one in enumerate(found)
        if one.rule in TELLING and (telling := _telling(one)) and not rules.isdisjoint(telling)
    }
    if not general:
        return list(found)
    causes = _Causes(trace, found, general)
    # Of one rule what saves least gives way first: it may be a part of another one.
    for place in sorted(general, key=lambda at: (_ORDER[found[at].rule], found[at].saving_ns or 0)):
        causes.settle(place)
    return causes.left()


def _telling(one: Finding) -> tuple[str, ...]:
    if one.rule in _WITHOUT_SAVING and not (one.saving_ns or one.saving_usd):
        return TELLING[one.rule] + _WITHOUT_SAVING[one.rule]
    return TELLING[one.rule]


class _Causes:
    """Findings by their place, of which some have given way to others."""

    def __init__(
        self, trace: Trace, found: Sequence[Finding], general: Mapping[int, tuple[str, ...]]
    ) -> None:
        self._trace, self._found, self._general = trace, found, general
        self._left = dict(enumerate(found))
        self._taken: defaultdict[int, list[int]] = defaultdict(list)  # what has given way to each
        self._savings = [(one.saving_ns or 0, float(one.saving_usd or 0)) for one in found]
        self._indices = {span.span_id: index for index, span in enumerate(trace.tree.spans)}
        telling = set[str]().union(*general.values())
        places = [place for place, one in enumerate(found) if place in general or one.rule in telling]
        self._evidence = {place: self._of(found[place].span_ids) for place in places}
        self._covered = {place: self._cover(found[place]) for place in places}
        self._weights: dict[int, Mapping[int, float]] = {}
        self._at: defaultdict[int, list[int]] = defaultdict(list)  # the findings that may tell each span
        for place in [place for place in places if found[place].rule in telling]:
            for index in self._evidence[place] | self._covered[place]:
                self._at[index].append(place)

    def settle(self, place: int) -> None:
        """Let a finding give way to those that say why, or let those go that only tell a part of it."""
        if place not in self._left:
            return
        tellers = self._tellers(place)
        groups = [[teller] for teller in tellers]
        if len(tellers) > 1:
            groups.append(self._apart(place, tellers))
        for group in groups:
            if self._is_told(place, group):
                self._give_way(place, max(group, key=lambda teller: self._share(place, [teller])))
                return
        rule = self._found[place].rule
        for teller in tellers:
            pair = rule, self._found[teller].rule
            if pair in _PARTS and self._is_told(teller, [place]):
                self._give_way(teller, place)

    def left(self) -> list[Finding]:
        """Return the findings that are left, with what has given way to them."""
        return [
            self._with(one, [self._found[gone] for gone in self._taken[place]])
            if place in self._taken
            else one
            for place, one in self._left.items()
        ]

    def _of(self, span_ids: Iterable[str]) -> AbstractSet[int]:
        return {self._indices[span_id] for span_id in span_ids}

    def _cover(self, one: Finding) -> AbstractSet[int]:
        """Return the spans whose length a finding tells: what it mends, what is inside that, and around it.

        A finding without a saving in time, and there may be many, tells of what it mends only.
        """
        mended = self._of(one.mended_ids or one.span_ids)
        if not one.saving_ns:
            return mended
        inside: AbstractSet[int] = with_descendants(self._trace, mended)
        if one.rule in _LENGTHS:  # no model gets faster by what is done to a call around it
            roles = self._trace.ledger.roles
            inside = {index for index in inside if roles[index] != "llm" or index in mended}
        return inside | above(self._trace.tree, mended)

    def _tellers(self, place: int) -> list[int]:
        """Return the findings that may say why, the most telling rule first."""
        rules = self._general[place]
        near = {teller for index in self._weights_of(place) for teller in self._at[index]} - {place}
        rows = [
            (rules.index(self._found[teller].rule), teller)
            for teller in near
            if teller in self._left and self._found[teller].rule in rules
        ]
        return [teller for _, teller in sorted(rows)]

    def _weights_of(self, place: int) -> Mapping[int, float]:
        """Return how much each span is of what a finding is about."""
        if place not in self._weights:
            one, trace = self._found[place], self._trace
            spans = self._evidence[place]
            if one.rule in _LENGTHS and one.mended_ids:
                spans = self._of(one.mended_ids)
            weights: Mapping[int, float] = dict.fromkeys(spans, 1.0)
            if one.metric in _ABOVE_A_LIMIT:
                limit_ns = one.threshold * wording.NS_PER_MS
                weights = {index: max(0.0, trace.times.total[index] - limit_ns) for index in spans}
            elif one.rule == "costly_operation":
                weights = {index: max(0.0, float(trace.costs[index] or 0)) for index in spans}
            self._weights[place] = weights if any(weights.values()) else dict.fromkeys(spans, 1.0)
        return self._weights[place]

    def _told(self, place: int, tellers: Iterable[int]) -> AbstractSet[int]:
        is_by_place = self._found[place].rule in _LENGTHS
        told = [
            self._covered[teller]
            if is_by_place or self._found[teller].rule in _BY_PLACE
            else self._evidence[teller]
            for teller in tellers
        ]
        return self._weights_of(place).keys() & set[int]().union(*told)

    def _share(self, place: int, tellers: Iterable[int]) -> float:
        """Return how much of a finding others tell, together."""
        weights = self._weights_of(place)
        if self._found[place].rule == "sequential_group":
            spared = [self._covered[teller] for teller in tellers if self._found[teller].rule in _NEED_NOT_BE]
            if len(weights.keys() - set[int]().union(*spared)) <= 1:
                return 1.0  # what is left has nothing to run beside
        return sum([weights[index] for index in self._told(place, tellers)]) / sum(weights.values())

    def _apart(self, place: int, tellers: Sequence[int]) -> list[int]:
        """Return tellers of which each tells another part, so that their savings may be added up."""
        kept: list[int] = []
        told: set[int] = set()
        for teller in sorted(tellers, key=lambda teller: -self._share(place, [teller])):
            more = self._told(place, [teller])
            if told.isdisjoint(more):
                kept.append(teller)
                told |= more
        return kept

    def _is_told(self, place: int, tellers: Sequence[int]) -> bool:
        """Return whether others say why a finding is there, and what it would save."""
        share = self._share(place, tellers)
        if share <= _MOST:
            return False
        rule = self._found[place].rule
        pairs = {(rule, self._found[teller].rule) for teller in tellers}
        if pairs <= _TOLD_IN_FULL:
            return True
        is_same = pairs <= SAME_REMEDY
        for kind, saving in enumerate(self._savings[place]):
            other = sum([self._savings[teller][kind] for teller in tellers])
            if saving > other * (_DOUBLE if is_same else _HARDLY_MORE):
                return False
            rest = saving * (1 - share)
            if kind == _TIME and not is_same:
                rest = self._rest(place, tellers, rest)
            if not is_same and other + rest > _HARDLY_MORE * other:
                return False
        return True

    def _rest(self, place: int, tellers: Sequence[int], estimate: float) -> float:
        """Return what a finding would save besides what others tell of it."""
        one = self._found[place]
        if not estimate or one.metric not in _ABOVE_A_LIMIT:
            return estimate
        rest = self._weights_of(place).keys() - self._told(place, tellers)
        limits_ns = dict.fromkeys(rest, one.threshold * wording.NS_PER_MS)
        telling = [self._found[teller] for teller in tellers]
        if any(other.rule not in _NEED_NOT_BE for other in telling):
            return if_limited(self._trace, limits_ns)
        spared = [index for other in telling for index in self._of(other.mended_ids or other.span_ids)]
        not_made = dict.fromkeys(spared, 0.0)
        return if_limited(self._trace, limits_ns | not_made) - if_limited(self._trace, not_made)

    def _give_way(self, place: int, teller: int) -> None:
        del self._left[place]
        self._taken[teller] += [place, *self._taken.pop(place, ())]
        (gone_ns, gone_usd), (stays_ns, stays_usd) = self._savings[place], self._savings[teller]
        self._savings[teller] = max(gone_ns, stays_ns), max(gone_usd, stays_usd)

    @staticmethod
    def _with(one: Finding, taken: Sequence[Finding]) -> Finding:
        """Return a finding with what has given way to it: its title, its evidence, its calls to swap."""
        evidence = [gone.mended_ids or gone.span_ids for gone in taken]
        return one._replace(
            suggestion=one.suggestion
            + "".join([f" Also: {gone.title}{_worth(gone, one)}." for gone in taken]),
            span_ids=tuple(dict.fromkeys(chain(one.span_ids, *evidence))),
            mended_ids=one.mended_ids or one.span_ids,
            swaps=one.swaps or tuple(chain.from_iterable(gone.swaps for gone in taken)),
        )


def _worth(gone: Finding, stays: Finding) -> str:
    """Return what a finding that gives way would save, where that is more than what is told so."""
    more = []
    if gone.saving_ns and gone.saving_ns > (stays.saving_ns or 0):
        more.append(wording.duration(gone.saving_ns))
    if gone.saving_usd and gone.saving_usd > (stays.saving_usd or 0):
        more.append(wording.dollars(gone.saving_usd))
    return f", worth {' and '.join(more)}" if more else ""
