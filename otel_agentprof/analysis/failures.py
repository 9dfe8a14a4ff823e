"""Calls that failed, why, and the calls that were made in their place.

    agent     |----------------------|
      chat     |--| 429                   failed; its retry is the next equal call
      chat            |--| 429            failed too: the wait between them is time of the agent
      chat                     |---|      the retry that worked

      chat gpt     |--| 503               failed; no equal call follows at once, but one of another model:
      chat claude      |---|              a fallback

An error goes up through all spans around it: of those the outermost that was tried again stands for all of
it, and where nothing was tried again the innermost.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from otel_agentprof import semconv
from otel_agentprof.analysis.sequential import calls_among, is_transport
from otel_agentprof.model import dialects
from otel_agentprof.model.counting.calls import family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.model.span import Span

    _Key = tuple[str | None, ...]

_TIME_LIMIT: Final = re.compile(r"time[ds]?[ _-]?out|deadline[ _-]?exceeded", re.IGNORECASE)
_CANCELLED: Final = re.compile(r"cancell?ed", re.IGNORECASE)
_RATE_LIMIT: Final = re.compile(
    r"rate[ _-]?limit|too[ _-]?many[ _-]?requests|throttl|overloaded", re.IGNORECASE
)
_TIME_LIMIT_CODES: Final = frozenset({"408", "504"})
_RATE_LIMIT_CODES: Final = frozenset({"429", "529"})
_SECOND_NS: Final = 1_000_000_000
_LATE_NS: Final = 50_000_000  # how much after its limit a cancelled call may end


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed call.

    Attributes:
        index: Its span.
        retry: The call made in its place; None where there is none.
        is_asked_again: A model asked for that one after it had seen the failure.
        reason: What the span says of it, such as ``RateLimitError``; empty where it says nothing.
        is_other_model: That call went to another model.
    """

    index: int
    retry: int | None
    is_asked_again: bool
    reason: str
    is_other_model: bool = False


def failures(trace: Trace) -> tuple[Failure, ...]:
    """Return the failed calls, each failure once, by start."""
    spans, counted = trace.tree.spans, trace.ledger.counted
    failed = [index for index in sorted(trace.failed) if counted[index]]
    failed = [index for index in failed if trace.ledger.roles[index] != "other" or is_transport(trace, index)]
    if not failed:
        return ()
    retries = dict(_retries(trace, failed))
    for index, after in _fallbacks(trace, [index for index in failed if index not in retries]):
        retries[index] = after, False
    found = []
    for index in _told_once(trace, failed, retries):
        retry, is_asked_again = retries.get(index, (None, False))
        is_other_model = retry is not None and _are_two_models(trace, index, retry)
        found.append(Failure(index, retry, is_asked_again, reason_of(spans[index]), is_other_model))
    return tuple(sorted(found, key=lambda failure: trace.tree.starts[failure.index]))


def reason_of(span: Span) -> str:
    """Return why a call failed, in the words of its span: the type of the error, else the status code."""
    for key in (semconv.ERROR_TYPE, semconv.HTTP_RESPONSE_STATUS_CODE, "http.status_code"):
        written = span.attributes.get(key)
        if written is not None and written != "":
            return str(written)
    for event in span.events:
        if (written := event.attributes.get("exception.type")) is not None:
            return str(written)
    return ""


def is_rate_limit(failure: Failure) -> bool:
    """Return whether the other side refused a call since there were too many."""
    return failure.reason in _RATE_LIMIT_CODES or bool(_RATE_LIMIT.search(failure.reason))


def is_named_time_limit(failure: Failure) -> bool:
    """Return whether a call says that it was given up at a time limit."""
    return failure.reason in _TIME_LIMIT_CODES or bool(_TIME_LIMIT.search(failure.reason))


def is_cancelled_on_time(trace: Trace, failure: Failure) -> bool:
    """Return whether a call was cancelled after a round time, as limits are: whole seconds."""
    total_ns = trace.times.total[failure.index]
    return (
        total_ns >= _SECOND_NS
        and total_ns % _SECOND_NS <= _LATE_NS
        and bool(_CANCELLED.search(failure.reason))
    )


def _retries(trace: Trace, failed: Sequence[int]) -> Iterator[tuple[int, tuple[int, bool]]]:
    """Yield (failed call, (its retry, whether a model asked for it)); no call is the retry of two."""
    parents, ends, place_of = trace.tree.parents, trace.tree.ends, trace.doubles.place_of
    starts = _starts(trace)
    by_parent: defaultdict[int, list[int]] = defaultdict(list)
    for index in failed:
        by_parent[parents[place_of(index)]].append(index)
    for parent, members in by_parent.items():
        siblings = sorted(calls_among(trace, trace.tree.children[parent]), key=starts)
        if len(siblings) == 1:
            continue
        like: defaultdict[_Key, list[int]] = defaultdict(list)
        places: dict[int, int] = {}
        for index in siblings:
            alike = like[_key(trace, index)]
            places[index] = len(alike)
            alike.append(index)
        between = _Between(trace, siblings)
        taken: dict[_Key, int] = {}
        for index in sorted(members, key=ends.__getitem__):
            key = _key(trace, index)
            place = bisect_left(like[key], ends[index], key=starts)
            place = max(place, places[index] + 1, taken.get(key, 0))
            if place < len(like[key]):
                retry = like[key][place]
                has_turn, has_work = between.of(index, retry)
                if key[-1] is None and (has_turn or has_work):
                    continue
                taken[key] = place + 1
                yield index, (retry, has_turn)


def _fallbacks(trace: Trace, failed: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield (failed model call, the call of another model that came next under the same parent).

    For calls that have no retry: where all calls of models have one name, a fallback is one of those.
    Nothing else may run beside the failed call or between the two: what was asked of several models at once,
    or after other work, was not asked in its place.
    """
    tree, roles = trace.tree, trace.ledger.roles
    members = {index for index in failed if roles[index] == "llm"}
    place_of = trace.doubles.place_of
    for parent in {tree.parents[place_of(index)] for index in members}:
        siblings = calls_among(trace, tree.children[parent])
        busy_to = 0
        for index, after in pairwise(siblings):
            if index in members and busy_to <= tree.starts[index] and _is_fallback(trace, index, after):
                yield index, after
            busy_to = max(busy_to, tree.ends[index])


def _is_fallback(trace: Trace, failed: int, after: int) -> bool:
    """Return whether the call after a failed one asks another model, so far as is known for the same."""
    ledger, spans = trace.ledger, trace.tree.spans
    if ledger.roles[after] != "llm" or trace.tree.starts[after] < trace.tree.ends[failed]:
        return False
    place_of = trace.doubles.place_of
    if spans[place_of(failed)].parent_span_id != spans[place_of(after)].parent_span_id:
        return False  # orphans
    if not _are_two_models(trace, failed, after):
        return False
    asked, instead = trace.chain_of(failed).parts, trace.chain_of(after).parts
    if not asked or not instead or ledger.providers[failed] != ledger.providers[after]:
        return True  # the same prompt looks different to another provider
    return asked[-1] == instead[-1]


def _are_two_models(trace: Trace, failed: int, after: int) -> bool:
    """Return whether two calls are known to ask different models, by the names that were asked for if known.

    A call that failed has no answer that could tell the version, or what is behind the name of a deployment.
    """
    calls = (failed, after)
    named = [trace.tree.spans[call].attributes.get(semconv.REQUEST_MODEL) for call in calls]
    if None in named:
        named = [trace.ledger.models[call] for call in calls]
    return None not in named and family(str(named[0])) != family(str(named[1]))


def _starts(trace: Trace) -> Callable[[int], int]:
    """Return what tells when a call, or what is wrapped around it, began."""
    starts, places = trace.tree.starts, trace.doubles.places
    return (lambda call: starts[places.get(call, call)]) if places else starts.__getitem__


class _Between:
    """What else happened between a failed call and the next one like it."""

    def __init__(self, trace: Trace, siblings: Sequence[int]) -> None:
        roles = trace.ledger.roles
        self._starts, self._ends, self._siblings = _starts(trace), trace.tree.ends, siblings
        self._turns = [index for index in siblings if roles[index] == "llm"]

    def of(self, failed: int, retry: int) -> tuple[bool, bool]:
        """Return whether a model was asked, and whether other work was done."""
        return self._has(self._turns, failed, retry), self._has(self._siblings, failed, retry)

    def _has(self, siblings: Sequence[int], failed: int, retry: int) -> bool:
        place = bisect_left(siblings, self._ends[failed], key=self._starts)
        if place == len(siblings):
            return False
        first = siblings[place]
        return first not in (failed, retry) and self._ends[first] <= self._starts(retry)


def _key(trace: Trace, index: int) -> _Key:
    """Return what a call and its retry have in common; the last part is the request, if it is known."""
    span, role = trace.tree.spans[index], trace.ledger.roles[index]
    asked = trace.fingerprints.get(index)
    if asked is None and role == "tool":
        asked = dialects.tool_of(span)[1]  # calls that one answer asked for are different calls
    place = trace.tree.spans[trace.doubles.place_of(index)]
    return place.parent_span_id, role, dialects.operation_of(span, role), asked


def _told_once(trace: Trace, failed: Sequence[int], retries: Mapping[int, tuple[int, bool]]) -> Iterator[int]:
    """Yield the failed calls without those that failed because of, or together with, another one."""
    tree = trace.tree
    is_left = bytearray(len(tree) + 1)  # inside a failed attempt; the last entry: no parent
    has_below = bytearray(len(tree) + 1)  # a failed call inside that was not tried again either
    members = set(failed)
    for index in tree.top_down:
        is_left[index] = is_left[tree.parents[index]] or tree.parents[index] in retries
    for index in reversed(tree.top_down):
        if has_below[index] or (index in members and index not in retries):
            has_below[tree.parents[index]] = True
    for index in failed:
        if not is_left[index] and (index in retries or not has_below[index]):
            yield index
