"""What many traces have in common: the frozen figures that the renderers of several runs draw."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from otel_agentprof.analysis.quantiles import LEVEL
from otel_agentprof.report.trace_ids import LEAST_DIGITS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from otel_agentprof.analysis.finding import Impact
    from otel_agentprof.analysis.quantiles import Quantile
    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.semconv import Role

SCHEMA: Final = "agentprof.aggregate/1"
METHOD: Final = (
    "nearest-rank percentiles; their intervals come from the order of the observations "
    "(binomial, for any distribution); null: too few for that limit"
)
_DIGITS: Final = 12  # of a dollar: beyond them a float only shows its own rounding
_Value = TypeVar("_Value", int, "Decimal")


@dataclass(frozen=True, slots=True)
class Spread(Generic[_Value]):
    """How one figure is spread over runs or calls."""

    count: int
    p50: Quantile[_Value]
    p95: Quantile[_Value]
    p99: Quantile[_Value]
    highest: _Value


@dataclass(frozen=True, slots=True)
class Group:
    """Calls of one agent, one operation or one model; or runs of one name.

    Attributes:
        role: What kind of work it is; None for a model.
        runs: In how many traces it occurs.
        calls: Each once, however many spans show it; for runs their number.
        errors: How many of them ended with an error.
        latency: Of the calls; None where there is none.
        critical_ns: The time on the critical paths of all traces; an agent has what runs directly under it.
        usage: Likewise.
        cost_usd: What is known of the cost; None where nothing is.
        is_cost_whole: Whether that is all of it.
        run_cost: The cost of a run, over those whose cost is known; for runs only.
    """

    name: str
    role: Role | None
    runs: int
    calls: int
    errors: int
    latency: Spread[int] | None
    critical_ns: int
    usage: TokenUsage
    cost_usd: Decimal | None
    is_cost_whole: bool
    run_cost: Spread[Decimal] | None = None


@dataclass(frozen=True, slots=True)
class Recurring:
    """A finding by its rule and component, and in how many runs it was made.

    Attributes:
        title: Of a run in which its impact is the highest.
        saving_ns: The sum over the runs; None where none of them knows.
        saving_usd: Likewise.
    """

    rule: str
    component: str
    title: str
    impact: Impact
    runs: int
    saving_ns: int | None
    saving_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class NoteCount:
    """Something that makes figures less certain, in how many runs, and how one of them says it."""

    code: str
    runs: int
    message: str


@dataclass(frozen=True, slots=True)
class Brief:
    """One trace in one line; ``tokens`` is None where they are unknown."""

    trace_id: str | None
    root_name: str | None
    duration_ns: int
    calls: int
    tokens: int | None
    cost_usd: Decimal | None
    is_cost_whole: bool
    findings: int


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The figures of many traces; equal for the same traces in any order.

    Attributes:
        failed_runs: Traces whose root ended with an error.
        duration: Of the traces; None where there is no trace.
        cost: Per run, over the runs whose cost is known as a whole.
        cost_usd: What is known of the cost of all; None where nothing is.
        unknown_costs: Runs whose cost is not known, or only in part.
        dear_runs: The dearest twentieth of the runs with a known cost, at least one.
        dear_share: Their share of the known cost of those runs; None where that is nothing.
        by_role: Time on the critical paths; adds up, with ``outside_ns``, to ``total_ns``.
        by_run: Runs by the name of their root.
        findings: By impact, then by saving, then by the number of runs.
        notes: What makes figures less certain, most runs first.
        slowest: A few traces, the slowest first.
        dearest: Likewise, by what is known of their cost.
        traces: All of them, in order of start, where they are few; else empty.
        id_digits: How many digits of the trace ids tell all of them apart.
    """

    runs: int
    spans: int
    failed_runs: int
    total_ns: int
    duration: Spread[int] | None
    cost: Spread[Decimal] | None
    cost_usd: Decimal | None
    unknown_costs: int
    dear_runs: int
    dear_share: float | None
    usage: TokenUsage
    unpriced_models: tuple[str, ...]
    by_role: Mapping[Role, int]
    outside_ns: int
    by_run: tuple[Group, ...]
    by_agent: tuple[Group, ...]
    by_operation: tuple[Group, ...]
    by_model: tuple[Group, ...]
    findings: tuple[Recurring, ...]
    notes: tuple[NoteCount, ...]
    slowest: tuple[Brief, ...]
    dearest: tuple[Brief, ...]
    traces: tuple[Brief, ...]
    id_digits: int = LEAST_DIGITS

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON types, in the schema ``agentprof.aggregate/1``."""
        return {
            "schema": SCHEMA,
            "runs": self.runs,
            "span_count": self.spans,
            "failed_runs": self.failed_runs,
            "intervals": {"level": LEVEL, "method": METHOD},
            "duration_ns": _spread(self.duration),
            "critical_ns": {**self.by_role, "outside_spans": self.outside_ns, "total": self.total_ns},
            "tokens": _tokens(self.usage),
            "cost": {
                "total_usd": _plain(self.cost_usd),
                "per_run_usd": _spread(self.cost),
                "unknown_runs": self.unknown_costs,
                "dearest_runs": {"runs": self.dear_runs, "share_of_cost": self.dear_share},
                "unpriced_models": list(self.unpriced_models),
            },
            "by_run": [_group(group, self.total_ns) for group in self.by_run],
            "by_agent": [_group(group, self.total_ns) for group in self.by_agent],
            "by_operation": [_group(group, self.total_ns) for group in self.by_operation],
            "by_model": [_group(group, self.total_ns) for group in self.by_model],
            "findings": [_recurring(found) for found in self.findings],
            "data_quality": [asdict(note) for note in self.notes],
            "slowest": [_brief(trace) for trace in self.slowest],
            "dearest": [_brief(trace) for trace in self.dearest],
        }


def _group(group: Group, total_ns: int) -> dict[str, Any]:
    data = {
        "name": group.name,
        "role": group.role,
        "runs": group.runs,
        "calls": group.calls,
        "errors": group.errors,
        "latency_ns": _spread(group.latency),
        "critical_ns": group.critical_ns,
        "critical_share": group.critical_ns / total_ns if total_ns else None,
        "tokens": _tokens(group.usage),
        "cost_usd": _plain(group.cost_usd),
        "is_cost_whole": group.is_cost_whole,
    }
    return data | ({} if group.run_cost is None else {"cost_per_run_usd": _spread(group.run_cost)})


def _recurring(found: Recurring) -> dict[str, Any]:
    return {
        "rule": found.rule,
        "component": found.component,
        "title": found.title,
        "impact": found.impact,
        "runs": found.runs,
        "saving_ns": found.saving_ns,
        "saving_usd": _plain(found.saving_usd),
    }


def _brief(trace: Brief) -> dict[str, Any]:
    return {
        "trace_id": trace.trace_id,
        "root_name": trace.root_name,
        "duration_ns": trace.duration_ns,
        "cost_usd": _plain(trace.cost_usd),
        "is_cost_whole": trace.is_cost_whole,
    }


def _tokens(usage: TokenUsage) -> dict[str, int]:
    return {
        "input": usage.input,
        "output": usage.output,
        "cache_read": usage.cache_read,
        "cache_write": usage.cache_write,
        "reasoning": usage.reasoning,
    }


def _spread(spread: Spread[Any] | None) -> dict[str, Any] | None:
    if spread is None:
        return None
    percentiles = {
        name: {"value": _plain(found.value), "low": _plain(found.low), "high": _plain(found.high)}
        for name, found in (("p50", spread.p50), ("p95", spread.p95), ("p99", spread.p99))
    }
    return {"count": spread.count, **percentiles, "max": _plain(spread.highest)}


def _plain(amount: int | Decimal | None) -> int | float | None:
    return amount if amount is None or isinstance(amount, int) else round(float(amount), _DIGITS)
