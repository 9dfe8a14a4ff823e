"""What one trace is about, measured once: the frozen tree that every renderer draws."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.analysis.finding import Finding
    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.semconv import Role

SCHEMA = "agentprof.report/1"
Mark = Literal["error", "open", "background", "hoisted", "incomplete"]


@dataclass(frozen=True, slots=True)
class PathStep:
    """A stretch of the critical path; no span id and no name where the root waited outside all spans."""

    span_id: str | None
    name: str | None
    role: Role
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """Figures for spans of one role, one name or one model.

    ``count`` counts calls, once each however many spans show them. Times are over all spans of the group:
    ``total_ns`` adds durations (parallel ones overlap), ``self_ns`` leaves out what children cover,
    ``critical_ns`` is the part on the critical path. min to p95 are over durations of single calls.
    """

    count: int
    total_ns: int
    self_ns: int
    critical_ns: int
    min_ns: int = 0
    avg_ns: int = 0
    p50_ns: int = 0
    p95_ns: int = 0
    max_ns: int = 0


@dataclass(frozen=True, slots=True)
class OperationUsage:
    """Tokens and money of all calls of one operation; no cost is known where a model has no price."""

    count: int
    usage: TokenUsage
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the waterfall: a span, in depth-first order by start.

    Attributes:
        depth: 0 for the root and for spans outside it.
        on_path: Stretches of the critical path in this span's own time, as (start_ns, end_ns).
        cost_usd: None when the span is no call, or when its price is unknown.
        marks: Whatever a reader must know: error, open, background, hoisted, incomplete.
    """

    span_id: str
    name: str
    role: Role
    depth: int
    start_ns: int
    end_ns: int
    on_path: tuple[tuple[int, int], ...] = ()
    usage: TokenUsage | None = None
    cost_usd: Decimal | None = None
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class DataQuality:
    """Something in the trace that makes a figure less certain, or that was repaired."""

    code: str
    message: str
    span_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was found out about one trace. Equal traces give equal reports.

    Attributes:
        trace_id: None when the spans are of several traces.
        root_span_id: None when several spans share a virtual root; so is ``root_name``.
        start_ns: Start of the root, nanoseconds since the epoch.
        duration_ns: Length of the root.
        critical_path: Segments that tile the root, in time order.
        by_role: Statistics for each role that occurs; critical_ns over all sums to ``duration_ns``.
        by_name: Statistics per span name.
        by_model: Statistics per model.
        usage: All tokens of the trace.
        usage_by_model: Tokens of each model.
        by_operation: Calls, tokens and money per operation.
        cost_usd: The sum over all priced models; None when there are tokens and no model has a price.
        cost_by_model: Money per priced model.
        unpriced_models: Models with tokens and no known price, sorted.
        findings: By impact, then by saving.
        data_quality: What makes a figure less certain.
        waterfall: One row per span.
    """

    trace_id: str | None
    root_span_id: str | None
    root_name: str | None
    start_ns: int
    duration_ns: int
    span_count: int
    critical_path: tuple[PathStep, ...]
    by_role: Mapping[Role, Statistics]
    by_name: Mapping[str, Statistics]
    by_model: Mapping[str, Statistics]
    usage: TokenUsage
    usage_by_model: Mapping[str, TokenUsage]
    by_operation: Mapping[str, OperationUsage]
    cost_usd: Decimal | None
    cost_by_model: Mapping[str, Decimal]
    unpriced_models: tuple[str, ...]
    findings: tuple[Finding, ...]
    data_quality: tuple[DataQuality, ...]
    waterfall: tuple[Row, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON types, in the schema ``agentprof.report/1``."""
        raise NotImplementedError
