"""A ledger in the making: first every span counts, then rule after rule takes some out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.model.dialects import Reading, read

if TYPE_CHECKING:
    from otel_agentprof.model.dialects import Dialect
    from otel_agentprof.model.dialects.dialect import Kind
    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.model.tree import SpanTree
    from otel_agentprof.semconv import Role

LEAF_KINDS: Final = semconv.LEAF_ROLES | {"rerank"}  # calls: where tokens and cost are counted


class Draft:
    """What the rules work on; lists are indexed like ``tree.spans``.

    Attributes:
        counted: Whether a span stands for a call.
        weights: Whether a span's tokens count.
        kinds: The roles, with ``rerank`` for those retrievals that are calls.
        same_call: The span that stands for the call of each span, itself where nobody else does.
        gifts: Pairs (giver, taker): what the taker does not know of its call, the giver may.
    """

    __slots__ = (
        "coarse",
        "costs",
        "counted",
        "coverage_unknown",
        "dialects",
        "doubles",
        "gifts",
        "kinds",
        "logs",
        "maybe_cumulative",
        "models",
        "polluted",
        "providers",
        "reranks",
        "responses",
        "roles",
        "roll_ups",
        "run_costs",
        "same_call",
        "summing",
        "tree",
        "usage",
        "weights",
    )

    def __init__(self, tree: SpanTree) -> None:
        readings = list(map(read, tree.spans))
        self.tree = tree
        # One pass in C per column; an empty tree has no rows to turn.
        columns: list[list[Any]] = list(map(list, zip(*readings, strict=True)))
        if not columns:
            columns = [[] for _ in Reading._fields]
        self.roles: list[Role] = columns[0]
        self.dialects: list[Dialect] = columns[1]
        self.usage: list[TokenUsage | None] = columns[2]
        self.models: list[str | None] = columns[3]
        self.providers: list[str | None] = columns[4]
        self.costs: list[float | None] = columns[5]
        self.responses: list[str | None] = columns[6]
        self.polluted: list[bool] = columns[7]
        self.logs: list[bool] = columns[8]
        self.summing: list[bool] = columns[9]
        self.reranks: list[bool] = columns[10]
        self.kinds: list[Kind] | list[Role] = self.roles
        self.counted = [True] * len(readings)
        self.weights = [usage is not None for usage in self.usage]
        self.same_call = list(range(len(readings)))
        self.gifts: list[tuple[int, int]] = []
        self.roll_ups: list[int] = []
        self.run_costs: dict[int, float] = {}
        self.doubles: list[int] = []
        self.coarse: set[int] = set()
        self.maybe_cumulative: set[int] = set()
        self.coverage_unknown: list[int] = []

    def tell_reranks(self) -> None:
        """Tell reranks from other retrievals, once roles are final."""
        if True in self.reranks:
            rows = zip(self.roles, self.reranks, strict=True)
            self.kinds = ["rerank" if is_rerank and role == "retrieval" else role for role, is_rerank in rows]

    def stands_for(self, index: int) -> int:
        """Return the span that stands for the call of a span."""
        while self.same_call[index] != index:
            index = self.same_call[index]
        return index

    def join(self, other: int, chosen: int, *, is_double: bool = True) -> None:
        """Let one span stand for the call of another one too; a double, if another tracer made it."""
        self.same_call[other] = chosen
        self.counted[other] = self.weights[other] = False
        self.gifts.append((other, chosen))
        if is_double:
            self.doubles.append(other)

    def show_again(self, index: int, call: int) -> None:
        """Note which call a span that was left out shows again; below 0: none, or several."""
        if call >= 0 and self.same_call[index] == index != self.stands_for(call):
            self.same_call[index] = call

    def shown_again(self) -> dict[int, int]:
        """Return the spans that were left out and show one call again, and what stands for that call."""
        if False not in self.counted:
            return {}
        pairs = [
            (index, self.stands_for(index))
            for index, is_counted in enumerate(self.counted)
            if not is_counted and self.same_call[index] != index
        ]
        return {index: call for index, call in pairs if self.counted[call]}

    def gather(self) -> None:
        """Let each call know what only other spans of it know, and tell its money once."""
        models, providers, costs = self.models, self.providers, self.costs
        for giver, taker in self.gifts:
            models[taker] = models[taker] or models[giver]
            providers[taker] = providers[taker] or providers[giver]
            if costs[taker] is None:
                costs[taker] = costs[giver]
            self._give_parts(giver, taker)
        if False in self.counted:
            for index, is_counted in enumerate(self.counted):
                if not is_counted:
                    costs[index] = None
        for index in self.roll_ups:
            costs[index] = None

    def _give_parts(self, giver: int, taker: int) -> None:
        """Let one span of a call say which tokens were cached or thinking, where the other does not."""
        known, more = self.usage[taker], self.usage[giver]
        if known is not None and more is not None and known.input == more.input:
            self.usage[taker] = known.with_parts_of(more)
