"""Pure functions from a SpanTree to frozen results."""

from __future__ import annotations

from otel_agentprof.analysis.concurrency import InFlight, in_flight
from otel_agentprof.analysis.costs import Price, costs
from otel_agentprof.analysis.critical_path import Segment, critical_path
from otel_agentprof.analysis.finding import Confidence, Finding, Impact
from otel_agentprof.analysis.findings import findings
from otel_agentprof.analysis.forward import Forward, forward
from otel_agentprof.analysis.outline import Outline, outline
from otel_agentprof.analysis.rules import RULES
from otel_agentprof.analysis.slack import drag, slack
from otel_agentprof.analysis.statistics import Statistics, by_role, statistics_by
from otel_agentprof.analysis.trace import Trace, measure
from otel_agentprof.analysis.waterfall import Mark, Row, waterfall
from otel_agentprof.analysis.whatif import WhatIf, what_if
from otel_agentprof.analysis.windows import Windows, windows

__all__ = [
    "RULES",
    "Confidence",
    "Finding",
    "Forward",
    "Impact",
    "InFlight",
    "Mark",
    "Outline",
    "Price",
    "Row",
    "Segment",
    "Statistics",
    "Trace",
    "WhatIf",
    "Windows",
    "by_role",
    "costs",
    "critical_path",
    "drag",
    "findings",
    "forward",
    "in_flight",
    "measure",
    "outline",
    "slack",
    "statistics_by",
    "waterfall",
    "what_if",
    "windows",
]
