"""One trace with everything that was measured in it: what findings are looked for in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from otel_agentprof.analysis.costs import charges
from otel_agentprof.analysis.critical_path import path_owners
from otel_agentprof.analysis.operations import operations
from otel_agentprof.analysis.statistics import times
from otel_agentprof.analysis.windows import windows
from otel_agentprof.model.counting import count

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from decimal import Decimal

    from otel_agentprof.analysis.costs import Dispute, Price
    from otel_agentprof.analysis.operations import Operation
    from otel_agentprof.analysis.statistics import Times
    from otel_agentprof.model.counting import Ledger
    from otel_agentprof.model.tree import SpanTree


class Stretch(NamedTuple):
    """A piece of the critical path, by the index of the span that held the trace up; -1: the virtual root."""

    owner: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Trace:
    """The measurements of one trace; whatever is per span is indexed like ``tree.spans``.

    Attributes:
        ledger: What each span is, and its tokens if they count.
        costs: US dollars per span; None for no call, and for an unknown price.
        path: The critical path, in time order.
        background: Spans that nobody waited for.
        hoisted: Spans that outlive their parent and are waited for further up.
        times: Total, own and critical time of each span.
        operations: Calls of the same kind added up.
        disputes: Sums of money that a run names beside the cost of its calls.
    """

    tree: SpanTree
    ledger: Ledger
    costs: tuple[Decimal | None, ...]
    path: tuple[Stretch, ...]
    background: AbstractSet[int]
    hoisted: AbstractSet[int]
    times: Times
    operations: tuple[Operation, ...]
    disputes: tuple[Dispute, ...] = ()


def measure(tree: SpanTree, price: Price) -> Trace:
    """Return the measurements of one trace.

    Args:
        tree: The trace.
        price: What tokens cost, such as ``otel_agentprof.pricing.price``.
    """
    ledger = count(tree)
    paid, disputes = charges(tree, ledger, price)
    waiting = windows(tree)
    owners, cuts = path_owners(tree, waiting)
    path = tuple(map(Stretch, owners, cuts, cuts[1:]))
    return Trace(
        tree=tree,
        ledger=ledger,
        costs=paid,
        path=path,
        background=waiting.background,
        hoisted=waiting.hoisted,
        times=times(tree, path),
        operations=operations(tree, ledger, paid),
        disputes=disputes,
    )
