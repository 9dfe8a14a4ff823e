"""What one trace is about, measured once: the frozen tree that every renderer draws."""

from __future__ import annotations

from dataclasses import KW_ONLY, InitVar, dataclass, fields
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.analysis.statistics import Statistics, by_role
from otel_agentprof.analysis.waterfall import Mark, Row, waterfall
from otel_agentprof.model.collector import paused_collector
from otel_agentprof.model.lazy import lazy
from otel_agentprof.model.quick_init import quick_init
from otel_agentprof.report.late import PathStep, by_model, by_name, path_steps
from otel_agentprof.semconv import ROLES, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from decimal import Decimal

    from otel_agentprof.analysis.finding import Finding
    from otel_agentprof.analysis.outline import Outline
    from otel_agentprof.model.tokens import TokenUsage

SCHEMA: Final = "agentprof.report/1"
_TOKEN_FIELDS: Final = ("input", "output", "cache_read", "cache_write", "reasoning")
_NO_CALLS: Final = Statistics(count=0, total_ns=0, self_ns=0, critical_ns=0)
__all__ = [
    "SCHEMA",
    "DataQuality",
    "Mark",
    "OperationUsage",
    "PathStep",
    "Report",
    "Row",
    "Statistics",
]


@quick_init
@dataclass(frozen=True, slots=True)
class OperationUsage:
    """Tokens and money of all calls of one operation; no cost is known where a model has no price."""

    count: int
    usage: TokenUsage
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class DataQuality:
    """Something in the trace that makes a figure less certain, or that was repaired."""

    code: str
    message: str
    span_ids: tuple[str, ...] = ()


def _late(draw: Callable[[Outline], Any]) -> Any:
    """Return what draws a field of a report when it is first asked for, if the field was not given."""

    def drawn(report: Report) -> Any:
        with paused_collector():
            return draw(vars(report)["outline"])

    return lazy(drawn)


@dataclass(frozen=True)
class Report:
    """Everything that was found out about one trace. Equal traces give equal reports.

    ``critical_path``, the tables and ``waterfall`` are drawn when they are first asked for, from times and
    names: no report keeps the attributes of its spans.

    Attributes:
        trace_id: None when the spans are of several traces.
        root_span_id: None when several spans share a virtual root; so is ``root_name``.
        start_ns: Start of the root, nanoseconds since the epoch.
        duration_ns: Length of the root.
        critical_path: Segments that tile the root, in time order.
        by_role: Statistics for each role that occurs (``to_dict`` shows all seven); critical_ns over all sums
            to ``duration_ns``.
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

    _: KW_ONLY
    trace_id: str | None
    root_span_id: str | None
    root_name: str | None
    start_ns: int
    duration_ns: int
    span_count: int
    critical_path: tuple[PathStep, ...] = _late(path_steps)
    by_role: Mapping[Role, Statistics] = _late(lambda trace: by_role(trace.ledger, trace.times))
    by_name: Mapping[str, Statistics] = _late(by_name)
    by_model: Mapping[str, Statistics] = _late(by_model)
    usage: TokenUsage
    usage_by_model: Mapping[str, TokenUsage]
    by_operation: Mapping[str, OperationUsage]
    cost_usd: Decimal | None
    cost_by_model: Mapping[str, Decimal]
    unpriced_models: tuple[str, ...]
    findings: tuple[Finding, ...]
    data_quality: tuple[DataQuality, ...]
    waterfall: tuple[Row, ...] = _late(waterfall)
    outline: InitVar[Outline | None] = None

    def __post_init__(self, outline: Outline | None) -> None:
        own = vars(self)
        missing = [name for name, value in own.items() if isinstance(value, lazy)]
        if missing and outline is None:
            raise TypeError(f"a report needs {', '.join(missing)}, or an outline to draw them from")
        for name in missing:
            del own[name]
        own["outline"] = outline

    def __getstate__(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)}  # drawn, once and for all

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON types, in the schema ``agentprof.report/1``."""
        return {
            "schema": SCHEMA,
            "trace_id": self.trace_id,
            "root": {"span_id": self.root_span_id, "name": self.root_name},
            "start_ns": self.start_ns,
            "duration_ns": self.duration_ns,
            "span_count": self.span_count,
            "critical_path": [_step(step) for step in self.critical_path],
            "by_role": {role: self.by_role.get(role, _NO_CALLS)._asdict() for role in ROLES},
            "by_name": _plain(self.by_name),
            "by_model": _plain(self.by_model),
            "tokens": {
                **_tokens(self.usage),
                "by_model": {model: _tokens(usage) for model, usage in self.usage_by_model.items()},
                "by_operation": {
                    name: {"count": used.count, **_tokens(used.usage), "cost_usd": _money(used.cost_usd)}
                    for name, used in self.by_operation.items()
                },
            },
            "cost": {
                "total_usd": _money(self.cost_usd),
                "by_model": {model: _money(cost) for model, cost in self.cost_by_model.items()},
                "unpriced_models": list(self.unpriced_models),
            },
            "findings": [_finding(found) for found in self.findings],
            "data_quality": [
                {"code": note.code, "message": note.message, "span_ids": list(note.span_ids)}
                for note in self.data_quality
            ],
        }


def _step(step: PathStep) -> dict[str, Any]:
    return {
        "span_id": step.span_id,
        "name": step.name,
        "role": step.role,
        "start_ns": step.start_ns,
        "end_ns": step.end_ns,
    }


def _plain(groups: Mapping[str, Statistics]) -> dict[str, dict[str, int]]:
    return {key: figures._asdict() for key, figures in groups.items()}


def _tokens(usage: TokenUsage) -> dict[str, int]:
    return {name: getattr(usage, name) for name in _TOKEN_FIELDS}


def _money(amount: Decimal | None) -> float | None:
    # Twelve digits are a millionth of a micro-dollar; beyond them a float only shows its own rounding.
    return None if amount is None else _finite(round(float(amount), 12))


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def _finding(found: Finding) -> dict[str, Any]:
    return {
        "rule": found.rule,
        "title": found.title,
        "impact": found.impact,
        "component": found.component,
        "metric": found.metric,
        "value": _finite(found.value),
        "threshold": _finite(found.threshold),
        "saving_ns": found.saving_ns,
        "saving_usd": _money(found.saving_usd),
        "derivation": found.derivation,
        "confidence": found.confidence,
        "span_ids": list(found.span_ids),
        "suggestion": found.suggestion,
    }
