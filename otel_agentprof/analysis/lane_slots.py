"""How far each lane below a span has got: what the start of a span in another lane waits for.

    agent        |------------------|   main task
      llm          |--|                 main task: its slot is the agent's own
      search            |----|          a task of its own, begun in the gap after llm
      lookup            |--|            likewise
      llm                     |--|      main task: waits for both

Definition: critical_path.md section C2, rule 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_agentprof.analysis.events import Order
    from otel_agentprof.analysis.lanes import Lanes

    _Key = tuple[int, str | None]

_NONE: Final = -1


def lane_slots(order: Order, lanes: Lanes) -> LaneSlots | None:
    """Return the slots of the lanes of a trace; None where nothing is in another lane than its parent.

    Args:
        order: The events.
        lanes: The lane of each span, and one entry more for the virtual root.
    """
    groups: dict[_Key, int] = {}
    group_of = [_NONE] * len(lanes)
    for span, (parent, lane) in enumerate(zip(order.parents, lanes, strict=True)):
        if lane is not None and lanes[parent] not in (None, lane):
            group_of[span] = groups.setdefault((parent, lane), len(groups))
    return LaneSlots(order.parents, lanes, group_of, groups) if groups else None


class LaneSlots:
    """Which slots the lanes below each span have.

    A lane that begins while another one is between two of its spans was started by that one: llm in the main
    task, tools in tasks of their own, llm in the main task. So its ends are told to that lane too, for as
    long as that lane is in the same gap.

    Attributes:
        count: How many slots there are, those of spans included.
        group_of: The group of each span, a lane below a span that is in another lane; -1 for none.
        last: For each span the group of the child that ended last. The caller writes it.
    """

    __slots__ = (
        "_groups",
        "_lanes",
        "_open",
        "_parents",
        "_slots",
        "_started_by",
        "_starts",
        "count",
        "group_of",
        "last",
    )

    def __init__(
        self, parents: Sequence[int], lanes: Lanes, group_of: Sequence[int], groups: Mapping[_Key, int]
    ) -> None:
        self.count = len(parents)
        self._parents = parents
        self._lanes = lanes
        self.group_of = group_of
        self._groups = groups
        self._slots = [_NONE] * (len(groups) + 1)  # the last entry is for spans in no group
        self._starts = [0] * len(groups)  # how many spans of a group have started: the number of its gap
        self._open = [0] * len(groups)
        self.last = [_NONE] * len(parents)
        self._started_by: list[tuple[tuple[int, int], ...]] = [()] * len(groups)

    def start(self, span: int, starter: int) -> int:
        """Note that a span starts below another one; return the slot that it waits for.

        A span in no group that its own parent started need not be told: it waits for the parent's slot.
        """
        group = self.group_of[span]
        if group < 0:
            return self.read_by(span, starter)
        parent = self._parents[span]
        if not self._starts[group]:
            self._started_by[group] = self._origins(parent)
        self._starts[group] += 1
        self._open[group] += 1
        if starter != parent:
            return self.read_by(span, starter)
        slot = self._slots[group]
        return starter if slot < 0 else slot

    def read_by(self, span: int, starter: int) -> int:
        """Return the slot that a span waits for when it is started below another one."""
        group = self._groups.get((starter, self._lanes[span]), _NONE)
        slot = self._slots[group]
        return starter if slot < 0 else slot

    def end(self, span: int) -> tuple[int, ...]:
        """Note that a span of a group ends; return the slots that are told."""
        group = self.group_of[span]
        self._open[group] -= 1
        starts, told = self._starts, [group]
        for origin, gap in self._started_by[group]:
            if starts[origin] == gap:
                told.append(origin)
        return tuple([slot if (slot := self._slots[one]) >= 0 else self._new_slot(one) for one in told])

    def _new_slot(self, group: int) -> int:
        slot = self._slots[group] = self.count
        self.count += 1
        return slot

    def _origins(self, parent: int) -> tuple[tuple[int, int], ...]:
        """Return the groups in whose gap a new one begins, each with the number of that gap."""
        origin = self.last[parent]
        if origin < 0 or self._open[origin]:
            return ()
        found = ((origin, self._starts[origin]),)
        # Tasks awaited one after another: the second was not started by the first, but by who started that.
        above = self._started_by[origin][-1:]
        return found + tuple([pair for pair in above if self._starts[pair[0]] == pair[1]])
