"""What is kept of many calls while they are counted: sums, and the length of each of them."""

from __future__ import annotations

from array import array
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.analysis.finding import IMPACTS
from otel_agentprof.analysis.quantiles import quantile
from otel_agentprof.model.tokens import TokenUsage
from otel_agentprof.report.aggregate import Group, Recurring, Spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_agentprof.analysis.finding import Finding
    from otel_agentprof.report.report import Row
    from otel_agentprof.semconv import Role

# Wide enough that no sum of prices is ever rounded: then it does not depend on the order of the traces.
_EXACT: Final = Context(prec=80)


class Money:
    """A sum of costs that may be unknown: what is known of it, and whether that is all."""

    __slots__ = ("is_whole", "known")

    def __init__(self) -> None:
        self.known: Decimal | None = None
        self.is_whole = True

    def add(self, amount: Decimal | None, *, is_whole: bool = True) -> None:
        """Add a cost; None is an unknown one."""
        if amount is not None:
            self.known = amount if self.known is None else _EXACT.add(self.known, amount)
        self.is_whole = self.is_whole and is_whole and amount is not None


class Tally:
    """The calls of one group so far."""

    __slots__ = ("costs", "critical_ns", "errors", "lengths", "money", "runs", "seen_in", "usage")

    def __init__(self) -> None:
        self.runs = 0
        self.seen_in = -1
        self.lengths = array("q")
        self.errors = 0
        self.critical_ns = 0
        self.usage = TokenUsage()
        self.money = Money()
        self.costs: list[Decimal] = []

    def call(self, length_ns: int, *, has_failed: bool) -> None:
        """Count one call."""
        self.lengths.append(length_ns)
        self.errors += has_failed

    def take(self, number: int, critical_ns: int, usage: TokenUsage | None) -> None:
        """Add what the run of this number, or a part of it, waited for and used."""
        if number != self.seen_in:
            self.seen_in = number
            self.runs += 1
        self.critical_ns += critical_ns
        if usage is not None:
            self.usage = self.usage.plus(usage)

    def take_row(self, number: int, row: Row, critical_ns: int) -> None:
        """Add one span."""
        self.take(number, critical_ns, row.usage)
        if row.cost_usd is not None or (row.usage is not None and row.usage.total):
            self.money.add(row.cost_usd)

    def call_of(self, row: Row) -> None:
        """Count the call that a span stands for."""
        self.call(row.end_ns - row.start_ns, has_failed="error" in row.marks)

    def group(self, name: str, role: Role | None) -> Group:
        """Return the figures."""
        known = self.money.known
        return Group(
            name=name,
            role=role,
            runs=self.runs,
            calls=len(self.lengths),
            errors=self.errors,
            latency=spread(sorted(self.lengths)),
            critical_ns=self.critical_ns,
            usage=self.usage,
            cost_usd=Decimal(0) if known is None and self.money.is_whole else known,
            is_cost_whole=self.money.is_whole,
            run_cost=spread(sorted(self.costs)),
        )


class Findings:
    """The findings so far, by rule and component."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Recurring] = {}

    def add(self, findings: Iterable[Finding]) -> None:
        """Add the findings of one run; several of one kind in it count as one run."""
        seen = set()
        for finding in findings:
            key = finding.rule, finding.component
            one = Recurring(
                rule=finding.rule,
                component=finding.component,
                title=finding.title,
                impact=finding.impact,
                runs=int(key not in seen),
                saving_ns=finding.saving_ns,
                saving_usd=finding.saving_usd,
            )
            seen.add(key)
            self._found[key] = _joined(self._found[key], one) if key in self._found else one

    def frozen(self) -> tuple[Recurring, ...]:
        """Return them by impact, then by saving, then by the number of runs."""
        return tuple(
            sorted(
                self._found.values(),
                key=lambda found: (
                    IMPACTS.index(found.impact),
                    -(found.saving_ns or 0),
                    -(found.saving_usd or 0),
                    -found.runs,
                    found.rule,
                    found.component,
                ),
            )
        )


def groups(tallies: dict[tuple[str, Role | None], Tally]) -> tuple[Group, ...]:
    """Return the figures of several groups, the most waited for first."""
    found = [tally.group(name, role) for (name, role), tally in tallies.items()]
    return tuple(sorted(found, key=lambda group: (-group.critical_ns, group.name, group.role or "")))


def spread(ordered: Sequence[Any]) -> Spread[Any] | None:
    """Return the percentiles of sorted figures; None where there are none."""
    if not ordered:
        return None
    p50, p95, p99 = (quantile(ordered, percent) for percent in (50, 95, 99))
    return Spread(len(ordered), p50, p95, p99, ordered[-1])


def _joined(one: Recurring, other: Recurring) -> Recurring:
    # The words are those of the gravest run; the text decides between equals, so that order does not matter.
    first = min(one, other, key=lambda found: (IMPACTS.index(found.impact), found.title))
    return Recurring(
        rule=one.rule,
        component=one.component,
        title=first.title,
        impact=first.impact,
        runs=one.runs + other.runs,
        saving_ns=_sum(one.saving_ns, other.saving_ns),
        saving_usd=_sum(one.saving_usd, other.saving_usd),
    )


def _sum(one: Any, other: Any) -> Any:
    """Return the sum of what is known."""
    if one is None or other is None:
        return other if one is None else one
    return one + other if isinstance(one, int) else _EXACT.add(one, other)
