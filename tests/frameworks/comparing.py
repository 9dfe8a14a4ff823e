"""What a report counted beside what the server served."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import otel_agentprof as ap
from otel_agentprof import pricing
from otel_agentprof.model import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from frameworks.payloads import Served
    from frameworks.runs import But, Run

_PRICE_WAIT_S = 60
_VENDORS = {"completions": "openai", "responses": "openai", "messages": "anthropic"}


class Figures(NamedTuple):
    """Calls and tokens, all added up; ``models`` has (model, calls, input, output)."""

    calls: int
    tools: int
    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int
    usd: Decimal
    models: tuple[tuple[str, int, int, int], ...]


def told(served: Sequence[Served], run: Run) -> list[Served]:
    """Return the calls as the spans of a run can tell them."""
    calls = list(served)
    for but in run.but:
        if but.what == "call":
            calls = [call for call in calls if call.number not in but.calls]
            continue
        if but.what == "double":
            calls += [replace(call, tools=()) for call in calls]
            continue
        calls = [_as_told(call, but) for call in calls]
    return calls if run.has_tool_spans else [replace(call, tools=()) for call in calls]


def _as_told(call: Served, but: But) -> Served:
    if but.calls and call.number not in but.calls:
        return call
    change: dict[str, Any] = {but.what: 0 if but.by is None else getattr(call, but.what) + but.by}
    return replace(call, **change)


def expected(served: Sequence[Served], run: Run) -> Figures:
    """Return the sums that a report of a run must have."""
    figures = figures_of(told(served, run))
    return figures._replace(usd=figures_of(served).usd) if run.names_cost else figures


def figures_of(calls: Sequence[Served]) -> Figures:
    """Return the sums of what was served, at the price of the table."""
    models = sorted({call.model for call in calls})
    return Figures(
        calls=len(calls),
        tools=sum(len(call.tools) for call in calls),
        input=sum(call.input for call in calls),
        output=sum(call.output for call in calls),
        cache_read=sum(call.cache_read for call in calls),
        cache_write=sum(call.cache_write for call in calls),
        reasoning=sum(call.reasoning for call in calls),
        usd=_rounded(sum(map(_usd, calls), Decimal(0))),
        models=tuple(_model_row(model, calls) for model in models),
    )


def _model_row(model: str, calls: Iterable[Served]) -> tuple[str, int, int, int]:
    own = [call for call in calls if call.model == model]
    return model, len(own), sum(call.input for call in own), sum(call.output for call in own)


def _usd(call: Served) -> Decimal:
    pricing.load_in_background()
    pricing.wait(_PRICE_WAIT_S)
    usage = TokenUsage(call.input, call.output, call.cache_read, call.cache_write, call.reasoning)
    cost = pricing.price(usage, call.model, provider=_VENDORS[call.api])
    assert cost is not None
    return cost.total


def counted(trace: Path) -> Figures:
    """Return the sums of the reports of all traces in a file."""
    reports = [ap.analyze(tree) for tree in ap.read(str(trace))]
    usage = TokenUsage()
    models: dict[str, tuple[int, int, int]] = {}
    for report in reports:
        usage = usage.plus(report.usage)
        for model, used in report.usage_by_model.items():
            calls, taken, made = models.get(model, (0, 0, 0))
            more = report.by_model[model].count
            models[model] = calls + more, taken + used.input, made + used.output
    return Figures(
        calls=sum(report.by_role["llm"].count for report in reports if "llm" in report.by_role),
        tools=sum(report.by_role["tool"].count for report in reports if "tool" in report.by_role),
        input=usage.input,
        output=usage.output,
        cache_read=usage.cache_read,
        cache_write=usage.cache_write,
        reasoning=usage.reasoning,
        usd=_rounded(sum((report.cost_usd or Decimal(0) for report in reports), Decimal(0))),
        models=tuple((model, *models[model]) for model in sorted(models)),
    )


def _rounded(usd: Decimal) -> Decimal:
    return usd.quantize(Decimal("1e-9"))  # some frameworks name the money as a float
