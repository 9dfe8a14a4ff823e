"""Changes to a trace, each by itself and all together: how long it would take, and what it would cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.analysis.bill import cost_usd
from otel_agentprof.analysis.selection import NOT_HERE, Selection
from otel_agentprof.analysis.whatif import what_if
from otel_agentprof.report import text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from otel_agentprof.analysis.selection import Kind
    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.analysis.whatif import WhatIf

_FACTORS: Final[Mapping[str, Kind]] = {
    "scale": "span",
    "by_name": "name",
    "by_role": "role",
    "by_model": "model",
    "by_tool": "tool",
}
_CHOOSING: Final[Mapping[str, Kind]] = {**_FACTORS, "replace_models": "model"}
_MOST_NAMES: Final = 8


@dataclass(frozen=True, slots=True)
class Planned:
    """A change that somebody considers.

    Attributes:
        label: As people call it.
        arguments: For ``what_if``: ``by_tool``, ``dedupe``, ``concurrency``...
    """

    label: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a change would bring.

    Attributes:
        label: The change, as people call it.
        then: What the trace would be like.
        cost_usd: What it would cost; None where the price of any of its tokens is not known.
        note: What the figures rest on; empty where they need no explanation.
    """

    label: str
    then: WhatIf
    cost_usd: Decimal | None
    note: str = ""


def outcomes(trace: Trace, planned: Sequence[Planned]) -> tuple[Outcome, ...]:
    """Return what each change would bring by itself, and as the last one what all of them would together.

    Raises:
        ValueError: A change makes no sense, see ``what_if``.
    """
    found = []
    for change in planned:
        then = what_if(trace.tree, trace=trace, **change.arguments)
        found.append(Outcome(change.label, then, _cost(trace, then), "; ".join(then.notes)))
    then = what_if(trace.tree, trace=trace, **_together(planned))
    note = "computed as one: savings do not add up"
    return (*found, Outcome("all together", then, _cost(trace, then), note))


def unheard(trace: Trace, planned: Sequence[Planned], found: Sequence[Outcome]) -> str:
    """Return what the trace has instead, where all changes are of something that it has not; else "".

    Args:
        trace: The trace.
        planned: The changes.
        found: What they would bring.
    """
    kinds: dict[Kind, None] = {}
    for change, outcome in zip(planned, found, strict=False):
        chosen_by = [_CHOOSING[name] for name in change.arguments if name in _CHOOSING]
        if not chosen_by or NOT_HERE not in outcome.then.notes:
            return ""
        kinds.update(dict.fromkeys(chosen_by))
    selection = Selection(trace.tree, trace.forward, trace.ledger)
    return "; ".join(_present(kind, selection.names(kind)) for kind in kinds)


def _present(kind: Kind, names: Sequence[str | None]) -> str:
    known = list(dict.fromkeys(text.clean(name) for name in names if name))
    if not known:
        return f"it has no {kind}"
    more = f" and {len(known) - _MOST_NAMES:,} more" if len(known) > _MOST_NAMES else ""
    return f"its {kind}s are {', '.join(known[:_MOST_NAMES])}{more}"


def _cost(trace: Trace, then: WhatIf) -> Decimal | None:
    gone = set(then.removed)
    removed = {index for index, span in enumerate(trace.tree.spans) if span.span_id in gone}
    return cost_usd(trace, removed, dict(then.replaced))


def _together(planned: Sequence[Planned]) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for change in planned:
        for name, value in change.arguments.items():
            if name in _FACTORS:
                known = arguments.setdefault(name, {})
                known.update({key: known.get(key, 1.0) * factor for key, factor in value.items()})
            elif name == "replace_models":
                arguments.setdefault(name, {}).update(value)
            else:
                arguments[name] = value
    return arguments
