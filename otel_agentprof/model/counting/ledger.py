"""The result of counting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from otel_agentprof.model.quick_init import quick_init

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.semconv import Role


@quick_init
@dataclass(frozen=True, slots=True)
class RollUp:
    """What a span says that the calls below it took, beside what they say themselves, in tokens."""

    index: int
    said: int
    counted: int

    @property
    def delta(self) -> int:
        """How many tokens more the span says; negative for fewer."""
        return self.said - self.counted


@quick_init
@dataclass(frozen=True, slots=True)
class Ledger:
    """What each span of a tree is, and which of its tokens count. All tuples are indexed like ``tree.spans``.

    Attributes:
        roles: What kind of work each span is.
        counted: False where another span already stands for the same call.
        usage: The tokens that count; None where the span has none or another span has them.
        models: The model that the tokens belong to.
        providers: The vendor that is paid for them.
        costs_reported: US dollars that the span itself names, or another span that shows the same call; None
            where the money is told by another span.
        roll_ups: Spans whose tokens were left out because spans below them have them.
        run_costs: US dollars that a span names although calls below it have the tokens, by index.
        billed_runs: Those of them whose figure comes from the vendor's own program.
        roll_up_deltas: Sums that can be checked, beside the calls that they are the sum of.
        doubles: Spans of calls that another instrumentation shows too, and that were left out.
        shown_again: For each span that was left out since it shows one call again: the span that stands for
            the call. What is around several calls is not in it.
        coarse: Spans that are no calls and whose tokens count since nothing below them has any.
        maybe_cumulative: Those of them whose tokens may hold earlier runs that are not in the trace.
        coverage_unknown: Calls of a gateway whose own tokens could not be read.
        reranks: Retrievals that are calls of a model.
    """

    roles: tuple[Role, ...]
    counted: tuple[bool, ...]
    usage: tuple[TokenUsage | None, ...]
    models: tuple[str | None, ...]
    providers: tuple[str | None, ...]
    costs_reported: tuple[float | None, ...]
    roll_ups: frozenset[int]
    run_costs: Mapping[int, float] = field(default_factory=dict)
    billed_runs: frozenset[int] = frozenset()
    roll_up_deltas: tuple[RollUp, ...] = ()
    doubles: frozenset[int] = frozenset()
    shown_again: Mapping[int, int] = field(default_factory=dict)
    coarse: frozenset[int] = frozenset()
    maybe_cumulative: frozenset[int] = frozenset()
    coverage_unknown: frozenset[int] = frozenset()
    reranks: frozenset[int] = frozenset()
