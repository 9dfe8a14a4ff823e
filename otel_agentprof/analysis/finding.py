"""One thing worth changing, with its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from decimal import Decimal

    from otel_agentprof.model.tokens import TokenUsage

Impact = Literal["high", "medium", "low"]
Confidence = Literal["proven", "likely", "possible"]
IMPACTS: tuple[Impact, ...] = ("high", "medium", "low")


class ModelSwap(NamedTuple):
    """A call that a cheaper model could take; whether its answer is good enough only a test can tell.

    Attributes:
        span_id: The call.
        model: Its model.
        cheaper: The nearest cheaper model of the same family.
        usage: The tokens of the call.
        before_usd: What the call cost, by its tokens.
        after_usd: What the same tokens cost with the cheaper model.
    """

    span_id: str
    model: str
    cheaper: str
    usage: TokenUsage
    before_usd: Decimal
    after_usd: Decimal

    @property
    def saving_usd(self) -> Decimal:
        """What that saves."""
        return self.before_usd - self.after_usd


class Finding(NamedTuple):
    """What is slow or expensive, how we know, and what to do about it.

    A named tuple, since a finding is made anew each time that something is added to it, in every report.

    Attributes:
        rule: Machine name of the rule that found it, such as ``slow_llm``.
        title: One line for people.
        component: The operation, role or group that it is about.
        metric: What was measured, unit in its name, such as ``avg_latency_ms``.
        value: The measured figure.
        threshold: The limit that it broke.
        suggestion: What to do.
        impact: high, medium or low, by the share of the run that the change would save. Rules leave it.
        span_ids: The evidence.
        saving_ns: Time that the change would save; None when it was not computed.
        saving_usd: Money that the change would save; None when it was not computed.
        derivation: How the savings were computed, or why there is none.
        confidence: How sure a structural claim is; None where it does not apply.
        swaps: The calls that a cheaper model could take, one by one.
        mended_ids: What the change is made to, where that is not all of the evidence.
    """

    rule: str
    title: str
    component: str
    metric: str
    value: float
    threshold: float
    suggestion: str
    impact: Impact = "low"
    span_ids: tuple[str, ...] = ()
    saving_ns: int | None = None
    saving_usd: Decimal | None = None
    derivation: str = ""
    confidence: Confidence | None = None
    swaps: tuple[ModelSwap, ...] = ()
    mended_ids: tuple[str, ...] = ()
