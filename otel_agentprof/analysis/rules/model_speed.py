"""Model calls that are slow to start, and model calls that are slow to write: two causes, two remedies.

chat   |........-----------|     . to the first token: long prompt, queue, cold cache, reasoning
                                 - writing: so many tokens per second
"""

from __future__ import annotations

from math import inf
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof.analysis import wording
from otel_agentprof.analysis.finding import Finding
from otel_agentprof.analysis.outliers import Slow, beyond, too_long
from otel_agentprof.analysis.saving import FEW_RERUNS, if_limited, is_worthwhile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from otel_agentprof.analysis.model_calls import ModelCall
    from otel_agentprof.analysis.operations import Operation
    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config

_NS_PER_S: Final = 1_000_000_000
_ROUND: Final = 10  # tokens/s from which a decimal says nothing
_LEAST_OUTPUT: Final = 50  # tokens; fewer say little of a rate
_LEAST_UNTIMED_OUTPUT: Final = 100  # where the start is part of the time it must not weigh much
_LEAST_NS: Final = 20_000  # per token: no model writes 50,000 a second, that came in one piece
_MANY: Final = 2  # times as many tokens as others: that explains it


class _Model(NamedTuple):
    """A model with slow calls, the one that loses most first."""

    name: str
    calls: Sequence[ModelCall]
    slow: Sequence[Slow]
    saving_ns: int


def slow_first_token(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the models of which calls start late: beyond a limit, or beside their other calls."""
    limit_ns = config.slow_first_token_ms * wording.NS_PER_MS

    def slow_of(calls: Sequence[ModelCall]) -> list[Slow]:
        rows = [(call, float(call.first_ns), 1) for call in calls if call.first_ns]
        return beyond(rows, limit_ns, config)

    for model in _slow_models(trace, config, slow_of):
        yield _late(trace, config, model)


def slow_generation(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the models of which calls write slowly: below a limit, or beside their other calls.

    The time to the first token is left out where it is known. Where it is not, it is part of the time, and a
    short answer has fewer tokens for a start that takes as long: such calls are compared with each other
    only, and by time (``analysis.outliers.too_long``). What came in one piece, as from a gateway that hands
    an answer on when it is complete, says nothing of how fast it was written.
    """
    rate = config.slow_tokens_per_s
    limit_ns = max(_LEAST_NS, _NS_PER_S / rate) if rate > 0 else inf

    def slow_of(calls: Sequence[ModelCall]) -> list[Slow]:
        timed: list[tuple[ModelCall, float, int]] = []
        others: list[tuple[ModelCall, float, int]] = []
        for call in calls:
            _, total_ns, first_ns, usage = call
            written = usage.output
            if first_ns is None:
                if written >= _LEAST_UNTIMED_OUTPUT and total_ns >= _LEAST_NS * written:
                    others.append((call, total_ns / written, written))
            elif written >= _LEAST_OUTPUT and total_ns - first_ns >= _LEAST_NS * written:
                timed.append((call, (total_ns - first_ns) / written, written))
        return [*beyond(timed, limit_ns, config), *too_long(others, limit_ns, config)]

    for model in _slow_models(trace, config, slow_of):
        yield _slow_to_write(trace, config, model)


def _slow_models(
    trace: Trace, config: Config, slow_of: Callable[[Sequence[ModelCall]], list[Slow]]
) -> Iterator[_Model]:
    least_ns = config.outlier_ms * wording.NS_PER_MS
    if not any(
        operation.role == "llm" and _longest_ns(trace, operation) >= least_ns
        for operation in trace.operations
    ):
        return  # so that first tokens are read only where one can be late
    found: list[tuple[str, Sequence[ModelCall], list[Slow]]] = []
    for name, calls in trace.model_calls.items():
        slow = slow_of(calls)
        if slow:
            found.append((name, calls, sorted(slow, key=lambda one: -one.excess_ns)))
    found.sort(key=lambda item: -sum(one.excess_ns for one in item[2]))
    for model, among, late in found[:FEW_RERUNS]:
        saving_ns = if_limited(trace, {one.call.span: one.call.total_ns - one.excess_ns for one in late})
        if is_worthwhile(trace, saving_ns, config):
            yield _Model(model, among, late, saving_ns)


def _longest_ns(trace: Trace, operation: Operation) -> int:
    total = trace.times.total
    return max([total[index] for index in operation.indices])


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
            lambda limit: f"with no first token of this model after {wording.duration(limit)}",
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
        threshold=_NS_PER_S / max(_threshold(worst, config), 1),
        suggestion=(
            f"The longest of these answers has {longest:,} tokens, and every one takes its time: ask for "
            "less (a limit, a terser format), use a faster model or service tier here, or stream the answer."
        ),
        span_ids=trace.ids(one.call.span for one in model.slow),
        saving_ns=model.saving_ns,
        derivation=_derivation(
            model.slow,
            "with these calls writing at the median speed of the model's other calls here",
            lambda limit: f"with this model never below {_rate(limit)} tokens/s",
        ),
    )


def _share(slow: Sequence[Slow]) -> str:
    compared = max(one.compared for one in slow)
    return "its call" if compared == 1 else f"{len(slow):,} of {max(compared, len(slow)):,} calls"


def _threshold(worst: Slow, config: Config) -> float:
    return worst.usual if worst.is_limit else worst.usual * config.outlier_ratio


def _rate(ns_per_token: float) -> str:
    rate = _NS_PER_S / ns_per_token
    return f"{rate:,.0f}" if rate >= _ROUND else f"{rate:.1f}"


def _derivation(slow: Sequence[Slow], at_median: str, at_limit: Callable[[float], str]) -> str:
    """Say how the saving was computed; the calls of one model may have been held against both."""
    limits = [one.usual for one in slow if one.is_limit]
    ways = [at_median] if len(limits) < len(slow) else []
    ways += [at_limit(limit) for limit in limits[:1]]
    return f"this run again {', others '.join(ways)}"


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
