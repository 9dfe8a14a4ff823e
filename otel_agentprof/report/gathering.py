"""Reports folded into one aggregate, one after another; of each only small numbers are kept.

report -> durations and costs per run  ->  Aggregate
       -> the length of every call per agent, operation and model (eight bytes each)
       -> findings by rule and component
"""

from __future__ import annotations

from collections import Counter, defaultdict
from heapq import nsmallest
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.model.tokens import TokenUsage
from otel_agentprof.report import headline, text
from otel_agentprof.report.aggregate import Aggregate, Brief, NoteCount
from otel_agentprof.report.span_keys import run_name, steady_name
from otel_agentprof.report.tallies import Findings, Money, Tally, groups, spread
from otel_agentprof.report.trace_ids import digits_needed
from otel_agentprof.semconv import ROLES, Role

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from otel_agentprof.report.report import Report, Row

NO_AGENT: Final = "(no agent)"
FEW_TRACES: Final = 12  # so many are listed one by one
_NAMED_TRACES: Final = 5
_DEAR_PERCENT: Final = 5
_NAMED_AT_RUN_TIME: Final = frozenset({"step", "other"})  # a tool's or a model's number is a part of its name
_Tallies = defaultdict[tuple[str, Role | None], Tally]


def aggregate(reports: Iterable[Report]) -> Aggregate:
    """Return the figures of many traces, which do not depend on their order.

    A report is dropped before the next one is asked for, so that a generator needs the room of one.
    """
    gathering = _Gathering()
    for report in reports:
        gathering.add(report)
        del report
    return gathering.frozen()


class _Gathering:
    """What is kept of the reports so far."""

    def __init__(self) -> None:
        self.spans = 0
        self.outside_ns = 0
        self.failed = 0
        self.traces: list[tuple[int, Brief]] = []
        self.usage = TokenUsage()
        self.unpriced: set[str] = set()
        self.by_role: Counter[Role] = Counter()
        self.by_run: _Tallies = defaultdict(Tally)
        self.by_agent: _Tallies = defaultdict(Tally)
        self.by_operation: _Tallies = defaultdict(Tally)
        self.by_model: _Tallies = defaultdict(Tally)
        self.findings = Findings()
        self.notes: dict[str, NoteCount] = {}

    def add(self, report: Report) -> None:
        """Take what is needed of one report."""
        number = len(self.traces)
        brief = _brief(report)
        self.traces.append((report.start_ns, brief))
        self.spans += report.span_count
        self.usage = self.usage.plus(report.usage)
        self.unpriced.update(report.unpriced_models)
        for share in headline.shares(report):
            if share.label == headline.OUTSIDE:
                self.outside_ns += share.critical_ns
            else:
                self.by_role[share.role] += share.critical_ns
        self._add_run(number, report, brief)
        agents: list[tuple[int, Tally]] = []
        for row in report.waterfall:
            self._add_row(number, row, agents)
        self.findings.add(report.findings)
        for code, message in {note.code: note.message for note in report.data_quality}.items():
            known = self.notes.get(code, NoteCount(code, 0, message))
            self.notes[code] = NoteCount(code, known.runs + 1, min(known.message, message))

    def frozen(self) -> Aggregate:
        """Return the figures."""
        traces = [
            brief for _, brief in sorted(self.traces, key=lambda pair: (pair[0], *_slow_first(pair[1])))
        ]
        durations = sorted(trace.duration_ns for trace in traces)
        money = Money()
        for trace in traces:
            money.add(trace.cost_usd, is_whole=trace.is_cost_whole)
        costs = sorted(
            trace.cost_usd for trace in traces if trace.is_cost_whole and trace.cost_usd is not None
        )
        dear_runs, dear_share = _dear(costs)
        return Aggregate(
            runs=len(traces),
            spans=self.spans,
            failed_runs=self.failed,
            total_ns=sum(durations),
            duration=spread(durations),
            cost=spread(costs),
            cost_usd=money.known,
            unknown_costs=len(traces) - len(costs),
            dear_runs=dear_runs,
            dear_share=dear_share,
            usage=self.usage,
            unpriced_models=tuple(sorted(self.unpriced)),
            by_role={role: self.by_role[role] for role in ROLES},
            outside_ns=self.outside_ns,
            by_run=groups(self.by_run),
            by_agent=groups(self.by_agent) if set(self.by_agent) != {(NO_AGENT, None)} else (),
            by_operation=groups(self.by_operation),
            by_model=groups(self.by_model),
            findings=self.findings.frozen(),
            notes=tuple(sorted(self.notes.values(), key=lambda note: (-note.runs, note.code))),
            slowest=tuple(nsmallest(_NAMED_TRACES, traces, key=_slow_first)),
            dearest=tuple(
                nsmallest(_NAMED_TRACES, (trace for trace in traces if trace.cost_usd), key=_dear_first)
            ),
            traces=tuple(traces) if len(traces) <= FEW_TRACES else (),
            id_digits=digits_needed(trace.trace_id for trace in traces if trace.trace_id is not None),
        )

    def _add_run(self, number: int, report: Report, brief: Brief) -> None:
        root = report.waterfall[0] if report.waterfall else None
        has_failed = root is not None and root.span_id == report.root_span_id and "error" in root.marks
        self.failed += has_failed
        runs = self.by_run[run_name(report), None]
        runs.call(report.duration_ns, has_failed=has_failed)
        runs.take(number, report.duration_ns, report.usage)
        runs.money.add(brief.cost_usd, is_whole=brief.is_cost_whole)
        if brief.is_cost_whole and brief.cost_usd is not None:
            runs.costs.append(brief.cost_usd)

    def _add_row(self, number: int, row: Row, agents: list[tuple[int, Tally]]) -> None:
        """Count a span where it belongs; ``agents`` are those that it lies in, with their depth."""
        while agents and agents[-1][0] >= row.depth:
            agents.pop()
        mine: list[Tally] = []
        if row.role != "agent":
            name = row.operation or row.shown or row.name
            name = steady_name(name, row.role) if row.role in _NAMED_AT_RUN_TIME else name
            mine.append(self.by_operation[name, row.role])
        elif row.operation is not None:
            mine.append(self.by_agent[row.operation, "agent"])
            agents.append((row.depth, mine[0]))
        if row.model is not None or row.usage is not None:
            mine.append(self.by_model[row.model or text.UNKNOWN, None])
        if row.operation is not None:
            for tally in mine:
                tally.call_of(row)
        # A span that only shows another one's call still held the user up: that time is the operation's.
        agent = agents[-1][1] if agents else self.by_agent[NO_AGENT, None]
        critical_ns = sum(end - start for start, end in row.on_path)
        for tally in (agent, *(tally for tally in mine if tally is not agent)):
            tally.take_row(number, row, critical_ns)


def _brief(report: Report) -> Brief:
    cost_usd = headline.known_usd(report)
    return Brief(
        trace_id=report.trace_id,
        root_name=report.root_name,
        duration_ns=report.duration_ns,
        calls=headline.call_count(report),
        tokens=None if headline.are_tokens_missing(report) else report.usage.total,
        cost_usd=cost_usd,
        is_cost_whole=cost_usd is not None and not report.unpriced_models,
        findings=len(report.findings),
    )


def _dear(costs: list[Decimal]) -> tuple[int, float | None]:
    """Return how many runs the dearest twentieth is, and which share of the cost they have."""
    count = ceil(len(costs) * _DEAR_PERCENT / 100)
    total = sum(costs)
    return count, round(float(sum(costs[-count:]) / total), 6) if total else None


def _slow_first(trace: Brief) -> tuple[Any, ...]:
    return -trace.duration_ns, trace.trace_id or "", repr(trace)


def _dear_first(trace: Brief) -> tuple[Any, ...]:
    return -(trace.cost_usd or 0), *_slow_first(trace)
