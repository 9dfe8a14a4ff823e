"""Asking another model: which calls are meant, how fast it writes, and what that rests on.

    speed now     output tokens per second over whole calls, observed in this trace
    speed then    the same of the other model, in this trace or in traces that are given

The same tokens are written, and priced with the other model: what it really would answer nobody knows, so
all of it is an estimate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof.analysis.bill import calls_of, usd_if_asked
from otel_agentprof.analysis.model_names import called
from otel_agentprof.analysis.selection import NOT_HERE
from otel_agentprof.analysis.trace import measure
from otel_agentprof.model.tree import SpanTree

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_agentprof.analysis.costs import Price
    from otel_agentprof.analysis.trace import Trace

    Speeds = Mapping[str, float] | SpanTree | Iterable[SpanTree]

_NS_PER_S: Final = 1_000_000_000


class Replaced(NamedTuple):
    """Models that are replaced.

    Attributes:
        models: Models as the trace calls them, and by which they are replaced.
        factors: What the time of the calls of each is multiplied by, where both speeds are known.
        is_estimate: Whether they have calls.
        notes: What that rests on, one for each replacement.
    """

    models: Mapping[str, str]
    factors: Mapping[str, float]
    is_estimate: bool = False
    notes: tuple[str, ...] = ()


def replaced(trace: Trace, replacements: Mapping[str, str], speed_from: Speeds) -> Replaced:
    """Return what becomes of the models of a trace.

    Args:
        trace: The trace.
        replacements: Models that were asked, with or without their versions, and the ones to ask.
        speed_from: See :func:`speeds_of`; how fast a model is in this trace goes before it.

    Raises:
        ValueError: A speed is not a positive number.
    """
    models: dict[str, str] = {}
    factors: dict[str, float] = {}
    notes = []
    if not replacements:
        return Replaced(models, factors)
    here, elsewhere = tokens_per_second([trace]), speeds_of(speed_from, trace.price)
    for before, after in replacements.items():
        asked = called(trace.ledger.models, before)
        is_here = bool(called(here, after))
        speed = _speed(after, here if is_here else elsewhere)
        timed = [model for model in asked if model in here]
        models.update(dict.fromkeys(asked, after))
        told = ""
        if timed and speed is not None:
            factors.update({model: here[model] / speed for model in timed})
            where = "this trace" if is_here else "the trace given"
            told = f"{speed:.0f} instead of {here[timed[0]]:.0f} output tokens/s, as in {where}"
        notes.append(_note(trace, asked, after, told))
    return Replaced(models, factors, any(note != NOT_HERE for note in notes), tuple(notes))


def speeds_of(speed_from: Speeds, price: Price) -> Mapping[str, float]:
    """Return output tokens per second by model: as given, or as one or several trees tell.

    Raises:
        ValueError: A speed is not a positive number.
    """
    if not isinstance(speed_from, Mapping):
        trees = [speed_from] if isinstance(speed_from, SpanTree) else speed_from
        return tokens_per_second(measure(tree, price) for tree in trees)
    for model, speed in speed_from.items():
        if not isfinite(speed) or speed <= 0:
            raise ValueError(f"tokens per second must be a number above 0, not {speed!r} for {model!r}")
    return speed_from


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
    return {model: count * _NS_PER_S / time_ns[model] for model, count in tokens.items() if time_ns[model]}


def _speed(model: str, speeds: Mapping[str, float]) -> float | None:
    return next((speeds[name] for name in called(speeds, model)), None)


def _note(trace: Trace, asked: tuple[str, ...], after: str, speeds: str) -> str:
    calls = calls_of(trace, dict.fromkeys(asked, after))
    if not calls:
        return NOT_HERE
    is_priced = all(usd_if_asked(trace, index, after) is not None for index in calls)
    if speeds:
        return f"estimate: {speeds}, same tokens{'' if is_priced else '; what they cost is not known'}"
    if is_priced:
        return "estimate: price only, its speed is not known here"
    return "estimate: neither its price nor its speed is known here"
