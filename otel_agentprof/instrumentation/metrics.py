"""The histograms of the GenAI conventions, and ours for money; recorded only where metrics are set up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics

from otel_agentprof import semconv

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.metrics import Histogram, Meter, MeterProvider

    from otel_agentprof.model.tokens import TokenUsage

_SECONDS: Final = tuple(0.01 * 2**n for n in range(14))
_TOKENS: Final = tuple(float(4**n) for n in range(14))
_DOLLARS: Final = tuple(round(m * 10.0**e, 6) for e in range(-5, 1) for m in (1, 2, 5))
_LABELS: Final[tuple[str, ...]] = (
    semconv.OPERATION_NAME,
    semconv.PROVIDER_NAME,
    semconv.REQUEST_MODEL,
    semconv.RESPONSE_MODEL,
    semconv.SERVER_ADDRESS,
    semconv.SERVER_PORT,
    semconv.TOOL_NAME,
    semconv.TOOL_TYPE,
)


class CallMetrics:
    """The instruments of one meter provider."""

    def __init__(self, provider: MeterProvider, version: str) -> None:
        meter = provider.get_meter(semconv.SCOPE, version)
        self._tokens = histogram(
            meter, semconv.METRIC_TOKEN_USAGE, "{token}", "Tokens of a call, by type", _TOKENS
        )
        self._duration = histogram(
            meter, semconv.METRIC_OPERATION_DURATION, "s", "How long a call took", _SECONDS
        )
        self._tool_duration = histogram(
            meter, semconv.METRIC_TOOL_DURATION, "s", "How long a tool took", _SECONDS
        )
        self._first_chunk = histogram(
            meter, semconv.METRIC_TIME_TO_FIRST_CHUNK, "s", "Time until a stream's first chunk", _SECONDS
        )
        self._cost = histogram(meter, semconv.METRIC_COST, "USD", "Cost of a call", _DOLLARS)

    def record(
        self,
        attributes: dict[str, Any],
        duration_s: float,
        usage: TokenUsage | None,
        context: Context,
    ) -> None:
        """Record one call; ``context`` holds its span, so that exemplars point at it."""
        labels: dict[str, Any] = {name: attributes[name] for name in _LABELS if name in attributes}
        duration = self._tool_duration if semconv.TOOL_NAME in labels else self._duration
        if semconv.ERROR_TYPE in attributes:  # another dict, for the SDK may keep what it is given
            failed = {**labels, semconv.ERROR_TYPE: attributes[semconv.ERROR_TYPE]}
            duration.record(duration_s, failed, context)
        else:
            duration.record(duration_s, labels, context)
        if semconv.RESPONSE_TIME_TO_FIRST_CHUNK in attributes:
            self._first_chunk.record(attributes[semconv.RESPONSE_TIME_TO_FIRST_CHUNK], labels, context)
        if usage is not None:
            self._tokens.record(usage.input, {**labels, semconv.TOKEN_TYPE: "input"}, context)
            if usage.output:
                self._tokens.record(usage.output, {**labels, semconv.TOKEN_TYPE: "output"}, context)
        if semconv.COST_TOTAL in attributes:
            self._cost.record(attributes[semconv.COST_TOTAL], labels, context)


def histogram(meter: Meter, name: str, unit: str, told: str, bounds: Sequence[float]) -> Histogram:
    """Return a new histogram whose buckets end at ``bounds``, unless a view says otherwise."""
    return meter.create_histogram(name, unit, told, explicit_bucket_boundaries_advisory=bounds)


def is_configured(provider: MeterProvider) -> bool:
    """Return whether a meter provider leads anywhere: the API's own stand-ins lead nowhere."""
    return not type(provider).__module__.startswith("opentelemetry.metrics")


def current_provider() -> MeterProvider:
    """Return the global meter provider of this moment."""
    return metrics.get_meter_provider()
