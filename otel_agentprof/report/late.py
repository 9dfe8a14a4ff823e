"""The parts of a report that are drawn when they are first asked for: path steps, tables, waterfall.

Who asks a report for its findings only, as a running program does, waits for nothing else.
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof import semconv
from otel_agentprof.analysis.statistics import statistics_by

if TYPE_CHECKING:
    from otel_agentprof.analysis.outline import Outline
    from otel_agentprof.analysis.statistics import Statistics
    from otel_agentprof.model.counting import Ledger
    from otel_agentprof.semconv import Role

UNNAMED_MODEL: Final = "unknown"  # stands for tokens whose span names no model, so that sums stay whole


class PathStep(NamedTuple):
    """A stretch of the critical path; no span id and no name where the root waited outside all spans."""

    span_id: str | None
    name: str | None
    role: Role
    start_ns: int
    end_ns: int


def path_steps(trace: Outline) -> tuple[PathStep, ...]:
    """Return the critical path with the names of its spans."""
    span_ids, names, roles = trace.span_ids, trace.names, trace.roles
    columns = [
        (span_ids[owner], names[owner], roles[owner], start_ns, end_ns)
        if owner >= 0
        else (None, None, "other", start_ns, end_ns)
        for owner, start_ns, end_ns in trace.path
    ]
    # tuple.__new__ is what PathStep() comes down to, without a Python frame per step.
    return tuple(map(tuple.__new__, repeat(PathStep), columns))


def by_name(trace: Outline) -> dict[str, Statistics]:
    """Return the figures per span name."""
    return statistics_by(trace.names, trace.ledger, trace.times)


def by_model(trace: Outline) -> dict[str, Statistics]:
    """Return the figures per model."""
    return statistics_by(called_models(trace.ledger), trace.ledger, trace.times)


def called_models(ledger: Ledger) -> list[str | None]:
    """Return the model behind each span that is a model call; agents name models too and call none."""
    rows = zip(ledger.models, ledger.usage, ledger.roles, strict=True)
    models = [
        (model if role in semconv.LEAF_ROLES else None) if usage is None else model or UNNAMED_MODEL
        for model, usage, role in rows
    ]
    for index, call in ledger.shown_again.items():
        if ledger.usage[index] is None:
            models[index] = models[call]  # one may know the version, the other not
    return models
