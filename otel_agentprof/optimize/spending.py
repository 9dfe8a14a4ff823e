"""A budget at work: what is left is looked at before each call, and what was spent is noted after it.

    admit   estimate -> is it left? -> reserve        under one lock: N calls at once cannot all slip through
    settle  the reservation is replaced by the real figures
    ended   calls that other tracers and frameworks show are charged when their span ends

Spans end, and calls are settled, in finalisers too, which run anywhere, even in the middle of a block that
holds the lock. So all news goes through a queue, and whoever gets the lock works it off.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import OrderedDict, deque
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.errors import BudgetExceeded, Limit
from otel_agentprof.optimize.ended_calls import call_of, is_agent
from otel_agentprof.optimize.estimates import Outputs, estimate
from otel_agentprof.optimize.figures import PER_USD, to_units, to_usd
from otel_agentprof.optimize.ledgers import Ledger, Ledgers, Lineage

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from opentelemetry.sdk.trace import ReadableSpan, Span

    from otel_agentprof.model.budget import Agents, Outcome, Planned
    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.optimize.budgets import Budget
    from otel_agentprof.optimize.figures import Figures

_LOGGER = logging.getLogger(__name__)
_MOST_REMEMBERED: Final = 10_000
_MOST_NEWS: Final = 1_000  # then they are worked off, though nobody asks for the sums
_TELLING: Final = 2  # calls outside any span: of one alone there is nothing to add up
_ABSENT: Final = object()
_PLACES: Final[dict[Limit, int | None]] = {"usd": 0, "tokens": 1, "llm_calls": 2, "seconds": None}
_NO_AGENTS: Final[Agents] = ()
_NOTHING: Final = (0, 0, 0)


class Claim:
    """What is reserved for one call, and in which ledgers."""

    __slots__ = (
        "around",
        "around_id",
        "is_settled",
        "ledgers",
        "model",
        "reserved",
        "role",
        "span_id",
        "warning",
    )

    def __init__(
        self, planned: Planned, around_id: int, ledgers: tuple[Ledger, ...], reserved: Figures
    ) -> None:
        self.role = planned.role
        self.model = planned.model
        self.around = planned.around
        self.around_id = around_id
        self.ledgers = ledgers
        self.reserved = reserved
        self.is_settled = False
        self.span_id = 0
        self.warning: BudgetExceeded | None = None


class Spending:
    """What has been spent of a budget in each of its scopes. Every method may be called from any thread."""

    def __init__(self, budget: Budget, *, clock: Callable[[], float] = monotonic) -> None:
        """Begin with nothing spent.

        Args:
            budget: The limits.
            clock: Seconds that only go forward.
        """
        self._budget = budget
        self._limits = tuple((_PLACES[name], name, limit) for name, limit in budget.limits())
        self._has_money, self._has_time = budget.usd is not None, budget.seconds is not None
        self._clock = clock
        self._begin()
        if hasattr(os, "register_at_fork"):
            begin = weakref.WeakMethod(self._begin)
            os.register_at_fork(after_in_child=lambda: (method := begin()) and method())

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._news: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._lineage = Lineage()
        self._ledgers = Ledgers(self._budget.per, self._clock())
        self._outputs = Outputs()
        self._claimed: dict[int, Claim] = {}
        # Spans that a charged call was made in: they may show it once more.
        self._around: OrderedDict[int, None] = OrderedDict()
        self._unpriced: set[str | None] = set()
        self._alone = 0

    def admit(self, planned: Planned) -> Claim:
        """Reserve what a call is held to take.

        Raises:
            BudgetExceeded: The budget does not allow the call.
        """
        certain, likely = estimate(
            planned, self._outputs, self._budget.output_tokens, has_money=self._has_money
        )
        trace_id, around_id, agents = 0, 0, planned.agents
        if planned.around is not None:
            context = planned.around.get_span_context()
            trace_id, around_id = context.trace_id, context.span_id
            if self._budget.per == "agent":
                agents += self._lineage.of(around_id)
                if not agents and not context.trace_flags.sampled and not planned.around.is_recording():
                    trace_id = 0  # somebody else's agents here are seen by nobody: adding up would mix them
        news = self._news
        with self._lock:
            while news:
                work, args = news.popleft()
                work(*args)
            now = self._clock()
            ledgers = self._ledgers.of(trace_id, agents, now)
            claim = Claim(planned, around_id, ledgers, likely)
            if self._beyond(ledgers, certain, now, self._budget.warn_at) is None:
                for ledger in ledgers:
                    ledger.reserve(likely)
                return claim
            found = self._beyond(ledgers, certain, now, 1.0)
            if found is None:
                return self._reserve(claim, certain, now)
        self._act(*found, planned.around)
        with self._lock:
            return self._reserve(claim, certain, now)

    def opened(self, claim: Claim, span: Any) -> None:
        """Take note of the span that the call has got."""
        if claim.span_id:  # asked for by one call, and fetched by another
            self._claimed.pop(claim.span_id, None)
            claim.warning = None
        claim.span_id = span.get_span_context().span_id
        self._claimed[claim.span_id] = claim
        around, around_id = claim.around, claim.around_id
        if claim.warning is not None:
            told = around if around is not None and around.is_recording() else span
            told.add_event(semconv.BUDGET_WARNING_EVENT, _facts(claim.warning))
        if around_id:
            if around_id not in self._around:
                self._remember(around_id)
        elif self._alone < _TELLING and self._budget.per == "trace":
            self._tell_of_lonely_calls()

    def settle(self, claim: Claim, usage: TokenUsage | None, usd: float | None, outcome: Outcome) -> None:
        """Replace a reservation by what was spent."""
        self._claimed.pop(claim.span_id, None)
        call_count = 1 if claim.role == "llm" else 0
        money = 0 if usd is None else int(usd * PER_USD + 0.5)
        if outcome in ("elsewhere", "cached"):
            figures: Figures = _NOTHING
        elif usage is not None:
            if outcome == "answered" and call_count:
                self._outputs.note(claim.model, usage.output)
            if usd is None and self._has_money:
                self._warn_unpriced(claim.model)
            figures = money, usage.input + usage.output, call_count
        elif outcome == "answered":  # an answer whose tokens nobody told was paid for all the same
            figures = claim.reserved
        else:
            figures = money, 0, call_count
        self._news.append((self._settle, (claim, figures)))

    def started(self, span: Span) -> None:
        """See a span that has just started."""
        per, parent, context = self._budget.per, span.parent, span.context
        if context is None:
            return
        if self._has_time and per != "process" and (parent is None or parent.is_remote):
            self._news.append((self._ledgers.start_root, (context.trace_id, self._clock())))
        if per == "agent":
            agents = _NO_AGENTS if parent is None else self._lineage.of(parent.span_id)
            span_id = context.span_id
            if is_agent(span):
                agents = (*agents, (span_id, self._clock()))
            if agents:
                self._lineage.start(span_id, agents)

    def ended(self, span: ReadableSpan) -> None:
        """See a span that has just ended; a call that only it shows is charged."""
        context, per = span.context, self._budget.per
        if context is None:
            return
        span_id = context.span_id
        if per == "agent" and span_id in self._lineage.agents:
            agents = self._lineage.agents.pop(span_id)
            if agents[-1][0] == span_id:
                self._take_news(self._ledgers.end_agent, span_id)
        claim = self._claimed[span_id] if span_id in self._claimed else None  # noqa: SIM401 - costs no call
        if claim is not None and claim.around_id:
            return  # ours, and inside another span: what is below does not concern it
        if claim is None and self._around.pop(span_id, _ABSENT) is _ABSENT:
            self._charge_shown(span, context.trace_id)
        if per != "process" and span.parent is None:  # a trace that began elsewhere may come back
            self._take_news(self._ledgers.end_root, context.trace_id)

    def _charge_shown(self, span: ReadableSpan, trace_id: int) -> None:
        call = call_of(span)
        if call is None or call.usage is None:
            return
        if call.usd is None and self._has_money:
            self._warn_unpriced(call.model)
        figures = to_units(call.usd or 0.0), call.usage.total, 1 if call.role == "llm" else 0
        parent_id = 0 if span.parent is None else span.parent.span_id
        self._take_news(self._charge, trace_id, self._lineage.of(parent_id), figures)
        if parent_id:
            self._remember(parent_id)

    def _take_news(self, work: Callable[..., None], *args: Any) -> None:
        self._news.append((work, args))
        if len(self._news) > _MOST_NEWS and self._lock.acquire(blocking=False):
            try:
                self._catch_up()
            finally:
                self._lock.release()

    def _catch_up(self) -> None:
        news = self._news
        while news:
            work, args = news.popleft()
            work(*args)

    def _reserve(self, claim: Claim, certain: Figures, now: float) -> Claim:
        for ledger in claim.ledgers:
            if not ledger.is_warned and (
                found := self._beyond((ledger,), certain, now, self._budget.warn_at)
            ):
                ledger.is_warned = True
                claim.warning = found[1]
            ledger.reserve(claim.reserved)
        return claim

    def _settle(self, claim: Claim, figures: Figures) -> None:
        if not claim.is_settled:
            claim.is_settled = True
            for ledger in claim.ledgers:
                ledger.settle(claim.reserved, figures)

    def _charge(self, trace_id: int, agents: Agents, figures: Figures) -> None:
        for ledger in self._ledgers.of(trace_id, agents, self._clock()):
            ledger.settle(_NOTHING, figures)

    def _beyond(
        self, ledgers: tuple[Ledger, ...], wanted: Figures, now: float, share: float
    ) -> tuple[Ledger, BudgetExceeded] | None:
        """Return the first limit that a call would go beyond, or beyond such a share of it."""
        for ledger in ledgers:
            spent, reserved = ledger.spent, ledger.reserved
            for place, name, limit in self._limits:
                if place is None:
                    elapsed = now - ledger.began
                    if elapsed >= limit * share:
                        amounts: tuple[float, float, float] = elapsed, 0.0, 0.0
                        return ledger, _exceeded(ledger, name, limit, amounts)
                elif spent[place] + reserved[place] + wanted[place] > limit * share:
                    amounts = spent[place], reserved[place], wanted[place]
                    return ledger, _exceeded(ledger, name, limit, amounts)
        return None

    def _act(self, ledger: Ledger, exceeded: BudgetExceeded, around: Any) -> None:
        """Do what the user wants done with a call that the budget does not allow."""
        if around is not None:
            around.add_event(semconv.BUDGET_EXCEEDED_EVENT, _facts(exceeded))
        action = self._budget.action
        if action == "raise":
            raise exceeded
        if action == "warn":
            if not ledger.is_told:
                ledger.is_told = True
                _LOGGER.warning("%s; it is sent nevertheless", exceeded)
            return
        try:
            action(exceeded)
        except BudgetExceeded:
            raise
        except Exception as error:
            raise exceeded from error

    def _warn_unpriced(self, model: str | None) -> None:
        if model not in self._unpriced and len(self._unpriced) < _MOST_REMEMBERED:
            self._unpriced.add(model)
            _LOGGER.warning(
                "no price is known for %s: its calls are not in the budget in US dollars; "
                "OTEL_AGENTPROF_PRICES takes prices of your own",
                model or "a model without a name",
            )

    def _tell_of_lonely_calls(self) -> None:
        self._alone += 1
        if self._alone == _TELLING:
            _LOGGER.warning(
                "calls outside any span are traces of their own, and the budget holds for each alone: "
                'put profile() or agent() around them, or say per="process"'
            )

    def _remember(self, span_id: int) -> None:
        self._around[span_id] = None
        if len(self._around) > _MOST_REMEMBERED:
            self._around.popitem(last=False)  # in one step: no lock is held


def _exceeded(ledger: Ledger, name: Limit, limit: float, used: tuple[float, float, float]) -> BudgetExceeded:
    spent, reserved, requested = (_shown(name, value) for value in used)
    return BudgetExceeded(
        name, _shown(name, limit), spent, reserved, requested, ledger.scope, ledger.scope_id
    )


def _shown(name: Limit, value: float) -> Decimal | float:
    return to_usd(int(value)) if name == "usd" else value


def _facts(exceeded: BudgetExceeded) -> dict[str, Any]:
    def plain(value: Decimal | float) -> float:
        return value if isinstance(value, int) else float(value)

    return {
        semconv.BUDGET_NAME: exceeded.name,
        semconv.BUDGET_SCOPE: exceeded.scope,
        semconv.BUDGET_LIMIT: plain(exceeded.limit),
        semconv.BUDGET_SPENT: plain(exceeded.spent),
        semconv.BUDGET_RESERVED: plain(exceeded.reserved),
        semconv.BUDGET_REQUESTED: plain(exceeded.requested),
    }
