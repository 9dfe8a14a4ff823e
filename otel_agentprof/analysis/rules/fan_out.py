"""Fan-outs, calls of one operation side by side, that are slower than they need to be."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof.analysis import wording
from otel_agentprof.analysis.concurrency import in_flight
from otel_agentprof.analysis.finding import Finding
from otel_agentprof.analysis.saving import FEW_RERUNS, if_limited, if_together, is_worthwhile
from otel_agentprof.analysis.sequential import clusters, has_to_wait
from otel_agentprof.model import dialects

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otel_agentprof.analysis.finding import Confidence
    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config
    from otel_agentprof.semconv import Role

_FAN_OUT: Final = 3  # with fewer there is no telling who is the odd one
_BATCHES: Final = 3  # two batches may as well be two steps of a plan
_RETRIED: Final = 0.25
_STEADY: Final = 0.5  # share of its time that a full pool is full


class _Straggler(NamedTuple):
    span: int
    second_ns: int
    median_ns: float
    others: Sequence[int]


class _Pool(NamedTuple):
    """Calls of one operation of which only so many run at a time."""

    indices: Sequence[int]
    size: int
    batches: int
    average: float
    most_saved_ns: int


def head_of_line(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the operations whose calls, side by side, wait for one that takes much longer."""
    found: defaultdict[tuple[str, Role], list[_Straggler]] = defaultdict(list)
    fan_outs: defaultdict[tuple[str, Role], int] = defaultdict(int)
    for operation, calls in _operations_by_place(trace, _FAN_OUT):
        for cluster in clusters(trace, calls):
            if len(cluster) >= _FAN_OUT:
                fan_outs[operation] += 1
                straggler = _straggler(trace, cluster, config)
                if straggler is not None:
                    found[operation].append(straggler)
    by_excess = sorted(
        found.items(),
        key=lambda item: -sum(trace.times.total[one.span] - one.second_ns for one in item[1]),
    )
    for operation, stragglers in by_excess[:FEW_RERUNS]:
        saving_ns = if_limited(trace, {one.span: one.second_ns for one in stragglers})
        if is_worthwhile(trace, saving_ns, config):
            yield _held_up(trace, config, operation, stragglers, fan_outs[operation], saving_ns)


def unused_concurrency(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the operations of which many calls ran, but only few at a time."""
    found: defaultdict[tuple[str, Role], list[_Pool]] = defaultdict(list)
    for operation, calls in _operations_by_place(trace, config.fan_out_calls):
        pool = _pool(trace, calls)
        if pool is not None:
            found[operation].append(pool)
    ranked = sorted(found.items(), key=lambda item: -sum(pool.most_saved_ns for pool in item[1]))
    for (name, role), pools in ranked[:FEW_RERUNS]:
        groups = [pool.indices for pool in pools]
        size = max(pool.size for pool in pools)
        if all(pool.batches for pool in pools):
            saving_ns = if_together(trace, groups, at_a_time=size)
            if is_worthwhile(trace, saving_ns, config):
                yield _in_batches(trace, (name, role), pools, saving_ns)
                continue
        saving_ns = if_together(trace, groups, at_a_time=2 * size)
        if is_worthwhile(trace, saving_ns, config):
            yield _few_at_a_time(trace, (name, role), pools, saving_ns)


def _operations_by_place(trace: Trace, at_least: int) -> Iterator[tuple[tuple[str, Role], list[int]]]:
    """Yield calls of one operation, by start, that are siblings without another kind of work in between."""
    for (role, _), indices, _ in trace.neighbours:
        if len(indices) < at_least:
            continue
        by_name: defaultdict[str, list[int]] = defaultdict(list)
        for index in indices:
            by_name[dialects.operation_of(trace.tree.spans[index], role)].append(index)
        for name, calls in by_name.items():
            if len(calls) >= at_least:
                yield (name, role), calls


def _straggler(trace: Trace, cluster: Sequence[int], config: Config) -> _Straggler | None:
    total, ends = trace.times.total, trace.tree.ends
    *others, longest = sorted(cluster, key=total.__getitem__)
    median_ns = median(total[index] for index in others)
    limit_ns = max(config.straggler_ratio * median_ns, median_ns + config.straggler_ms * wording.NS_PER_MS)
    if total[longest] <= limit_ns or ends[longest] < max(ends[index] for index in others):
        return None
    return _Straggler(longest, total[others[-1]], median_ns, others)


def _held_up(
    trace: Trace,
    config: Config,
    operation: tuple[str, Role],
    stragglers: Sequence[_Straggler],
    fan_outs: int,
    saving_ns: int,
) -> Finding:
    name, role = operation
    worst = max(stragglers, key=lambda one: trace.times.total[one.span])
    longest = wording.duration(trace.times.total[worst.span])
    where = f"{len(worst.others) + 1:,} calls of {name} side by side wait for one"
    if fan_outs > 1:
        where = f"{name} waits for one straggler in {len(stragglers):,} of {fan_outs:,} fan-outs"
    usual = wording.duration(worst.median_ns)
    paid = " A model call made twice is paid for twice." if role == "llm" else ""
    return Finding(
        rule="head_of_line",
        title=f"{where}: {longest}, the median of the others is {usual}",
        component=name,
        metric="straggler_ratio",
        value=trace.times.total[worst.span] / max(worst.median_ns, 1),
        threshold=config.straggler_ratio,
        suggestion=(
            f"Set a timeout not far above the usual {usual}, or make the call a second time when it takes "
            f"longer and use what comes first. If this one has more to do than the others, split it.{paid}"
        ),
        span_ids=trace.ids(
            [*(one.span for one in stragglers), *(index for one in stragglers for index in one.others)]
        ),
        mended_ids=trace.ids(one.span for one in stragglers),
        saving_ns=saving_ns,
        derivation="this run again with each straggler as long as the second slowest call beside it",
    )


def _pool(trace: Trace, calls: Sequence[int]) -> _Pool | None:
    """Return what limits some calls; None where they do not look limited, or may need each other."""
    profile = in_flight(trace, calls)
    size = profile.most
    if size < 2 or len(calls) <= 2 * size or _is_chained(trace, calls):  # noqa: PLR2004 - 1: a sequence
        return None
    sizes = [len(cluster) for cluster in clusters(trace, calls)]
    is_in_batches = len(sizes) >= _BATCHES and set(sizes[:-1]) == {size}
    if not is_in_batches and (len(calls) < _BATCHES * size or profile.ratio(size) < _STEADY):
        return None
    busy_ns = sum(profile.time_ns)
    longest_ns = max(trace.times.total[index] for index in calls)
    return _Pool(calls, size, len(sizes) if is_in_batches else 0, profile.average, busy_ns - longest_ns)


def _is_chained(trace: Trace, calls: Sequence[int]) -> bool:
    """Return whether calls come from several answers, or many go on with what one before them brought."""
    ends, starts = trace.tree.ends, trace.tree.starts
    if len(_askers(trace, calls) - {None}) > 1:
        return True
    waits = sum(
        has_to_wait(trace, before, after)
        for before, after in pairwise(calls)
        if trace.ledger.roles[after] == "llm" or ends[before] <= starts[after]
    )
    return waits > len(calls) * _RETRIED  # after a call that failed the next one looks like a retry


def _askers(trace: Trace, calls: Sequence[int]) -> set[int | None]:
    if not trace.turns.askers:
        return {None}
    return {trace.turns.asked_by(trace.tree.spans[index]) for index in calls}


def _in_batches(trace: Trace, operation: tuple[str, Role], pools: Sequence[_Pool], saving_ns: int) -> Finding:
    name, _ = operation
    calls, size = sum(len(pool.indices) for pool in pools), max(pool.size for pool in pools)
    batches = sum(pool.batches for pool in pools)
    return Finding(
        rule="unused_concurrency",
        title=f"{calls:,} calls of {name} ran in {batches:,} batches of {size}, each waiting for its slowest",
        component=name,
        metric="calls_in_flight",
        value=_average(pools),
        threshold=float(size),
        suggestion=(
            "Start the next call when one ends instead of waiting for the batch: a semaphore of "
            f"{size}, or a pool of {size} workers. {_all_at_once(trace, pools)}"
        ),
        span_ids=trace.ids(index for pool in pools for index in pool.indices),
        saving_ns=saving_ns,
        derivation=f"this run again with {size} of these calls at a time, the next as soon as one ends",
        confidence=_confidence(trace, pools),
    )


def _few_at_a_time(
    trace: Trace, operation: tuple[str, Role], pools: Sequence[_Pool], saving_ns: int
) -> Finding:
    name, _ = operation
    calls, size = sum(len(pool.indices) for pool in pools), max(pool.size for pool in pools)
    return Finding(
        rule="unused_concurrency",
        title=f"{calls:,} calls of {name}, never more than {size} at a time",
        component=name,
        metric="calls_in_flight",
        value=_average(pools),
        threshold=float(2 * size),
        suggestion=(
            "Raise the limit (semaphore, pool of workers or of connections) if the other side takes more: "
            f"the saving is for {2 * size} at a time. {_all_at_once(trace, pools)}"
        ),
        span_ids=trace.ids(index for pool in pools for index in pool.indices),
        saving_ns=saving_ns,
        derivation=f"this run again with up to {2 * size} of these calls at a time",
        confidence=_confidence(trace, pools),
    )


def _average(pools: Sequence[_Pool]) -> float:
    return sum(pool.average * len(pool.indices) for pool in pools) / sum(len(pool.indices) for pool in pools)


def _all_at_once(trace: Trace, pools: Sequence[_Pool]) -> str:
    saving_ns = if_together(trace, [pool.indices for pool in pools])
    return f"All at once would save {wording.duration(saving_ns)}."


def _confidence(trace: Trace, pools: Sequence[_Pool]) -> Confidence:
    if all(None not in _askers(trace, pool.indices) for pool in pools):
        return "proven"
    return "likely" if all(pool.batches for pool in pools) else "possible"
