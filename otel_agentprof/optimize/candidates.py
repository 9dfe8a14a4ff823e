"""A model beside what is asked of it: what it costs, how fast it has been, and why it will not do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_agentprof import pricing
from otel_agentprof.model.tokens import TokenUsage
from otel_agentprof.pricing.contexts import context_tokens

if TYPE_CHECKING:
    from decimal import Decimal

    from otel_agentprof.optimize.observed import ObservedModels, Record
    from otel_agentprof.optimize.tiers import Complexity, ModelOption

_ROUNDING: Final = 1e-9  # 0.1 is not one tenth
_FEW_CALLS: Final = 5  # of which no ratio is worth anything
_MOSTLY: Final = 0.5
_LIMITED_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked of a model.

    Attributes:
        complexity: How hard the task is.
        max_cost: What it may cost at most, as a factor of what the complex tier costs.
        max_usd: What one call may cost at most, in US dollars, at the tokens below.
        max_latency_ms: How long 95 % of its calls may have taken at most; a model that was never called
            has not been too slow.
        tools: Whether it has to call tools.
        vision: Whether it has to see pictures.
        input_tokens: How long the prompt is.
        output_tokens: How long the answer is.
    """

    complexity: Complexity
    max_cost: float | None = None
    max_usd: Decimal | float | None = None
    max_latency_ms: float | None = None
    tools: bool = False
    vision: bool = False
    input_tokens: int = 1_000
    output_tokens: int = 200


@dataclass(frozen=True, slots=True)
class Choice:
    """The model that was chosen, and why.

    Attributes:
        usd: What a call is held to cost; None where no price is known.
        cost_factor: That as a factor of what the complex tier costs.
        rejected: Every other model that would not do, and why.
    """

    model: str
    complexity: Complexity
    reason: str
    usd: Decimal | None
    cost_factor: float | None
    rejected: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model as it stands before one decision.

    Attributes:
        rank: Its tier: 0 for simple.
        usd: What the call would cost; None where no price is known.
        cost_factor: That as a factor of what the complex tier costs.
        context: Tokens that it can read and write; None where nobody says.
        record: How its last calls went.
    """

    option: ModelOption
    rank: int
    usd: Decimal | None
    cost_factor: float | None
    context: int | None
    record: Record

    @classmethod
    def of(
        cls,
        option: ModelOption,
        rank: int,
        wanted: Wanted,
        observed: ObservedModels,
        strongest_usd: Decimal | None,
    ) -> Candidate:
        """Return a model with all that is known of it."""
        usage = TokenUsage(wanted.input_tokens, wanted.output_tokens)
        cost = pricing.price(usage, option.model, provider=option.provider)
        usd = None if cost is None else cost.total
        return cls(
            option=option,
            rank=rank,
            usd=usd,
            cost_factor=float(usd) / float(strongest_usd) if usd is not None and strongest_usd else None,
            context=option.context_tokens or context_tokens(option.model, option.provider),
            record=observed.record(option.model),
        )

    @property
    def model(self) -> str:
        """Its name."""
        return self.option.model

    @property
    def terms(self) -> str:
        """The constraints that it would meet, as far as they are known."""
        if self.usd is None:
            return "no known price"
        factor = "" if self.cost_factor is None else f"max_cost={self.cost_factor:.3g} or "
        return f"{factor}max_usd={float(self.usd):.3g} at these tokens"


def why_not(candidate: Candidate, wanted: Wanted, *, minds_trouble: bool = True) -> str | None:
    """Return why a model does not meet the constraints; None where it does. Its tier is not asked about."""
    objection = _by_price(candidate, wanted) or _by_ability(candidate, wanted)
    return objection or (
        _by_record(candidate.record, wanted) if minds_trouble else _by_speed(candidate.record, wanted)
    )


def _by_price(candidate: Candidate, wanted: Wanted) -> str | None:
    factor, usd = candidate.cost_factor, candidate.usd
    if wanted.max_cost is not None:
        if factor is None:
            return "no price is known, so max_cost cannot be held"
        if factor > wanted.max_cost + _ROUNDING:
            return f"costs {factor:.3g} of the complex tier, {wanted.max_cost:.3g} allowed"
    if wanted.max_usd is not None:
        if usd is None:
            return "no price is known, so max_usd cannot be held"
        if float(usd) > float(wanted.max_usd) + _ROUNDING * float(wanted.max_usd):
            return f"costs ${float(usd):.3g} a call, ${float(wanted.max_usd):.3g} allowed"
    return None


def _by_ability(candidate: Candidate, wanted: Wanted) -> str | None:
    option, needed = candidate.option, wanted.input_tokens + wanted.output_tokens
    if wanted.tools and option.has_tools is False:
        return "calls no tools"
    if wanted.vision and option.has_vision is False:
        return "sees no pictures"
    if candidate.context is not None and needed > candidate.context:
        return f"has room for {candidate.context:,} tokens, {needed:,} needed"
    return None


def _by_speed(record: Record, wanted: Wanted) -> str | None:
    if (
        wanted.max_latency_ms is not None
        and record.p95_ms is not None
        and record.p95_ms > wanted.max_latency_ms
    ):
        return (
            f"95 % of its calls took up to {record.p95_ms:,.0f} ms, {wanted.max_latency_ms:,.0f} ms allowed"
        )
    return None


def _by_record(record: Record, wanted: Wanted) -> str | None:
    if record.limited_s is not None and record.limited_s < _LIMITED_S:
        return f"was rate limited {record.limited_s:.0f} s ago"
    if record.calls >= _FEW_CALLS and record.error_ratio > _MOSTLY:
        return f"{record.failed} of its last {record.calls} calls failed"
    return _by_speed(record, wanted)
