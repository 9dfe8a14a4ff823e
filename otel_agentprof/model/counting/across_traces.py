"""Calls that two traces show: found to be told, never left out, for each trace is counted by itself.

    trace 1   agent         |----------------|
                ChatOpenAI     |---------|        a framework's span, which was not made current
    trace 2   chat gpt-5        |------|          so the client's span began a trace of its own

The signs are those of R4: another scope, the same model and tokens, at the same time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from otel_agentprof import semconv
from otel_agentprof.model import dialects
from otel_agentprof.model.counting.calls import LEAST_OVERLAP, NEIGHBOURS, family

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_agentprof.model.span import Span

_Key = TypeVar("_Key")
_MOST_SPANS: Final = 8  # of a trace that is one call: the call, and requests that it sent


class Twice(NamedTuple, Generic[_Key]):
    """A call that began a trace of its own, and that another trace shows too."""

    alone_in: _Key
    alone: Span
    other_in: _Key
    other: Span


class _Call(NamedTuple, Generic[_Key]):
    """A call with what its twin has too."""

    trace: _Key
    span: Span
    start_ns: int
    end_ns: int
    facts: tuple[object, ...]
    response_id: str | None


def shown_twice(traces: Mapping[_Key, Sequence[Span]]) -> list[Twice[_Key]]:
    """Return the calls that began a trace of their own and have a twin in another trace, by their start.

    A span is the twin of one call at most: equal calls that run at once stay as many as they are.
    """
    begun_by = [(trace, _top(spans)) for trace, spans in traces.items() if len(spans) <= _MOST_SPANS]
    begun = (_call(trace, span) for trace, span in begun_by if span is not None)
    alone = sorted(filter(None, begun), key=_start)
    if not alone:
        return []
    starts = [call.start_ns for call in alone]
    latest = list(accumulate((call.end_ns for call in alone), max))  # end of what has begun by then
    scopes = {call.span.scope for call in alone}
    candidates: defaultdict[tuple[object, ...], list[_Call[_Key]]] = defaultdict(list)
    for trace, spans in traces.items():
        for span in spans:
            count = bisect_right(starts, span.start_ns if span.end_ns is None else span.end_ns)
            if not count or latest[count - 1] < span.start_ns or scopes == {span.scope}:
                continue  # before it is looked at any closer: most traces have nothing of the kind
            if (call := _call(trace, span)) is not None:
                candidates[call.facts].append(call)
    found: list[Twice[_Key]] = []
    taken: set[int] = set()
    for members in candidates.values():
        members.sort(key=_start)
    for call in alone:
        twin = _twin(call, candidates.get(call.facts, ()), taken)
        if twin is not None:
            taken |= {id(call.span), id(twin.span)}
            found.append(Twice(call.trace, call.span, twin.trace, twin.span))
    return found


def _top(spans: Sequence[Span]) -> Span | None:
    """Return the span that all others are below; None where there are several such."""
    ids = {span.span_id for span in spans}
    tops = [span for span in spans if span.parent_span_id not in ids]
    return tops[0] if len(tops) == 1 else None


def _call(trace: _Key, span: Span) -> _Call[_Key] | None:
    """Return a finished call that names its tokens; None for any other span."""
    if span.end_ns is None:
        return None
    said = dialects.read(span)
    is_call = said.role in semconv.LEAF_ROLES or said.is_rerank
    if not is_call or said.usage is None or not said.usage.total:
        return None
    facts = (said.role, family(said.model), said.usage.input, said.usage.output)
    return _Call(trace, span, span.start_ns, span.end_ns, facts, said.response_id)


def _start(call: _Call[_Key]) -> tuple[int, int, str]:
    return call.start_ns, call.end_ns, call.span.span_id or ""


def _twin(call: _Call[_Key], candidates: Sequence[_Call[_Key]], taken: set[int]) -> _Call[_Key] | None:
    place = bisect_left(candidates, _start(call), key=_start)
    for other in candidates[max(0, place - NEIGHBOURS) : place + NEIGHBOURS]:
        if id(other.span) in taken or other.span.scope == call.span.scope:
            continue
        if other.response_id and call.response_id and other.response_id != call.response_id:
            continue
        shorter = min(call.end_ns - call.start_ns, other.end_ns - other.start_ns)
        overlap = min(call.end_ns, other.end_ns) - max(call.start_ns, other.start_ns)
        if overlap >= 0 and overlap >= LEAST_OVERLAP * shorter:
            return other
    return None
