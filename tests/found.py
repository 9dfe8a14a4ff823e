"""What one rule finds in a drawn trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flat_prices import flat_price

from otel_agentprof.analysis import findings, measure
from otel_agentprof.config import Config

if TYPE_CHECKING:
    from otel_agentprof.analysis import Finding
    from otel_agentprof.model import SpanTree

SECOND = 1_000_000_000


def found_by(rule: str, tree: SpanTree, config: Config | None = None) -> list[Finding]:
    """Return the findings of a rule that are left after merging."""
    found = findings(measure(tree, flat_price), config or Config())
    return [finding for finding in found if finding.rule == rule]


def ids(*numbers: int) -> tuple[str, ...]:
    """Return the ids of drawn spans by the number of their row, which count from 1."""
    return tuple(f"{number:016x}" for number in numbers)
