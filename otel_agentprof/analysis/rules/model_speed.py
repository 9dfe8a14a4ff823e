"""Model calls that are slow to start, and model calls that are slow to write: two causes, two remedies.

chat   |........-----------|     . to the first token: long prompt, queue, cold cache, reasoning
                                 - writing: so many tokens per second
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from math import inf
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof.analysis import wording
from otel_agentprof.analysis.finding import Finding
from otel_agentprof.analysis.saving import if_limited, is_worthwhile
from otel_agentprof.model import dialects
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config

_NS_PER_S: Final = 1_000_000_000
_ROUND: Final = 10  # tokens/s from which a decimal says nothing
_COMPARED: Final = 3  # calls of a model from which one can stand out
_LEAST_OUTPUT: Final = 50  # tokens; fewer say little of a rate
_LEAST_UNTIMED_OUTPUT: Final = 100  # where the start is part of the time it must not weigh much
_MANY: Final = 2  # times as many tokens as others: that explains it
_MOST: Final = 3  # models for which a saving is computed


class _Call(NamedTuple):
    """A model call, or what is known of it. ``first_ns`` is None where no first token is known."""

    span: int
    total_ns: int
    first_ns: int | None
    usage: TokenUsage

    @property
    def writing_ns(self) -> int:
        return self.total_ns - (self.first_ns or 0)

    @property
    def output(self) -> int:
        return self.usage.output


class _Slow(NamedTuple):
    """A call that is slow: its figure, and the one it would have as usual (or at the limit)."""

    call: _Call
    value: float
    usual: float
    excess_ns: float
    is_limit: bool
    compared: int


class _Model(NamedTuple):
    """A model with slow calls, the one that loses most first."""

    name: str
    calls: Sequence[_Call]
    slow: Sequence[_Slow]
    saving_ns: int


def slow_first_token(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the models of which calls start late: beyond a limit, or beside their other calls."""
    limit_ns = config.slow_first_token_ms * wording.NS_PER_MS

    def slow_of(calls: Sequence[_Call]) -> list[_Slow]:
        rows = [(call, float(call.first_ns), 1) for call in calls if call.first_ns is not None]
        return _beyond(rows, limit_ns, config)

    for model in _slow_models(trace, config, slow_of):
        yield _late(trace, config, model)


def slow_generation(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the models of which calls write slowly: below a limit, or beside their other calls.

    The time to the first token is left out where it is known; calls where it is not are compared with each
    other only.
    """
    limit_ns = _NS_PER_S / config.slow_tokens_per_s if config.slow_tokens_per_s else inf

    def slow_of(calls: Sequence[_Call]) -> list[_Slow]:
        timed = [call for call in calls if call.first_ns is not None and call.output >= _LEAST_OUTPUT]
        others = [call for call in calls if call.first_ns is None and call.output >= _LEAST_UNTIMED_OUTPUT]
        return [
            one
            for alike in (timed, others)
            for one in _beyond(
                [(call, call.writing_ns / call.output, call.output) for call in alike], limit_ns, config
            )
        ]

    for model in _slow_models(trace, config, slow_of):
        yield _slow_to_write(trace, config, model)


def _slow_models(
    trace: Trace, config: Config, slow_of: Callable[[Sequence[_Call]], list[_Slow]]
) -> Iterator[_Model]:
    found: list[tuple[str, Sequence[_Call], list[_Slow]]] = []
    for name, calls in _calls_by_model(trace, config).items():
        if slow := slow_of(calls):
            found.append((name, calls, sorted(slow, key=lambda one: -one.excess_ns)))
    found.sort(key=lambda item: -sum(one.excess_ns for one in item[2]))
    for name, calls, slow in found[:_MOST]:
        saving_ns = if_limited(trace, {one.call.span: one.call.total_ns - one.excess_ns for one in slow})
        if is_worthwhile(trace, saving_ns, config):
            yield _Model(name, calls, slow, saving_ns)


def _calls_by_model(trace: Trace, config: Config) -> Mapping[str, Sequence[_Call]]:
    """Return the calls of the models of which at least one call is long enough to be slow."""
    by_model: defaultdict[str, list[int]] = defaultdict(list)
    total, ledger, open_spans = trace.times.total, trace.ledger, trace.tree.open_spans
    for operation in trace.operations:
        if operation.role == "llm":
            for index in operation.indices:
                if ledger.counted[index] and index not in open_spans:
                    by_model[ledger.models[index] or operation.name].append(index)
    least_ns = config.outlier_ms * wording.NS_PER_MS
    return {
        model: [_call(trace, index) for index in indices]
        for model, indices in by_model.items()
        if any(total[index] >= least_ns for index in indices)
    }


def _call(trace: Trace, index: int) -> _Call:
    seconds, usage = dialects.first_token_s_of(trace.tree.spans[index]), trace.ledger.usage[index]
    first_ns = None if seconds is None else round(seconds * _NS_PER_S)
    return _Call(index, trace.times.total[index], first_ns, usage or TokenUsage())


def _beyond(rows: Sequence[tuple[_Call, float, int]], limit: float, config: Config) -> list[_Slow]:
    """Return the calls that stand out.

    Args:
        rows: Each call with its figure in ns, the larger the slower, and how often that is in its time.
        limit: The figure beyond which a call is slow by itself.
        config: The thresholds.
    """
    values = sorted(value for _, value, _ in rows)
    found = []
    for call, value, times in rows:
        if len(values) >= _COMPARED:
            usual = _median_without(values, value)
            excess_ns = (value - usual) * times
            if value > config.outlier_ratio * usual and excess_ns >= config.outlier_ms * wording.NS_PER_MS:
                found.append(_Slow(call, value, usual, excess_ns, is_limit=False, compared=len(values)))
                continue
        if value > limit:
            found.append(
                _Slow(call, value, limit, (value - limit) * times, is_limit=True, compared=len(values))
            )
    return found


def _median_without(values: Sequence[float], value: float) -> float:
    """Return the median of sorted values without one of them."""
    place, left = bisect_left(values, value), len(values) - 1
    low, high = (left - 1) // 2, left // 2
    return (values[low + (low >= place)] + values[high + (high >= place)]) / 2


def _late(trace: Trace, config: Config, model: _Model) -> Finding:
    worst = model.slow[0]
    usual = "the limit is" if worst.is_limit else "usually"
    return Finding(
        rule="slow_first_token",
        title=(
            f"{model.name} starts late in {_share(model.slow)}: {wording.duration(worst.value)} to the first "
            f"token, {usual} {wording.duration(worst.usual)}"
        ),
        component=model.name,
        metric="first_token_ms",
        value=worst.value / wording.NS_PER_MS,
        threshold=_threshold(worst, config) / wording.NS_PER_MS,
        suggestion=_why_late(model),
        span_ids=trace.ids(one.call.span for one in model.slow),
        saving_ns=model.saving_ns,
        derivation=_derivation(
            model.slow,
            "with these calls starting after the median time of the model's other calls here",
            f"with no first token of this model after {wording.duration(worst.usual)}",
        ),
    )


def _slow_to_write(trace: Trace, config: Config, model: _Model) -> Finding:
    worst = model.slow[0]
    usual = "the limit is" if worst.is_limit else "usually"
    start = "" if worst.call.first_ns is not None else ", start included"
    longest = max(one.call.output for one in model.slow)
    return Finding(
        rule="slow_generation",
        title=(
            f"{model.name} writes slowly in {_share(model.slow)}: {_rate(worst.value)} tokens/s{start}, "
            f"{usual} {_rate(worst.usual)}"
        ),
        component=model.name,
        metric="output_tokens_per_s",
        value=_NS_PER_S / worst.value,
        threshold=_NS_PER_S / _threshold(worst, config),
        suggestion=(
            f"The longest of these answers has {longest:,} tokens, and every one takes its time: ask for "
            "less (a limit, a terser format), use a faster model or service tier here, or stream the answer."
        ),
        span_ids=trace.ids(one.call.span for one in model.slow),
        saving_ns=model.saving_ns,
        derivation=_derivation(
            model.slow,
            "with these calls writing at the median speed of the model's other calls here",
            f"with this model never below {_rate(worst.usual)} tokens/s",
        ),
    )


def _share(slow: Sequence[_Slow]) -> str:
    compared = max(one.compared for one in slow)
    return "its call" if compared == 1 else f"{len(slow):,} of {max(compared, len(slow)):,} calls"


def _threshold(worst: _Slow, config: Config) -> float:
    return worst.usual if worst.is_limit else worst.usual * config.outlier_ratio


def _rate(ns_per_token: float) -> str:
    rate = _NS_PER_S / ns_per_token
    return f"{rate:,.0f}" if rate >= _ROUND else f"{rate:.1f}"


def _derivation(slow: Sequence[_Slow], at_median: str, at_limit: str) -> str:
    """Say how the saving was computed; the calls of one model may have been held against both."""
    ways = [way for way, is_limit in ((at_median, False), (at_limit, True)) if _has(slow, is_limit=is_limit)]
    return f"this run again {', others '.join(ways)}"


def _has(slow: Sequence[_Slow], *, is_limit: bool) -> bool:
    return any(one.is_limit == is_limit for one in slow)


def _why_late(model: _Model) -> str:
    late = {one.call.span for one in model.slow}
    reads = median(one.call.usage.input for one in model.slow)
    others = [call.usage.input for call in model.calls if call.span not in late]
    reasoned = max(one.call.usage.reasoning for one in model.slow)
    if others and reads >= _MANY * median(others) > 0:
        return (
            f"These calls read {reads:,.0f} tokens, the others {median(others):,.0f}: shorten the prompt, or "
            "put what stays the same first so that the provider can cache it."
        )
    if reasoned:
        return f"Up to {reasoned:,} tokens of reasoning come before the answer: ask for less reasoning here."
    return (
        "A long prompt, a queue at the provider, a cold cache or a new connection: shorten the prompt, keep "
        "one client open, and try elsewhere when the first token is late."
    )
