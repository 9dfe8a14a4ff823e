"""What the engine knows of a budget: whom to ask before a call, and whom to tell after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.semconv import Role

# Where a context has the agents around it whose spans nobody records, and no listener hears of.
AGENTS_KEY: Final = "otel_agentprof.agents"
Agents = tuple[tuple[int, float], ...]  # of each its id, and the monotonic time at which it began
# How a call ended; "elsewhere": its tokens are counted where somebody else shows it; "cached":
# nobody was asked.
Outcome = Literal["answered", "failed", "elsewhere", "cached"]


class Planned(NamedTuple):
    """A call that is about to be sent.

    Attributes:
        role: ``llm`` or ``embedding``.
        model: The model that is asked for; None where the request does not say.
        provider: Who sells it, in OpenTelemetry's spelling.
        address: Host of the server.
        prompt: What the prompt is made of, as the user gave it; only its length is looked at.
        max_output: Tokens that each answer may have; None where the request does not say.
        answers: How many answers are asked for.
        around: The span that the call is made in; None for none.
        agents: The agents around it whose spans are not recorded, the outermost first.
    """

    role: Role
    model: str | None
    provider: str | None
    address: str | None
    prompt: list[Any]
    max_output: int | None
    answers: int
    around: Any
    agents: Agents = ()


class SpendingLimit(Protocol):
    """A budget at work. Only ``admit`` raises."""

    def admit(self, planned: Planned) -> object:
        """Reserve what a call is held to take; return the claim.

        Raises:
            BudgetExceeded: The budget does not allow it.
        """
        ...

    def opened(self, claim: Any, span: Any) -> None:
        """Take note of the span that the call has got; a later one fetches what the first one asked for."""
        ...

    def settle(self, claim: Any, usage: TokenUsage | None, usd: float | None, outcome: Outcome) -> None:
        """Replace a reservation by what was spent.

        Args:
            claim: The reservation.
            usage: The call's tokens; None where nobody told.
            usd: What it cost; None where no price is known.
            outcome: How it ended. An answer without usage is charged by estimate.
        """
        ...
