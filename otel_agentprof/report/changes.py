"""Changes to a trace, each by itself and all together: how long it would take, and what it would cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import pricing
from otel_agentprof.analysis.forward import forward
from otel_agentprof.analysis.operations import total_usd
from otel_agentprof.analysis.selection import Selection
from otel_agentprof.analysis.sequential import sequential_groups
from otel_agentprof.analysis.whatif import what_if
from otel_agentprof.model.counting.calls import family
from otel_agentprof.report import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.analysis.whatif import WhatIf

_NOT_HERE: Final = "nothing in this trace goes by that name"


@dataclass(frozen=True, slots=True)
class Planned:
    """A change that somebody considers.

    Attributes:
        label: As people call it.
        arguments: For ``what_if``: ``by_tool``, ``together``, ``concurrency``...
        models: Models to be replaced, and by which.
        note: What the figures rest on; empty where they need no explanation.
    """

    label: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a change would bring; ``cost_usd`` is None where a price is not known."""

    label: str
    time: WhatIf
    cost_usd: Decimal | None
    note: str = ""


def outcomes(trace: Trace, planned: Sequence[Planned]) -> tuple[Outcome, ...]:
    """Return what each change would bring by itself, and as the last one what all of them would together.

    Raises:
        ValueError: A change makes no sense, see ``what_if``.
    """
    model = forward(trace.tree)
    found = []
    for change in (*planned, _together(planned)):
        time = what_if(trace.tree, model=model, **change.arguments)
        removed = Selection(trace.tree, model).below(change.arguments.get("remove", ()))
        is_scaled = any(isinstance(value, Mapping) for value in change.arguments.values())
        note = _NOT_HERE if is_scaled and not time.curve and not change.note else change.note
        found.append(Outcome(change.label, time, _cost(trace, removed, change.models), note))
    return tuple(found)


def cost_now(trace: Trace) -> Decimal | None:
    """Return what the trace cost; None where a price is not known."""
    return _cost(trace, set(), {})


def side_by_side(trace: Trace) -> Planned:
    """Return the change that starts calls together that ran one after another without having to."""
    groups = [group for group in sequential_groups(trace, at_least=2) if group.confidence != "possible"]
    spans = trace.tree.spans
    count = sum(len(group.indices) for group in groups)
    return Planned(
        "run independent calls together",
        {"together": [[spans[index].span_id for index in group.indices] for group in groups]},
        note=f"{text.plural(count, 'call')} in {text.plural(len(groups), 'group')}"
        if groups
        else "no calls that are known to be independent",
    )


def without_repeats(trace: Trace) -> Planned:
    """Return the change that makes every call with the same input only once."""
    spans = trace.tree.spans
    repeats = [spans[index].span_id for repetition in trace.repetitions for index in repetition.again]
    note = text.plural(len(repeats), "call") if repeats else "no call was made twice with the same input"
    if not trace.fingerprints:
        note = "no call tells its input: nothing is known to be repeated"
    return Planned("make each call once", {"remove": repeats}, note=note)


def with_full_names(trace: Trace, planned: Planned) -> Planned:
    """Return the same change with its models as the trace calls them: people leave their versions out."""
    if "by_model" not in planned.arguments:
        return planned
    scaled = planned.arguments["by_model"].items()
    full = {model: factor for name, factor in scaled for model in _called(trace, name)}
    return replace(planned, arguments={**planned.arguments, "by_model": full})


def replaced_model(
    trace: Trace, before: str, after: str, speeds: Mapping[str, float] | None = None
) -> Planned:
    """Return the change that asks another model.

    Args:
        trace: The trace; how fast the models are it tells, or nobody.
        before: The model that was asked.
        after: The model to ask.
        speeds: Output tokens per second of models elsewhere, for those that are not in this trace.
    """
    here = tokens_per_second([trace])
    known = {**(speeds or {}), **here}
    label = f"model {before} -> {after}"
    asked = _called(trace, before)
    if not asked:
        return Planned(label, note=_NOT_HERE)
    models = dict.fromkeys(asked, after)
    factors = {model: here[model] / known[after] for model in asked if model in here and after in known}
    if not factors:
        return Planned(label, models=models, note="estimate: price only, its speed is not known here")
    old, new = here[next(iter(factors))], known[after]
    where = "this trace" if after in here else "the trace given"
    return Planned(
        label,
        {"by_model": factors},
        models,
        f"estimate: {new:.0f} instead of {old:.0f} output tokens/s, as in {where}, same tokens",
    )


def _called(trace: Trace, model: str) -> tuple[str, ...]:
    """Return the models of a trace that a name means: that very one, else those it is short for."""
    models = dict.fromkeys(filter(None, trace.ledger.models))
    return (model,) if model in models else tuple([one for one in models if family(one) == family(model)])


def tokens_per_second(traces: Iterable[Trace]) -> dict[str, float]:
    """Return how many output tokens per second each model wrote, over whole calls."""
    tokens: Counter[str] = Counter()
    time_ns: Counter[str] = Counter()
    for trace in traces:
        for index, usage in enumerate(trace.ledger.usage):
            model = trace.ledger.models[index]
            if usage is not None and model is not None and usage.output:
                tokens[model] += usage.output
                time_ns[model] += trace.times.total[index]
    return {model: count * 1e9 / time_ns[model] for model, count in tokens.items() if time_ns[model]}


def _together(planned: Sequence[Planned]) -> Planned:
    arguments: dict[str, Any] = {}
    models: dict[str, str] = {}
    for change in planned:
        models.update(change.models)
        for name, value in change.arguments.items():
            if isinstance(value, Mapping):
                known = arguments.setdefault(name, {})
                for key, factor in value.items():
                    known[key] = known.get(key, 1.0) * factor
            else:
                arguments[name] = value
    return Planned("all together", arguments, models, "computed as one: savings do not add up")


def _cost(trace: Trace, removed: set[int], models: Mapping[str, str]) -> Decimal | None:
    amounts: list[Decimal | None] = []
    for index, (usd, usage) in enumerate(zip(trace.costs, trace.ledger.usage, strict=True)):
        if index in removed:
            continue
        model = models.get(trace.ledger.models[index] or "")
        if usage is None or model is None:
            amounts.append(usd)
            if usage is not None and usd is None and usage.total:
                return None
            continue
        cost = pricing.price(usage, model)
        if cost is None:
            return None
        amounts.append(cost.total)
    return total_usd(amounts) or Decimal(0)
