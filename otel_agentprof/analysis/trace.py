"""One trace with everything that was measured in it: what findings are looked for in."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof import semconv
from otel_agentprof.analysis.costs import charges, priced
from otel_agentprof.analysis.critical_path import path_owners
from otel_agentprof.analysis.doubles import NO_DOUBLES, Doubles, completed, doubles, path_once, timed_once
from otel_agentprof.analysis.failures import failures
from otel_agentprof.analysis.forward import forward
from otel_agentprof.analysis.iterations import iterations
from otel_agentprof.analysis.model_calls import ModelCall, model_calls
from otel_agentprof.analysis.operations import operations, total_usd
from otel_agentprof.analysis.repeats import repetitions, requests
from otel_agentprof.analysis.sequential import Neighbours, neighbours
from otel_agentprof.analysis.skew import early_spans
from otel_agentprof.analysis.statistics import times
from otel_agentprof.analysis.transport import as_their_calls, given_to_calls, transports
from otel_agentprof.analysis.turns import Turns
from otel_agentprof.analysis.windows import windows
from otel_agentprof.model.counting import count
from otel_agentprof.model.dialects import Chain, written_chain_of
from otel_agentprof.model.lazy import lazy
from otel_agentprof.model.quick_init import quick_init

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from decimal import Decimal

    from otel_agentprof.analysis.costs import Dispute, Price
    from otel_agentprof.analysis.failures import Failure
    from otel_agentprof.analysis.forward import Forward
    from otel_agentprof.analysis.operations import Operation
    from otel_agentprof.analysis.repeats import Repetition, Requests
    from otel_agentprof.analysis.statistics import Times
    from otel_agentprof.analysis.windows import Windows
    from otel_agentprof.model.counting import Ledger
    from otel_agentprof.model.tree import SpanTree
    from otel_agentprof.semconv import Role

_NO_CHAIN: Final = Chain()
_NOT_EARLY: Final[Mapping[int, int]] = {}


class Stretch(NamedTuple):
    """A piece of the critical path, by the index of the span that held the trace up; -1: the virtual root."""

    owner: int
    start_ns: int
    end_ns: int


@quick_init
@dataclass(frozen=True, eq=False)
class Trace:
    """The measurements of one trace; whatever is per span is indexed like ``tree.spans``.

    Attributes:
        price: What tokens cost.
        ledger: What each span is, and its tokens if they count.
        costs: US dollars per span; None for no call, and for an unknown price.
        view: Who waits for whom, and when.
        forward: The barriers, for what-if; the path is read from them too.
        path: The critical path, in time order.
        times: Total, own and critical time of each span; what travels for a model call counts as the call's.
        operations: Calls of the same kind added up.
        disputes: Sums of money that a run names beside the cost of its calls.
        parts: The model call that each span belongs to which is only how a call travels.
        doubles: The spans that show calls again.
    """

    tree: SpanTree
    price: Price
    ledger: Ledger
    costs: tuple[Decimal | None, ...]
    view: Windows
    forward: Forward
    path: tuple[Stretch, ...]
    times: Times
    operations: tuple[Operation, ...]
    disputes: tuple[Dispute, ...] = ()
    parts: Mapping[int, int] = field(default_factory=dict)
    doubles: Doubles = NO_DOUBLES

    @lazy
    def roles(self) -> Sequence[Role]:
        """What each span counts as: a transport as the call it belongs to."""
        return as_their_calls(self.ledger.roles, self.parts)

    @lazy
    def background(self) -> AbstractSet[int]:
        """Spans that nobody waited for."""
        return self.view.background

    @lazy
    def hoisted(self) -> AbstractSet[int]:
        """Spans that outlive their parent and are waited for further up."""
        return self.view.hoisted

    @lazy
    def early(self) -> Mapping[int, int]:
        """By how many ns spans start before their parent: times around them are uncertain."""
        if self.view.starts is self.tree.starts:  # every span lies inside its parent, as nearly always
            return _NOT_EARLY
        return early_spans(self.tree)

    @lazy
    def failed(self) -> AbstractSet[int]:
        """Spans that say that they failed."""
        statuses = [span.status for span in self.tree.spans]
        if "ERROR" not in statuses:  # as nearly always
            return frozenset()
        return frozenset([index for index, status in enumerate(statuses) if status == "ERROR"])

    @lazy
    def cost_usd(self) -> Decimal | None:
        """What all calls cost whose price is known; None where none is."""
        return total_usd(self.costs)

    @lazy
    def cut_short(self) -> tuple[int, ...]:
        """Spans that say that their answer was not read to the end."""
        rows = enumerate(self.tree.spans)
        return tuple([i for i, span in rows if span.attributes.get(semconv.STREAM_COMPLETE) is False])

    def cost_by_tokens(self, index: int) -> Decimal | None:
        """Return what the tokens of a call cost by the price table, whatever its span says."""
        ledger, usage = self.ledger, self.ledger.usage[index]
        if ledger.costs_reported[index] is None and not ledger.run_costs:
            return self.costs[index]  # was computed so
        known = self._table_costs
        if index not in known:
            known[index] = None if usage is None else priced(self.tree, ledger, index, usage, self.price)
        return known[index]

    @lazy
    def _table_costs(self) -> dict[int, Decimal | None]:
        """What :meth:`cost_by_tokens` has worked out: several rules ask for it."""
        return {}

    @lazy
    def turns(self) -> Turns:
        """Which model call asked for which tool calls."""
        return Turns.of(self.tree, self.llm_calls)

    @lazy
    def iterations(self) -> Mapping[int, tuple[int, ...]]:
        """The model calls directly under each agent, by start."""
        return iterations(self.tree, self.ledger.roles, self.llm_calls)

    @lazy
    def requests(self) -> Requests:
        """What each call asks for; for its chain ask :meth:`chain_of`."""
        return requests(self.tree, self.ledger)

    @property
    def fingerprints(self) -> Mapping[int, str]:
        """What is equal for calls that ask for the same, by index, where it is known."""
        return self.requests.fingerprints

    @lazy
    def asks_again(self) -> bool:
        """Whether any two calls ask for the same; as nearly always, none do."""
        asked = self.fingerprints
        return len(set(asked.values())) < len(asked)

    def chain_of(self, index: int) -> Chain:
        """Return the first parts of a prompt, see ``Request.chain``; nothing where they are not known."""
        if index in self.requests.written:
            return written_chain_of(self.tree.spans[index])
        return self.requests.chains.get(index, _NO_CHAIN)

    @lazy
    def repetitions(self) -> tuple[Repetition, ...]:
        """The calls that were made more than once with the same input."""
        return repetitions(self)

    @lazy
    def failures(self) -> tuple[Failure, ...]:
        """The failed calls, each failure once."""
        return failures(self)

    @lazy
    def neighbours(self) -> tuple[Neighbours, ...]:
        """The calls of one kind that follow each other, or overlap, under one parent."""
        return tuple(neighbours(self))

    @lazy
    def model_calls(self) -> Mapping[str, tuple[ModelCall, ...]]:
        """The calls of each model: how long they took to start, and to write how much."""
        return model_calls(self)

    @lazy
    def llm_calls(self) -> Sequence[int]:
        """The model calls, each once."""
        roles, counted = self.ledger.roles, self.ledger.counted
        return [index for index, role in enumerate(roles) if role == "llm" and counted[index]]

    def ids(self, indices: Iterable[int]) -> tuple[str, ...]:
        """Return the span ids of some indices."""
        spans = self.tree.spans
        return tuple([spans[index].span_id for index in indices])


def measure(tree: SpanTree, price: Price) -> Trace:
    """Return the measurements of one trace.

    Args:
        tree: The trace.
        price: What tokens cost, such as ``otel_agentprof.pricing.price``.
    """
    ledger = count(tree)
    several = doubles(tree, ledger)
    tree = completed(tree, several)
    parts = transports(tree, ledger)
    paid, disputes = charges(tree, ledger, price)
    waiting = windows(tree)
    barriers = forward(tree, waiting)
    owners, cuts = path_owners(tree, waiting, barriers)
    pieces: Iterable[tuple[int, int, int]] = zip(owners, cuts, cuts[1:], strict=False)
    if several.twins:
        pieces = path_once(pieces, waiting, several.twins)
    # tuple.__new__ is what Stretch() comes down to, without a Python frame per stretch.
    path = tuple(map(tuple.__new__, repeat(Stretch), pieces))
    taken = timed_once(tree, times(tree, path), several)
    return Trace(
        tree=tree,
        price=price,
        ledger=ledger,
        costs=paid,
        view=waiting,
        path=path,
        times=given_to_calls(taken, parts),
        operations=operations(tree, ledger, paid),
        disputes=disputes,
        forward=barriers,
        parts=parts,
        doubles=several,
    )
