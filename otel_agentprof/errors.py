"""The errors that callers of otel_agentprof can meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from decimal import Decimal

Limit = Literal["usd", "tokens", "llm_calls", "seconds"]


class AgentProfError(Exception):
    """Anything that otel_agentprof refuses to do; its text says what was expected and what to do."""


class UnreadableTraceError(AgentProfError):
    """A source holds no trace that can be read. The command line ends with exit code 3."""


class UnknownPriceError(AgentProfError):
    """A price file is malformed or names no usable rate."""


class StreamStalledError(AgentProfError, TimeoutError):
    """A stream brought nothing for longer than its reader was told to wait.

    Attributes:
        partial: The text that came before.
    """

    def __init__(self, message: str, partial: str = "") -> None:
        super().__init__(message)
        self.partial = partial


class BudgetExceeded(AgentProfError):  # noqa: N818 - the name that users write: it is a stop, not a fault
    """A call was not sent because it would go beyond a budget; the only error of ours inside a patched call.

    Attributes:
        name: Which limit: ``usd``, ``tokens``, ``llm_calls`` or ``seconds``.
        limit: The limit.
        spent: What was spent in the scope before; for ``seconds`` the time since it began.
        reserved: What is held back for calls that are under way.
        requested: What this call is held to take; an estimate, but for ``llm_calls``, where it is 1.
        scope: ``trace``, ``agent`` or ``process``.
        scope_id: Id of the trace, or of the agent's span, in lower-case hex; None for the process, and for a
            call that is a trace of its own.
    """

    def __init__(
        self,
        name: Limit,
        limit: Decimal | float,
        spent: Decimal | float,
        reserved: Decimal | float,
        requested: Decimal | float,
        scope: str,
        scope_id: str | None = None,
    ) -> None:
        super().__init__(
            name, limit, spent, reserved, requested, scope, scope_id
        )  # so that it can be pickled
        self.name = name
        self.limit = limit
        self.spent = spent
        self.reserved = reserved
        self.requested = requested
        self.scope = scope
        self.scope_id = scope_id

    def __str__(self) -> str:
        limit, spent, reserved, requested = (
            _amount(self.name, value) for value in (self.limit, self.spent, self.reserved, self.requested)
        )
        rest = f", {reserved} reserved by calls under way" if self.reserved else ""
        wanted = "" if self.name == "seconds" else f", {requested} wanted by this call"
        return f"the budget of {limit} per {self.scope} does not allow this call: {spent} spent{rest}{wanted}"


def _amount(name: Limit, value: Decimal | float) -> str:
    if name == "usd":
        whole, _, parts = f"{value:.6f}".rstrip("0").partition(".")
        return f"${whole}.{parts:0<2}"
    if name == "seconds":
        return f"{value:.1f} s"
    return f"{value:,} {'tokens' if name == 'tokens' else 'LLM calls'}"
