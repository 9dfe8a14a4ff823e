"""What a report adds to the spans of its trace: attributes, on copies of the spans."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import format_span_id

from otel_agentprof import semconv

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.report.report import Report, Row

Extra = dict[str, str | int | float]
_LONGEST_TEXT = 500


def whole_trace(report: Report) -> Extra:
    """Return the results that are about the trace as a whole, each of them small."""
    extra: Extra = {
        semconv.ANALYSIS_DURATION: report.duration_ns,
        semconv.ANALYSIS_SPAN_COUNT: report.span_count,
        semconv.ANALYSIS_FINDING_COUNT: len(report.findings),
        **_sums(report.cost_usd, report.usage),
    }
    for role, statistics in report.by_role.items():
        extra[semconv.CRITICAL_PATH_OF_ROLE.format(role=role)] = statistics.critical_ns
    if report.findings:
        extra[semconv.ANALYSIS_TOP_FINDING] = report.findings[0].title[:_LONGEST_TEXT]
    return extra


def enriched(
    spans: Iterable[ReadableSpan], report: Report, slack: Mapping[str, int], lanes: Mapping[int, str]
) -> list[ReadableSpan]:
    """Return copies of spans with what was found about each of them.

    Args:
        spans: The spans of one trace.
        report: Its report.
        slack: How much later each span could end for nothing, in ns, by span id.
        lanes: Thread and task, by span id.
    """
    extras = _extras(report)
    for span_hex, slack_ns in slack.items():
        extras.setdefault(span_hex, {})[semconv.SLACK] = slack_ns
    for span_id, lane in lanes.items():
        extras.setdefault(format_span_id(span_id), {})[semconv.LANE] = lane
    return [
        _with_attributes(span, extras.get(format_span_id(span.context.span_id), {})) if span.context else span
        for span in spans
    ]


def _extras(report: Report) -> dict[str, Extra]:
    critical_ns: Counter[str | None] = Counter()
    for step in report.critical_path:
        critical_ns[step.span_id] += step.end_ns - step.start_ns
    extras: dict[str, Extra] = {
        row.span_id: {semconv.CRITICAL_PATH_SELF: critical_ns[row.span_id]} for row in report.waterfall
    }
    for span_id, subtree in _subtrees(report.waterfall).items():
        extras[span_id].update(_sums(subtree.cost_usd, subtree.usage))
    if report.root_span_id is not None:
        extras.setdefault(report.root_span_id, {}).update(whole_trace(report))
    return extras


@dataclass(slots=True)
class _Subtree:
    """Tokens and money of a row and of everything below it; None: no call with them has been seen."""

    usage: TokenUsage | None = None
    cost_usd: Decimal | None = None

    def add(self, usage: TokenUsage | None, cost_usd: Decimal | None) -> None:
        if usage is not None:
            self.usage = usage if self.usage is None else self.usage.plus(usage)
        if cost_usd is not None:
            self.cost_usd = cost_usd if self.cost_usd is None else self.cost_usd + cost_usd


def _subtrees(rows: Iterable[Row]) -> dict[str, _Subtree]:
    """Return the sums of all rows that have rows below them; rows come depth first."""
    found: dict[str, _Subtree] = {}
    above: list[tuple[str, _Subtree]] = []

    def close(depth: int) -> None:
        while len(above) > depth:
            _, finished = above.pop()
            if above:
                parent_id, parent = above[-1]
                parent.add(finished.usage, finished.cost_usd)
                found[parent_id] = parent

    for row in rows:
        close(row.depth)
        above.append((row.span_id, _Subtree(row.usage, row.cost_usd)))
    close(0)
    return found


def _sums(cost_usd: Decimal | None, usage: TokenUsage | None) -> Extra:
    extra: Extra = {}
    has_usage = usage is not None and usage.total > 0
    if cost_usd is not None and (cost_usd or has_usage):
        extra[semconv.SUBTREE_COST] = float(cost_usd)
    if usage is not None and has_usage:
        extra[semconv.SUBTREE_INPUT_TOKENS] = usage.input
        extra[semconv.SUBTREE_OUTPUT_TOKENS] = usage.output
    return extra


def _with_attributes(span: ReadableSpan, extra: Mapping[str, str | float]) -> ReadableSpan:
    """Return a copy with more attributes; the span itself belongs to every processor in the pipeline."""
    attributes = BoundedAttributes(None, {**(span.attributes or {}), **extra}, immutable=True)
    attributes.dropped = span.dropped_attributes
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        # The public views are plain tuples, which no longer know how many entries were dropped.
        events=getattr(span, "_events", span.events),
        links=getattr(span, "_links", span.links),
        kind=span.kind,
        instrumentation_info=getattr(span, "_instrumentation_info", None),
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
