"""``Budget``: what calls of models may take together, as the user says it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from otel_agentprof.errors import Limit
from otel_agentprof.optimize.figures import to_units

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_agentprof.errors import BudgetExceeded

Scope = Literal["trace", "agent", "process"]
_SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
_LIMITS: Final[tuple[Limit, ...]] = get_args(Limit)
_ACTIONS: Final = ("raise", "warn")


@dataclass(frozen=True, slots=True)
class Budget:
    """What calls of models may take together; a call that would go beyond it is not sent.

        ap.instrument(budget=ap.Budget(usd=0.50, llm_calls=40))

    Before each call its tokens are estimated: the prompt's characters / 4, and for the answer what the
    request allows (``max_tokens``), else the mean of the model's answers so far. The estimate is reserved,
    and replaced by the real figure when the call is over. So calls one after another go beyond a budget by
    at most what one call takes beyond its estimate, and N calls at once by at most N times that;
    ``llm_calls`` is exact in any case.

    A call that failed or was cancelled counts as a call without tokens; one whose answer names no tokens is
    charged by its estimate. An answer from a cache takes nothing; where nothing is left no cache is
    asked. With a limit in dollars the first call waits for the price table, about 0.2 s.

    Attributes:
        usd: US dollars, by the price table or as the provider bills. Calls of models without a known price
            are not in it, and a warning says so once per model.
        tokens: Input and output together; embeddings too.
        llm_calls: Calls of models, failed ones too; embeddings and refused calls are none.
        seconds: Time since the trace, the agent or the process's first call began; a call that is under way
            is not stopped.
        per: What the limits hold for. ``trace``: each trace of this process, until its root ends. A call
            outside any span is a trace of its own. ``agent``: each run of an agent with all that is below
            it, agents too; outside any agent as ``trace``. Where spans are not sampled, agents of
            ``ap.agent`` and of the patched frameworks are known all the same, those of other tracers are
            not: a call outside a known agent is held alone there. ``process``: all calls since
            ``instrument()``; a forked child begins anew.
        action: What becomes of a call that a limit does not allow. ``raise``: :class:`BudgetExceeded`,
            before anything is sent. ``warn``: it is sent, and a log record says so once per scope. A
            function is called with the BudgetExceeded: when it returns the call is sent, what it raises
            becomes the cause of the BudgetExceeded that is raised.
        warn_at: Share of a limit from which on the event ``agentprof.budget.warning`` is added to the span
            around the call, once per scope.
        output_tokens: Output to reserve for each answer, where ``max_tokens`` is much more than usual
            answers have; None: as the request says.

    Raises:
        ValueError: There is no limit, or one of the values cannot be.
    """

    usd: Decimal | float | None = None
    tokens: int | None = None
    llm_calls: int | None = None
    seconds: float | None = None
    per: Scope = "trace"
    action: Literal["raise", "warn"] | Callable[[BudgetExceeded], object] = "raise"
    warn_at: float = 0.8
    output_tokens: int | None = None

    def __post_init__(self) -> None:
        for name in (*_LIMITS, "output_tokens"):
            value = getattr(self, name)
            if value is not None and not _is_amount(value):
                raise ValueError(f"{name} must be a number >= 0, not {value!r}")
        if not self.limits():
            raise ValueError(f"a budget needs a limit: {', '.join(_LIMITS)}")
        if self.per not in _SCOPES:
            raise ValueError(f"per must be one of {', '.join(_SCOPES)}, not {self.per!r}")
        if self.action not in _ACTIONS and not callable(self.action):
            raise ValueError(f"action must be raise, warn or a function, not {self.action!r}")
        if not 0 < self.warn_at <= 1:
            raise ValueError(f"warn_at must be a share above 0 and up to 1, not {self.warn_at!r}")

    def limits(self) -> tuple[tuple[Limit, float], ...]:
        """Return the limits that are set; money in the units of :class:`Figures`."""
        usd = None if self.usd is None else to_units(self.usd)
        given = zip(_LIMITS, (usd, self.tokens, self.llm_calls, self.seconds), strict=True)
        return tuple((name, value) for name, value in given if value is not None)


def _is_amount(value: Any) -> bool:
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return is_number and 0 <= value < float("inf")  # nan is neither
