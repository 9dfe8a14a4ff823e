"""What a report adds to the spans of its trace: attributes, on copies of the spans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import format_span_id

from otel_agentprof import semconv
from otel_agentprof.processor.run_attributes import Extra, over, sums, time_on_path, whole_trace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.report.report import Report, Row


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
    on_path = time_on_path(report)
    extras = {row.span_id: _place_on_path(row, on_path[row.span_id], report) for row in report.waterfall}
    for span_id, subtree in _subtrees(report.waterfall).items():
        extras[span_id].update(sums(subtree.cost_usd, subtree.usage))
    if report.root_span_id is not None:
        extras.setdefault(report.root_span_id, {}).update(whole_trace(report))
    return extras


def _place_on_path(row: Row, self_ns: int, report: Report) -> Extra:
    extra: Extra = {semconv.CRITICAL_PATH_SELF: self_ns, semconv.CRITICAL_PATH_ROLE: row.role}
    if report.duration_ns > 0:
        extra[semconv.CRITICAL_PATH_SHARE] = round(self_ns / report.duration_ns, 6)
    if self_ns:
        extra.update(over(semconv.CRITICAL_PATH_OVER, self_ns, semconv.TIME_LIMITS))
    return extra


@dataclass(slots=True, eq=False)
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


def _with_attributes(span: ReadableSpan, extra: Mapping[str, str | float]) -> ReadableSpan:
    """Return a copy with more attributes; the span itself belongs to every processor in the pipeline."""
    attributes = _merged(span, extra)
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


def _merged(span: ReadableSpan, extra: Mapping[str, str | float]) -> BoundedAttributes:
    """Return the attributes of a span and more; what the SDK has checked once is not checked again."""
    checked = getattr(getattr(span, "_attributes", None), "_dict", None)
    if checked is None:  # a span of somebody else's making, or another SDK than the ones that we know
        return BoundedAttributes(None, {**(span.attributes or {}), **extra}, immutable=True)
    merged = BoundedAttributes(None, None, immutable=True)
    merged._dict = {**checked, **extra}  # noqa: SLF001 - a third of the enrichment's time otherwise
    return merged
