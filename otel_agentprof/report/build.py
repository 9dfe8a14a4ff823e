"""From a tree of spans to the Report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_agentprof.config import Config
    from otel_agentprof.model.tree import SpanTree
    from otel_agentprof.report.report import Report


def build(tree: SpanTree, config: Config | None = None) -> Report:
    """Return the report of one trace."""
    raise NotImplementedError
