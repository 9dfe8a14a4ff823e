"""What a trace would cost after a change: calls that are not made, calls of another model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_agentprof.analysis.operations import total_usd
from otel_agentprof.analysis.saving import usd_with
from otel_agentprof.model import dialects
from otel_agentprof.model.cost import ZERO

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet
    from decimal import Decimal

    from otel_agentprof.analysis.trace import Trace

_NOTHING: frozenset[int] = frozenset()


def cost_usd(
    trace: Trace, removed: AbstractSet[int] = _NOTHING, models: Mapping[str, str] | None = None
) -> Decimal | None:
    """Return what a trace would cost; None where the price of any of its tokens is not known.

    Args:
        trace: The trace.
        removed: Calls that are not made, by index.
        models: Models to be replaced, as the trace calls them, and by which.
    """
    kept = [index for index in range(len(trace.costs)) if index not in removed]
    return _total(_amount(trace, index, models or {}) for index in kept)


def saved_usd(trace: Trace, removed: AbstractSet[int], models: Mapping[str, str]) -> Decimal | None:
    """Return what a change saves in US dollars; None where the price of a call that it changes is not known.

    The calls that stay as they are may have any price: nothing is saved there. Arguments as for
    :func:`cost_usd`.
    """
    swapped = [index for index in calls_of(trace, models) if index not in removed]
    if any(_tells_no_tokens(trace, index) for index in (*removed, *swapped)):
        return None
    before = _total(_amount(trace, index, {}) for index in (*sorted(removed), *swapped))
    after = _total(_amount(trace, index, models) for index in swapped)
    return None if before is None or after is None else before - after


def calls_of(trace: Trace, models: Mapping[str, str]) -> list[int]:
    """Return the calls of some models; agents name models too, and are none."""
    rows = enumerate(zip(trace.ledger.models, trace.ledger.usage, strict=True))
    return [
        index
        for index, (model, usage) in rows
        if model in models and (usage is not None or _tells_no_tokens(trace, index))
    ]


def usd_if_asked(trace: Trace, index: int, model: str) -> Decimal | None:
    """Return what the tokens of a call cost with another model: at the same seller, else wherever it is sold.

    None where no price is known.
    """
    usage = trace.ledger.usage[index]
    if usage is None:
        return None
    cost = usd_with(trace, index, usage, model)
    if cost is not None:
        return cost
    elsewhere = trace.price(usage, model, at_ns=trace.tree.starts[index])
    return None if elsewhere is None else elsewhere.total


def _total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    known = list(amounts)
    return None if None in known else total_usd(known) or ZERO


def _amount(trace: Trace, index: int, models: Mapping[str, str]) -> Decimal | None:
    usage, usd = trace.ledger.usage[index], trace.costs[index]
    if usage is None:
        return usd or ZERO
    model = models.get(trace.ledger.models[index] or "")
    if model is not None:
        return usd_if_asked(trace, index, model)
    return ZERO if usd is None and not usage.total else usd


def _tells_no_tokens(trace: Trace, index: int) -> bool:
    """Return whether a model answered and nobody says what that took; a failed call was not billed."""
    ledger, span = trace.ledger, trace.tree.spans[index]
    is_answer = ledger.roles[index] == "llm" and ledger.counted[index] and span.status != "ERROR"
    is_known = ledger.usage[index] is not None or trace.costs[index] is not None
    return is_answer and not is_known and not dialects.is_cache_hit(span)
