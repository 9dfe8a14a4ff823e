"""Calls that failed: what trying again cost, and what was waited for in vain."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from otel_agentprof import semconv
from otel_agentprof.analysis import wording
from otel_agentprof.analysis.failures import is_cancelled_on_time, is_named_time_limit, is_rate_limit
from otel_agentprof.analysis.finding import Finding
from otel_agentprof.analysis.saving import MOST_RERUNS, NOT_RUN, if_not_tried, usd_of
from otel_agentprof.model import dialects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from otel_agentprof.analysis.failures import Failure
    from otel_agentprof.analysis.finding import Confidence
    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config


class _Words(NamedTuple):
    """What sets one kind of failure apart from the other."""

    rule: str
    title: str
    metric: str
    calls: str
    remedy: str
    confidence: Confidence | None = None


def retry_waste(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the operations whose calls failed and were made again, or failed and were billed."""
    del config  # every failed attempt is waste
    yield from _hidden_retries(trace)
    if not trace.failures:
        return
    wasted = [
        failure
        for failure in trace.failures
        if not _is_at_limit(trace, failure)
        and (failure.retry is not None or trace.ledger.usage[failure.index] is not None)
    ]
    for place, (name, group) in enumerate(_by_operation(trace, wasted)):
        words = _Words(
            rule="retry_waste",
            title=f"{name} failed {_times(group)} and was {_went_on(group)}{_reasons(group)}",
            metric="failed_calls",
            calls="failed attempts",
            remedy=_remedy(group),
            confidence="likely" if any(failure.is_other_model for failure in group) else None,
        )
        yield _finding(trace, name, group, words, is_run=place < MOST_RERUNS)


def timeout(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the operations whose calls were given up at a time limit."""
    del config  # as above
    if not trace.failures:
        return
    abandoned = [failure for failure in trace.failures if _is_at_limit(trace, failure)]
    for place, (name, group) in enumerate(_by_operation(trace, abandoned)):
        words = _Words(
            rule="timeout",
            title=f"{name} was given up at a time limit {_times(group)}{_reasons(group)}",
            metric="abandoned_calls",
            calls="abandoned calls",
            remedy=_shorter_limit(trace, name, group),
            confidence="proven" if all(map(is_named_time_limit, group)) else "possible",
        )
        yield _finding(trace, name, group, words, is_run=place < MOST_RERUNS)


def _finding(trace: Trace, name: str, group: Sequence[Failure], words: _Words, *, is_run: bool) -> Finding:
    attempts = [failure.index for failure in group]
    waits = " and the waits before the calls made in their place" if (retries := _waited_for(group)) else ""
    return Finding(
        rule=words.rule,
        title=words.title,
        component=name,
        metric=words.metric,
        value=float(len(group)),
        threshold=0.0,
        suggestion=f"{_spent(trace, group)} {words.remedy}",
        span_ids=trace.ids(_evidence(group)),
        mended_ids=trace.ids(attempts),
        saving_ns=if_not_tried(trace, attempts, retries) if is_run else None,
        saving_usd=usd_of(trace, attempts),
        derivation=f"this run again without the {words.calls}{waits}" if is_run else NOT_RUN,
        confidence=words.confidence,
    )


def _is_at_limit(trace: Trace, failure: Failure) -> bool:
    return is_named_time_limit(failure) or is_cancelled_on_time(trace, failure)


def _by_operation(trace: Trace, failed: Iterable[Failure]) -> list[tuple[str, list[Failure]]]:
    """Return the failures of each operation, the longest in all first."""
    groups: defaultdict[tuple[str, str], list[Failure]] = defaultdict(list)
    for failure in failed:
        role = trace.ledger.roles[failure.index]
        groups[role, dialects.operation_of(trace.tree.spans[failure.index], role)].append(failure)
    ranked = sorted(
        groups.items(), key=lambda item: -_attempts_ns(trace, item[1]) - _waits_ns(trace, item[1])
    )
    return [(name, group) for (_, name), group in ranked]


def _waited_for(group: Sequence[Failure]) -> list[int]:
    return [one.retry for one in group if one.retry is not None and not one.is_asked_again]


def _evidence(group: Sequence[Failure]) -> Iterator[int]:
    return iter(
        dict.fromkeys(index for one in group for index in (one.index, one.retry) if index is not None)
    )


def _attempts_ns(trace: Trace, group: Sequence[Failure]) -> int:
    return sum(trace.times.total[failure.index] for failure in group)


def _waits_ns(trace: Trace, group: Sequence[Failure]) -> int:
    starts, ends = trace.tree.starts, trace.tree.ends
    return sum(
        starts[one.retry] - ends[one.index]
        for one in group
        if one.retry is not None and not one.is_asked_again
    )


def _times(group: Sequence[Failure]) -> str:
    return "once" if len(group) == 1 else f"{len(group):,} times"


def _went_on(group: Sequence[Failure]) -> str:
    tried = {failure.is_other_model for failure in group if failure.retry is not None}
    if len(tried) > 1:
        return "tried again or given to another model"
    if tried:
        return "given to another model" if True in tried else "tried again"
    return "billed all the same"


def _reasons(group: Sequence[Failure]) -> str:
    reasons = Counter(failure.reason for failure in group if failure.reason)
    return f": {wording.listing(reasons)}" if reasons else ""


def _spent(trace: Trace, group: Sequence[Failure]) -> str:
    waits_ns = _waits_ns(trace, group)
    waits = f", the waits before the next attempts {wording.duration(waits_ns)}" if waits_ns else ""
    return f"The failed calls took {wording.duration(_attempts_ns(trace, group))}{waits}."


def _remedy(group: Sequence[Failure]) -> str:
    if any(map(is_rate_limit, group)):
        return (
            "The other side refused calls since there were too many: limit how many run at a time, wait as "
            "long as Retry-After says, or ask for a higher limit."
        )
    if any(failure.is_other_model for failure in group):
        return (
            "Mend what makes it fail, ask the other model sooner (a shorter limit, fewer attempts), or ask "
            "that one first while this one fails."
        )
    return "Mend what makes it fail, check the input before the call, and let what cannot work fail at once."


def _shorter_limit(trace: Trace, name: str, group: Sequence[Failure]) -> str:
    role = trace.ledger.roles[group[0].index]
    good = [
        trace.times.total[index]
        for operation in trace.operations
        if (operation.name, operation.role) == (name, role)
        for index in operation.indices
        if index not in trace.failed
    ]
    slowest = f" (the slowest good call took {wording.duration(max(good))})" if good else ""
    return (
        f"Set a limit closer to what a good call takes{slowest}, ask a second time before the first call "
        "is given up, and cancel what goes on below it."
    )


def _hidden_retries(trace: Trace) -> Iterator[Finding]:
    """Yield the calls that say that they were tried several times, where no span shows the attempts."""
    spans, roles, leaves = trace.tree.spans, trace.ledger.roles, semconv.LEAF_ROLES
    key = semconv.RETRY_COUNT
    tried = [index for index, role in enumerate(roles) if role in leaves and key in spans[index].attributes]
    if not tried:
        return
    shown = {trace.tree.parents[failure.index] for failure in trace.failures}
    hidden: defaultdict[str, list[int]] = defaultdict(list)
    for index in tried:
        if index not in shown and _retry_count(trace, index):
            hidden[dialects.operation_of(spans[index], roles[index])].append(index)
    for name, indices in hidden.items():
        retries = sum(_retry_count(trace, index) for index in indices)
        yield Finding(
            rule="retry_waste",
            title=f"{name} was tried again {wording.counted(retries, 'time')} inside its calls",
            component=name,
            metric="hidden_retries",
            value=float(retries),
            threshold=0.0,
            suggestion=(
                "The client tried again by itself, waiting in between. If the provider limits the rate, send "
                "fewer calls at a time or ask for a higher limit, else look into the client's log."
            ),
            span_ids=trace.ids(indices),
            derivation="no saving computed: when the attempts inside a call began and ended is not recorded",
        )


def _retry_count(trace: Trace, index: int) -> int:
    count = trace.tree.spans[index].attributes.get(semconv.RETRY_COUNT)
    return max(0, count) if isinstance(count, int) and trace.ledger.counted[index] else 0
