"""From a tree of spans to the Report: every measurement of the analysis, put in one frozen place."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from otel_agentprof import pricing
from otel_agentprof.analysis.findings import findings
from otel_agentprof.analysis.operations import total_usage, total_usd
from otel_agentprof.analysis.outline import outline
from otel_agentprof.analysis.trace import measure
from otel_agentprof.config import Config
from otel_agentprof.model.collector import paused_collector
from otel_agentprof.model.cost import ZERO
from otel_agentprof.model.tokens import TokenUsage
from otel_agentprof.report.late import UNNAMED_MODEL, called_models
from otel_agentprof.report.quality import data_quality
from otel_agentprof.report.report import OperationUsage, Report

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.model.tree import SpanTree


def build(tree: SpanTree, config: Config | None = None, notes: Iterable[tuple[str, str]] = ()) -> Report:
    """Return the report of one trace; an empty tree gives an empty report.

    Args:
        tree: The trace.
        config: Thresholds of the findings; None means the defaults.
        notes: What the reader of the trace has to say about it, as (code, message).
    """
    with paused_collector():
        return _built(tree, config or Config(), notes)


def _built(tree: SpanTree, config: Config, notes: Iterable[tuple[str, str]]) -> Report:
    trace = measure(tree, pricing.total)
    models = called_models(trace.ledger)
    usage_by_model, cost_by_model, unpriced = _by_model(trace, models)
    usage = total_usage(usage_by_model.values()) or TokenUsage()  # none without a model
    cost_usd = trace.cost_usd
    root = tree.root_span
    return Report(
        trace_id=tree.trace_id,
        root_span_id=root.span_id if root else None,
        root_name=root.name if root else None,
        start_ns=tree.start_ns,
        duration_ns=tree.duration_ns,
        span_count=len(tree),
        usage=usage,
        usage_by_model=usage_by_model,
        by_operation=_by_operation(trace),
        cost_usd=ZERO if cost_usd is None and not usage.total else cost_usd,
        cost_by_model=cost_by_model,
        unpriced_models=unpriced,
        findings=findings(trace, config),
        data_quality=data_quality(trace, unpriced, notes),
        outline=outline(trace),
    )


def _by_model(
    trace: Trace, models: list[str | None]
) -> tuple[dict[str, TokenUsage], dict[str, Decimal], tuple[str, ...]]:
    usages: defaultdict[str, list[TokenUsage]] = defaultdict(list)
    paid: defaultdict[str, list[Decimal]] = defaultdict(list)
    unpriced: set[str] = set()
    for model, usage, cost in zip(models, trace.ledger.usage, trace.costs, strict=True):
        if usage is not None and model is not None:
            usages[model].append(usage)
            if cost is None and usage.total:
                unpriced.add(model)
        if cost is not None:
            paid[model or UNNAMED_MODEL].append(cost)
    return (
        {model: total_usage(several) or TokenUsage() for model, several in usages.items()},
        {model: sum(amounts, ZERO) for model, amounts in paid.items()},
        tuple(sorted(unpriced)),
    )


def _by_operation(trace: Trace) -> dict[str, OperationUsage]:
    """Return tokens and money of the operations that have any; a tool and a step may share a name."""
    found: dict[str, OperationUsage] = {}
    for operation in trace.operations:
        if operation.usage is None and operation.cost_usd is None:
            continue
        before = found.get(operation.name, OperationUsage(0, TokenUsage(), None))
        found[operation.name] = OperationUsage(
            count=before.count + len(operation.indices),
            usage=before.usage.plus(operation.usage or TokenUsage()),
            cost_usd=total_usd((before.cost_usd, operation.cost_usd)),
        )
    return found
