"""What a change would bring: the trace run again, with other durations or another order.

    tree  ->  barriers (forward)  ->  run again with the change (rerun)  ->  WhatIf

Changes are given together because savings do not add up: what one change uncovers, the next one shortens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from otel_agentprof.analysis.forward import forward
from otel_agentprof.analysis.rerun import Change, makespan_ns, rerun
from otel_agentprof.analysis.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from otel_agentprof.analysis.forward import Forward
    from otel_agentprof.model.counting import Ledger
    from otel_agentprof.model.tree import SpanTree

_CURVE: Final = (25, 50, 75, 100)
_TOP: Final = 5


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What a trace would be like after a change.

    Attributes:
        duration_ns: How long it took.
        makespan_ns: How long it would take.
        saved_ns: The difference; negative where it would take longer.
        top_spans: The spans with most own time on the critical path then, as (span id, ns); the id is None
            for time outside all spans.
        curve: How long it would take if the chosen spans were faster by so many per cent, as (percent, ns);
            empty where no spans were chosen. All else of the change included.
    """

    duration_ns: int
    makespan_ns: int
    saved_ns: int
    top_spans: tuple[tuple[str | None, int], ...]
    curve: tuple[tuple[int, int], ...] = ()


def what_if(  # noqa: PLR0913 - one keyword per kind of change
    tree: SpanTree,
    scale: Mapping[str, float] | None = None,
    *,
    by_name: Mapping[str, float] | None = None,
    by_role: Mapping[str, float] | None = None,
    by_model: Mapping[str, float] | None = None,
    by_tool: Mapping[str, float] | None = None,
    together: Iterable[Iterable[str]] = (),
    remove: Iterable[str] = (),
    concurrency: int | None = None,
    model: Forward | None = None,
    ledger: Ledger | None = None,
) -> WhatIf:
    """Return what a trace would be like if some of its spans were different.

    Args:
        tree: The trace.
        scale: By span id, what the own time of a span is multiplied by: 0.5 is twice as fast, 0 takes it
            away. Own time is what no child accounts for. Unknown ids, and background spans, change nothing.
        by_name: Likewise by the names of spans; a span that is meant several times is scaled by each.
        by_role: Likewise by role: ``llm``, ``tool``...
        by_model: Likewise by model, as in the report.
        by_tool: Likewise by the names of tools.
        together: Groups of span ids, siblings that are to start together.
        remove: Span ids whose calls are not to be made, with all that is below them.
        concurrency: How many calls may run at a time: model calls, tools and retrievals without further
            calls inside.
        model: The barriers of the tree, if they are known already.
        ledger: What each span is, if it is known already; asked for roles, models, tools and concurrency.

    Raises:
        ValueError: A factor is negative or not finite, a group is not of siblings, or ``concurrency`` < 1.
    """
    if concurrency is not None and concurrency < 1:
        raise ValueError(f"concurrency must be at least 1, not {concurrency}")
    model = forward(tree) if model is None else model
    selection = Selection(tree, model, ledger)
    selection.scale_ids(scale or {})
    selection.scale_names(by_name or {})
    selection.scale_roles(by_role or {})
    selection.scale_models(by_model or {})
    selection.scale_tools(by_tool or {})
    chosen = selection.factors
    removed = dict.fromkeys(selection.below(remove), 0.0)
    change = Change(
        factors={**chosen, **removed},
        follows=selection.follows(together),
        capacity=concurrency,
        capped=frozenset() if concurrency is None else selection.calls(),
    )
    curve = []
    for percent in _CURVE if chosen else ():
        faster = dict.fromkeys(chosen, 1 - percent / 100)
        curve.append((percent, makespan_ns(model, replace(change, factors={**faster, **removed}))))
    run = rerun(model, change)
    would_take_ns = run.ends[model.top] - run.starts[model.top]
    own = run.own_on_path(model.top).most_common(_TOP)
    ids = [*(span.span_id for span in tree.spans), None]
    return WhatIf(
        duration_ns=model.makespan_ns,
        makespan_ns=would_take_ns,
        saved_ns=model.makespan_ns - would_take_ns,
        top_spans=tuple((ids[index], ns) for index, ns in own),
        curve=tuple(curve),
    )
