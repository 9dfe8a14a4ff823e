"""Changes to what a trace does rather than to how fast it does it: together, once, by another model."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from otel_agentprof.analysis.other_models import replaced
from otel_agentprof.analysis.saving import starting_together
from otel_agentprof.analysis.sequential import sequential_groups
from otel_agentprof.analysis.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.analysis.other_models import Speeds
    from otel_agentprof.analysis.trace import Trace


class Restructured(NamedTuple):
    """What is different.

    Attributes:
        follows: Calls that start together, by index: each with the sibling that starts just before it.
        again: The calls that are not made, since an equal one was made before.
        models: Models that are replaced, as the trace calls them, and by which.
        factors: What the time of their calls is multiplied by.
        is_estimate: Whether there are such calls.
        notes: What all that rests on, one sentence per change.
    """

    follows: Mapping[int, int] = {}
    again: tuple[str, ...] = ()
    models: Mapping[str, str] = {}
    factors: Mapping[str, float] = {}
    is_estimate: bool = False
    notes: tuple[str, ...] = ()


def restructured(
    trace: Trace, *, parallel: bool, dedupe: bool, replace_models: Mapping[str, str], speed_from: Speeds
) -> Restructured:
    """Return what some changes come to; arguments as for ``what_if``.

    Raises:
        ValueError: A speed is not a positive number.
    """
    swap = replaced(trace, replace_models, speed_from)
    follows: Mapping[int, int] = {}
    again: tuple[str, ...] = ()
    notes = list(swap.notes)
    if parallel:
        follows, note = _side_by_side(trace)
        notes.append(note)
    if dedupe:
        again, note = _made_again(trace)
        notes.append(note)
    return Restructured(follows, again, swap.models, swap.factors, swap.is_estimate, tuple(notes))


def _side_by_side(trace: Trace) -> tuple[Mapping[int, int], str]:
    """Return the calls that ran one after another without having to, as far as that is proven or likely."""
    groups = [group for group in sequential_groups(trace, at_least=2) if group.confidence != "possible"]
    if not groups:
        return {}, "no calls that are known to be independent"
    count = sum(len(group.indices) for group in groups)
    follows = starting_together(trace, [group.indices for group in groups])
    return follows, f"{counted(count, 'call')} in {counted(len(groups), 'group')}"


def _made_again(trace: Trace) -> tuple[tuple[str, ...], str]:
    """Return the calls that a trace could do without, since they were made before with the same input."""
    if not trace.fingerprints:
        return (), "no call tells its input: nothing is known to be repeated"
    again = trace.ids([index for repetition in trace.repetitions for index in repetition.again])
    return again, counted(len(again), "call") if again else "no call was made twice with the same input"
