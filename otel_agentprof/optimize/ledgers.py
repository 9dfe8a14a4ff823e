"""What was spent in each trace or agent that is running, and which of them a call belongs to.

    trace     the trace of the span around the call
    agent     every agent around it, the outermost first        agent > agent > call: both are charged
    process   all the same

``Ledgers`` is not thread-safe: the owner holds a lock around every call.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from otel_agentprof.model.budget import Agents
    from otel_agentprof.optimize.budgets import Scope
    from otel_agentprof.optimize.figures import Figures

_MOST_LEDGERS: Final = 10_000  # the one that was used least recently goes first
_MOST_OPEN_SPANS: Final = 100_000


class Ledger:
    """One scope: what was spent in it, and what is reserved for calls that are under way.

    Attributes:
        scope: What kind of scope it is.
        scope_id: In lower-case hex; None where it has none.
        began: Monotonic time at which it began.
        spent: Money, tokens and calls, as :data:`Figures` orders them.
        reserved: Likewise.
        is_warned: Whether the warning was given.
        is_told: Whether it was told that a call went beyond the limit.
    """

    __slots__ = ("began", "is_told", "is_warned", "reserved", "scope", "scope_id", "spent")

    def __init__(self, scope: Scope, scope_id: str | None, began: float) -> None:
        self.scope = scope
        self.scope_id = scope_id
        self.began = began
        self.spent = [0, 0, 0]
        self.reserved = [0, 0, 0]
        self.is_warned = False
        self.is_told = False

    def reserve(self, figures: Figures) -> None:
        """Hold back what a call will take."""
        usd, tokens, calls = figures
        reserved = self.reserved
        reserved[0] += usd
        reserved[1] += tokens
        reserved[2] += calls

    def settle(self, reserved: Figures, figures: Figures) -> None:
        """Replace a reservation by what was spent."""
        held, spent = self.reserved, self.spent
        held[0] -= reserved[0]
        held[1] -= reserved[1]
        held[2] -= reserved[2]
        spent[0] += figures[0]
        spent[1] += figures[1]
        spent[2] += figures[2]


class Lineage:
    """Which agents each open span is inside of. Asks for no lock: a span is written once, by its thread.

    Attributes:
        agents: By the id of each open span inside an agent: those agents, the outermost first.
    """

    def __init__(self) -> None:
        self.agents: OrderedDict[int, Agents] = OrderedDict()

    def start(self, span_id: int, agents: Agents) -> None:
        """Note that a span has started inside some agents."""
        self.agents[span_id] = agents
        if len(self.agents) > _MOST_OPEN_SPANS:
            self.agents.popitem(last=False)

    def of(self, span_id: int) -> Agents:
        """Return the agents that a span is inside of, itself included."""
        return self.agents[span_id] if span_id in self.agents else ()  # noqa: SIM401 - costs no function call


class Ledgers:
    """The ledgers of one budget."""

    def __init__(self, per: Scope, now: float) -> None:
        self._per = per
        self._process = Ledger("process", None, now)
        self._has_begun = False
        self._ledgers: OrderedDict[tuple[Scope, int], Ledger] = OrderedDict()
        self._roots: dict[int, float] = {}  # when each running trace began

    def start_root(self, trace_id: int, now: float) -> None:
        """Note that a trace has begun in this process."""
        if trace_id not in self._roots:
            self._roots[trace_id] = now
            _keep_within(self._roots, _MOST_OPEN_SPANS)

    def end_root(self, trace_id: int) -> None:
        """Forget a trace that is over."""
        if trace_id in self._roots:
            del self._roots[trace_id]
        key: tuple[Scope, int] = ("trace", trace_id)
        if key in self._ledgers:
            del self._ledgers[key]

    def end_agent(self, span_id: int) -> None:
        """Forget an agent that is over."""
        self._ledgers.pop(("agent", span_id), None)

    def of(self, trace_id: int, agents: Agents, now: float) -> tuple[Ledger, ...]:
        """Return the ledgers that a call in a trace is charged to; its id is 0 for one outside any span."""
        if self._per == "process":
            if not self._has_begun:
                self._has_begun, self._process.began = True, now
            return (self._process,)
        if agents:
            found: tuple[Ledger, ...] = ()
            for span_id, began in agents:
                found += (self._find("agent", span_id, began),)
            return found
        if not trace_id:
            return (Ledger("trace", None, now),)
        began = self._roots[trace_id] if trace_id in self._roots else now  # noqa: SIM401 - costs no function call
        return (self._find("trace", trace_id, began),)

    def _find(self, scope: Scope, number: int, began: float) -> Ledger:
        key: tuple[Scope, int] = (scope, number)
        if key in self._ledgers:
            self._ledgers.move_to_end(key)
            return self._ledgers[key]
        width = 16 if scope == "agent" else 32
        ledger = self._ledgers[key] = Ledger(scope, f"{number:0{width}x}", began)
        _keep_within(self._ledgers, _MOST_LEDGERS)
        return ledger


def _keep_within(held: dict[Any, Any], most: int) -> None:
    if len(held) > most:
        del held[next(iter(held))]
