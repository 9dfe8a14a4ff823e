"""What a change would bring: the trace run again, with other durations or another order.

    tree  ->  barriers (forward)  ->  run again with the change (rerun)  ->  WhatIf

Changes are given together because savings do not add up: what one change uncovers, the next one shortens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from otel_agentprof import pricing
from otel_agentprof.analysis.bill import saved_usd
from otel_agentprof.analysis.forward import forward
from otel_agentprof.analysis.rerun import Change, makespan_ns, rerun
from otel_agentprof.analysis.restructuring import Restructured, restructured
from otel_agentprof.analysis.selection import NOT_HERE, Selection
from otel_agentprof.analysis.trace import measure
from otel_agentprof.model.cost import ZERO

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from otel_agentprof.analysis.costs import Price
    from otel_agentprof.analysis.forward import Forward
    from otel_agentprof.analysis.other_models import Speeds
    from otel_agentprof.analysis.trace import Trace
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
        saved_usd: What it would cost less, in US dollars; None where the price of a call is not known that
            the change takes away or gives to another model. Faster calls save no money.
        is_estimate: Whether calls go to another model: then nobody knows what it would answer, and how fast.
        removed: The spans that would be gone, by id.
        replaced: The models that would be replaced, as the trace calls them, and by which.
        notes: What the figures rest on, one sentence per change that needs it.
    """

    duration_ns: int
    makespan_ns: int
    saved_ns: int
    top_spans: tuple[tuple[str | None, int], ...]
    curve: tuple[tuple[int, int], ...] = ()
    saved_usd: Decimal | None = ZERO
    is_estimate: bool = False
    removed: tuple[str, ...] = ()
    replaced: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


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
    parallel: bool = False,
    dedupe: bool = False,
    replace_models: Mapping[str, str] | None = None,
    speed_from: Speeds = (),
    price: Price = pricing.price,
    model: Forward | None = None,
    ledger: Ledger | None = None,
    trace: Trace | None = None,
) -> WhatIf:
    """Return what a trace would be like if some of its spans were different.

    Args:
        tree: The trace.
        scale: By span id, what the own time of a span is multiplied by: 0.5 is twice as fast, 0 takes it
            away. Own time is what no child accounts for. Unknown ids, and background spans, change nothing.
            It is about these spans alone, as drag is: all other changes to a call are made to all spans that
            show it.
        by_name: Likewise by the names of spans; a span that is meant several times is scaled by each.
        by_role: Likewise by role: ``llm``, ``tool``...
        by_model: Likewise by model, as in the report, or without its version.
        by_tool: Likewise by the names of tools.
        together: Groups of span ids, siblings that are to start together.
        remove: Span ids whose calls are not to be made, with all that is below them.
        concurrency: How many calls may run at a time: model calls, tools and retrievals without further
            calls inside.
        parallel: Start calls together that ran one after another without having to, where one answer of a
            model asked for all of them, or probably did.
        dedupe: Make calls with the same input once; spans tell that by their fingerprints.
        replace_models: Models, with or without their versions, and which to ask instead: an estimate, from
            the same tokens at the other model's price and speed.
        speed_from: Where the speed of a model is known from that this trace did not ask: one or several
            trees, or output tokens per second by model.
        price: What tokens cost.
        model: The barriers of the tree, if they are known already.
        ledger: What each span is, if it is known already; asked for roles, models, tools and concurrency.
        trace: All measurements of the tree, prices too, if they are known already.

    Raises:
        ValueError: A factor is negative or not finite, a speed not above 0, a group is not of siblings, or
            ``concurrency`` < 1.
    """
    if concurrency is not None and concurrency < 1:
        raise ValueError(f"concurrency must be at least 1, not {concurrency}")
    remove = frozenset(remove)
    if trace is None and (parallel or dedupe or replace_models or remove):
        trace = measure(tree, price)
    if trace is not None:
        model, ledger = model or trace.forward, ledger or trace.ledger
    model = forward(tree) if model is None else model
    other = Restructured()
    if trace is not None:
        other = restructured(
            trace,
            parallel=parallel,
            dedupe=dedupe,
            replace_models=replace_models or {},
            speed_from=speed_from,
        )
    selection = Selection(tree, model, ledger)
    selection.scale_ids(scale or {})
    selection.scale_names(by_name or {})
    selection.scale_roles(by_role or {})
    selection.scale_models(by_model or {})
    selection.scale_tools(by_tool or {})
    is_unheard = bool(scale or by_name or by_role or by_model or by_tool) and not selection.factors
    selection.scale_models(other.factors)
    removed = selection.below((*remove, *other.again))
    change = Change(
        factors={**selection.factors, **dict.fromkeys(removed, 0.0)},
        follows={**other.follows, **selection.follows(together)},
        capacity=concurrency,
        capped=frozenset() if concurrency is None else selection.calls(),
    )
    return replace(
        _run(tree, model, change, [index for index in selection.factors if index not in removed]),
        saved_usd=ZERO if trace is None else saved_usd(trace, removed, other.models),
        is_estimate=other.is_estimate,
        removed=tuple(tree.spans[index].span_id for index in sorted(removed)),
        replaced=tuple(other.models.items()),
        notes=(NOT_HERE, *other.notes) if is_unheard else other.notes,
    )


def _run(tree: SpanTree, model: Forward, change: Change, chosen: Sequence[int]) -> WhatIf:
    curve = []
    for percent in _CURVE if chosen else ():
        faster = dict.fromkeys(chosen, 1 - percent / 100)
        curve.append((percent, makespan_ns(model, replace(change, factors={**change.factors, **faster}))))
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
