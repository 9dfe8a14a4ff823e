"""The barriers of a trace run forwards with other durations: when everything would start and end then."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from otel_agentprof.analysis.queueing import limited
from otel_agentprof.model.quick_init import quick_init

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from otel_agentprof.analysis.forward import Forward

_NEVER: Final = -(1 << 200)  # before any time; an int, so that no sum loses a nanosecond


@quick_init
@dataclass(frozen=True, slots=True)
class Change:
    """What is different. All spans are indices.

    Attributes:
        factors: What the own time of a span is multiplied by.
        waits: What the gap before a span is multiplied by, beside that: time of who started it.
        follows: For a span that is to start together with a sibling: that sibling. Its gap stays.
        capacity: How many spans of ``capped`` may run at a time; None for any number.
        capped: Spans of which none is inside another one.
        kept_gaps: Spans whose gap stays although it is own time of a span in ``factors``.
    """

    factors: Mapping[int, float] = field(default_factory=dict)
    waits: Mapping[int, float] = field(default_factory=dict)
    follows: Mapping[int, int] = field(default_factory=dict)
    capacity: int | None = None
    capped: AbstractSet[int] = frozenset()
    kept_gaps: AbstractSet[int] = frozenset()


@dataclass(slots=True)
class Run:
    """One run of the barriers: lists by span, and what each event had waited for last.

    Attributes:
        gaps: The gaps of ``Forward`` as they are in this run, as ``tails`` and ``second_gaps``.
        starts: When each span starts, as ``ends``.
        start_causes: The event (a span, or the complement of one for its end) that came last before each
            start, as ``end_causes``; a span's own start has no cause if it is the top's.
        owners: In whose time each start came after its cause.
    """

    gaps: list[int]
    tails: list[int]
    second_gaps: dict[int, int]
    starts: list[int]
    ends: list[int]
    start_causes: list[int]
    end_causes: list[int]
    owners: list[int]

    def own_on_path(self, top: int) -> Counter[int]:
        """Return how much own time of each span is on the critical path of this run, in ns."""
        own: Counter[int] = Counter()
        event = ~top
        while event != top:
            if event < 0:
                now, cause, owner = self.ends[~event], self.end_causes[~event], ~event
            else:
                now, cause, owner = self.starts[event], self.start_causes[event], self.owners[event]
            before = self.starts[cause] if cause >= 0 else self.ends[~cause]
            if now > before:
                own[owner] += now - before
            event = cause
        return own


def rerun(model: Forward, change: Change) -> Run:
    """Return what becomes of a trace."""
    starts, ends, size = list(model.starts), list(model.ends), len(model.starts)
    run = Run(*_scaled(model, change), starts, ends, [model.top] * size, [0] * size, list(model.starters))
    if change.capacity is None:
        _run(model, run, change.follows)
    else:
        limited(model, run, change.follows, change.capped, change.capacity)
    return run


def makespan_ns(model: Forward, change: Change) -> int:
    """Return how long a trace would take: a rerun in a quarter of the time, which does not ask why."""
    top = model.top
    if change.capacity is not None:
        run = rerun(model, change)
        return run.ends[top] - run.starts[top]
    gaps, tails, second_gaps = _scaled(model, change)
    follows, reads, parents = change.follows, model.reads, model.parents
    second_reads, lane_writes = model.second_reads, model.lane_writes
    values = [_NEVER] * model.slot_count
    values[top] = model.starts[top]
    starts = dict.fromkeys(follows.values(), values[top])  # of those whose start somebody needs to know
    apart = {*follows, *starts, *second_reads}
    for event in model.events[1:-1]:
        if event >= 0:
            now = values[reads[event]] + gaps[event]
            if event in apart:
                if event in follows:
                    now = starts[follows[event]] + gaps[event]
                elif event in second_reads and values[second_reads[event][0]] + second_gaps[event] > now:
                    now = values[second_reads[event][0]] + second_gaps[event]
                starts[event] = now
            values[event] = now
            continue
        span = ~event
        end, parent = values[span] + tails[span], parents[span]
        if end > values[parent]:  # noqa: PLR1730 - max() is a call, and this is done for each span
            values[parent] = end
        if span in lane_writes:
            for slot in lane_writes[span]:
                values[slot] = max(values[slot], end)
    return values[top] + tails[top] - model.starts[top]


def _scaled(model: Forward, change: Change) -> tuple[list[int], list[int], dict[int, int]]:
    """Return gaps, tails and second gaps as they are after a change."""
    factors, kept_gaps = change.factors, change.kept_gaps
    gaps, tails = list(model.gaps), list(model.tails)
    second_gaps = {span: gap for span, (_, gap) in model.second_reads.items()}
    if factors:
        for span, starter in enumerate(model.starters):
            if starter in factors and gaps[span] and span not in kept_gaps:
                gaps[span] = round(gaps[span] * factors[starter])
        for span, gap in second_gaps.items():
            second_gaps[span] = round(gap * factors.get(model.parents[span], 1))
        for span, factor in factors.items():
            tails[span] = round(tails[span] * factor)
    for span, factor in change.waits.items():
        gaps[span] = round(gaps[span] * factor)
        if span in second_gaps:
            second_gaps[span] = round(second_gaps[span] * factor)
    return gaps, tails, second_gaps


def _run(model: Forward, run: Run, follows: Mapping[int, int]) -> None:
    values = [0] * model.slot_count
    causes: list[int | None] = [None] * model.slot_count  # of each value; a slot may not have one yet
    starts, ends, gaps, tails, reads = run.starts, run.ends, run.gaps, run.tails, model.reads
    parents, second_reads, lane_writes, top = model.parents, model.second_reads, model.lane_writes, model.top
    for event in model.events:
        if event >= 0:
            if event in follows:
                cause: int | None = follows[event]
                starts[event] = starts[follows[event]] + gaps[event]
                run.start_causes[event] = follows[event]
            elif event != top:
                slot = reads[event]
                now, cause = values[slot] + gaps[event], causes[slot]
                if event in second_reads:
                    slot = second_reads[event][0]
                    if values[slot] + run.second_gaps[event] > now:
                        now, cause = values[slot] + run.second_gaps[event], causes[slot]
                        run.owners[event] = parents[event]
                starts[event] = now
                run.start_causes[event] = top if cause is None else cause
            values[event], causes[event] = starts[event], event
            continue
        span = ~event
        cause = causes[span]
        run.end_causes[span] = span if cause is None else cause
        end = ends[span] = values[span] + tails[span]
        if span == top:
            continue
        for slot in (parents[span], *lane_writes.get(span, ())):
            if end > values[slot] or causes[slot] is None:
                values[slot], causes[slot] = end, event
