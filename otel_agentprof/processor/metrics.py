"""Figures of many runs: what their reports say, and what the processor itself costs and drops.

Recorded where a meter provider is configured, and nowhere else. Exemplars point at the root of the run.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import format_span_id

from otel_agentprof import __version__, semconv
from otel_agentprof.instrumentation.metrics import current_provider, histogram, is_configured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk.trace import ReadableSpan

    from otel_agentprof.processor.stats import ProcessorStats
    from otel_agentprof.report.report import Report

_SECONDS: Final = tuple(round(0.05 * 2**n, 2) for n in range(16))  # to half an hour
_DOLLARS: Final = tuple(round(m * 10.0**e, 6) for e in range(-4, 3) for m in (1, 2, 5))
_NANOSECONDS: Final = 1e9
_MOST_NAMES: Final = 100  # agents and models that are told apart: names made at run time must not be metrics
_OTHER: Final = "other"
_made: WeakKeyDictionary[Any, RunMetrics] = WeakKeyDictionary()


class RunMetrics:
    """The instruments of one meter provider; all processors of the process share them."""

    def __init__(self, provider: MeterProvider) -> None:
        """Make the instruments."""
        meter = provider.get_meter(semconv.SCOPE, __version__)
        self._duration = histogram(meter, semconv.METRIC_RUN_DURATION, "s", "How long a run took", _SECONDS)
        told = "Time of a run that was waited for, by role"
        self._critical = histogram(meter, semconv.METRIC_RUN_CRITICAL_TIME, "s", told, _SECONDS)
        told = "Cost of a run, as far as prices are known"
        self._cost = histogram(meter, semconv.METRIC_RUN_COST, "USD", told, _DOLLARS)
        counter = meter.create_counter
        self._model_cost = counter(semconv.METRIC_RUN_MODEL_COST, "USD", "Cost of all runs, by model")
        self._tokens = counter(semconv.METRIC_RUN_MODEL_TOKENS, "{token}", "Tokens of all runs, by model")
        self._findings = counter(semconv.METRIC_RUN_FINDINGS, "{finding}", "Findings of all runs, by rule")
        self._time = counter(semconv.METRIC_PROCESSOR_TIME, "s", "CPU time of the processor's own thread")
        self._spans = counter(semconv.METRIC_PROCESSOR_SPANS, "{span}", "Spans that the processor took in")
        self._dropped = counter(
            semconv.METRIC_PROCESSOR_DROPPED, "{span}", "Spans left out of reports or not exported, by reason"
        )
        self._failures = counter(semconv.METRIC_PROCESSOR_FAILURES, "{failure}", "Errors that were contained")
        self._names: dict[str, set[str]] = {semconv.AGENT_NAME: set(), semconv.REQUEST_MODEL: set()}

    def record(self, report: Report, spans: Iterable[ReadableSpan], root: ReadableSpan) -> None:
        """Record one run that is complete; a trace without any call or step is none."""
        if not set(report.by_role) - {"other"}:
            return
        context = _around(root)
        agent = self._label(semconv.AGENT_NAME, _agent_name(report, spans, root))
        self._duration.record(report.duration_ns / _NANOSECONDS, agent, context)
        for role, statistics in report.by_role.items():
            seconds = statistics.critical_ns / _NANOSECONDS
            self._critical.record(seconds, {**agent, semconv.ROLE: role}, context)
        if report.cost_usd is not None and (report.cost_usd or not report.unpriced_models):
            self._cost.record(float(report.cost_usd), agent, context)
        for model, cost in report.cost_by_model.items():
            self._model_cost.add(float(cost), {**agent, **self._label(semconv.REQUEST_MODEL, model)}, context)
        for model, usage in report.usage_by_model.items():
            labels = {**agent, **self._label(semconv.REQUEST_MODEL, model)}
            for kind, count in (("input", usage.input), ("output", usage.output)):
                self._tokens.add(count, {**labels, semconv.TOKEN_TYPE: kind}, context)
        for finding in report.findings:
            labels = {**agent, semconv.RULE: finding.rule, semconv.IMPACT: finding.impact}
            self._findings.add(1, labels, context)

    def count(self, *, seconds: float, spans: int, dropped: Mapping[str, int], failures: int) -> None:
        """Record what the processor did since the last time."""
        self._time.add(max(seconds, 0.0))  # clocks of threads are coarse on some systems
        self._spans.add(spans)
        self._failures.add(failures)
        for reason, count in dropped.items():
            self._dropped.add(count, {semconv.DROP_REASON: reason})

    def _label(self, kind: str, name: str | None) -> dict[str, str]:
        if name is None:
            return {}
        known = self._names[kind]
        if name not in known and len(known) >= _MOST_NAMES:
            return {kind: _OTHER}
        known.add(name)
        return {kind: name}


class Meters:
    """The way to the meters of one processor, and what it has told them so far: only what is new is added.

    Attributes:
        provider: The meter provider that was given; None: the global one of each moment.
    """

    def __init__(self, provider: MeterProvider | None = None) -> None:
        """Start with nothing told."""
        self.provider = provider
        self._told: Counter[tuple[str, str]] = Counter()

    @property
    def metrics(self) -> RunMetrics | None:
        """The instruments to use now, None where no metrics are set up."""
        provider: Any = self.provider or current_provider()
        if not is_configured(provider):
            return None
        if provider not in _made:
            _made[provider] = RunMetrics(provider)
        return _made[provider]

    def record(self, report: Report, spans: Iterable[ReadableSpan], root: ReadableSpan) -> None:
        """Record one run that is complete."""
        if (metrics := self.metrics) is not None:
            metrics.record(report, spans, root)

    def tell(self, stats: Callable[[], ProcessorStats], seconds: float) -> None:
        """Tell what the processor has counted, and the CPU time that it has taken, since the last time."""
        if (metrics := self.metrics) is None:
            return
        counted = stats()
        now = Counter({("spans", ""): counted.seen, ("failures", ""): counted.failures})
        now["dropped", "late"] = counted.late
        for counts in (counted.dropped, counted.lost):
            now.update({("dropped", reason): count for reason, count in counts.items()})
        new, self._told = now - self._told, now
        metrics.count(
            seconds=seconds,
            spans=new["spans", ""],
            failures=new["failures", ""],
            dropped={reason: count for (kind, reason), count in new.items() if kind == "dropped"},
        )


def _around(root: ReadableSpan) -> Context:
    """Return a context with the root of a run in it: the SDK takes exemplars from there."""
    span = trace.NonRecordingSpan(root.context or trace.INVALID_SPAN_CONTEXT)
    return trace.set_span_in_context(span, Context())


def _agent_name(report: Report, spans: Iterable[ReadableSpan], root: ReadableSpan) -> str | None:
    """Return the name of the agent that ran: the root's, or that of the first agent below it."""
    candidates = [root]
    first = next((row.span_id for row in report.waterfall if row.role == "agent"), None)
    if first is not None:
        candidates += [
            span for span in spans if span.context and format_span_id(span.context.span_id) == first
        ]
    for span in candidates:
        name = (span.attributes or {}).get(semconv.AGENT_NAME)
        if isinstance(name, str):
            return name
    return None
