"""How many calls are in flight over time.

search   |------|
lookup      |-------|          in flight:  1, 2, 1, 0, 1
chat                   |---|
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_agentprof.analysis.trace import Trace

_CALLS: Final = frozenset({"llm", "tool", "retrieval", "embedding"})


@dataclass(frozen=True, slots=True)
class InFlight:
    """For how long how many calls were running.

    Attributes:
        time_ns: Time with no call, with one, with two... up to the most at any moment.
    """

    time_ns: tuple[int, ...]

    @property
    def most(self) -> int:
        """The most calls at any moment."""
        return len(self.time_ns) - 1

    @property
    def average(self) -> float:
        """Calls in flight on average."""
        calls_ns = sum(number * ns for number, ns in enumerate(self.time_ns))
        return calls_ns / max(sum(self.time_ns), 1)

    def ratio(self, least: int, most: int | None = None) -> float:
        """Return the share of the time with ``least`` to ``most`` calls; ``most`` is None for any number."""
        last = self.most if most is None else most
        return sum(self.time_ns[least : last + 1]) / max(sum(self.time_ns), 1)


def in_flight(trace: Trace, indices: Iterable[int] | None = None) -> InFlight:
    """Return how many calls ran at a time.

        profile = in_flight(trace)
        profile.most, profile.average, profile.ratio(0, 0), profile.ratio(2)

    Args:
        trace: The trace.
        indices: The spans to count, from the start of the first to the end of the last. None means all calls
            without further calls inside, over the whole run; what ran in the background is left out.
    """
    view = trace.view
    if indices is None:
        calls = _innermost_calls(trace)
        first_ns, last_ns = trace.tree.start_ns, trace.tree.end_ns
    else:
        calls = list(indices)
        first_ns = min((view.starts[index] for index in calls), default=0)
        last_ns = max((view.ends[index] for index in calls), default=0)
    changes = [(view.starts[index], 1) for index in calls if view.ends[index] > view.starts[index]]
    changes += [(view.ends[index], -1) for index in calls if view.ends[index] > view.starts[index]]
    changes.sort()  # of one instant the ends come first: what begins when another ends is not beside it
    time_ns, running, since_ns = [0], 0, first_ns
    for now_ns, change in changes:
        time_ns[running] += now_ns - since_ns
        running, since_ns = running + change, now_ns
        if running == len(time_ns):
            time_ns.append(0)
    time_ns[running] += last_ns - since_ns
    return InFlight(tuple(time_ns))


def _innermost_calls(trace: Trace) -> list[int]:
    roles, counted, parents = trace.ledger.roles, trace.ledger.counted, trace.view.parents
    around: set[int] = set()
    calls = [
        index
        for index, role in enumerate(roles)
        if role in _CALLS and counted[index] and index not in trace.background
    ]
    for index in calls:
        above = parents[index]
        while above >= 0 and above not in around:
            around.add(above)
            above = parents[above]
    return [index for index in calls if index not in around]
