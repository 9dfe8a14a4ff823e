"""What happens to spans that leave the buffer: analysed, told about, forwarded. Runs on the worker thread."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from otel_agentprof.processor import analysis_span
from otel_agentprof.processor.enrichment import enriched
from otel_agentprof.processor.left_out import note
from otel_agentprof.processor.metrics import Meters
from otel_agentprof.processor.spans import is_sampled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Tracer

    from otel_agentprof.config import Config
    from otel_agentprof.model import span as model
    from otel_agentprof.model.tree import SpanTree
    from otel_agentprof.processor.buffer import Handover
    from otel_agentprof.processor.failures import Failures
    from otel_agentprof.processor.next_processor import NextProcessor
    from otel_agentprof.report.report import Report


class Outlet:
    """The way out of the processor.

    Attributes:
        on_report: Called with each report.
        tracer: Sends the analysis spans; None: the pipeline that each trace came from.
        meters: Where figures of runs go.
        report_count: Reports made.
        has_no_time: The process is about to end: nothing is analysed any more.
        skipped: Spans that got into no report, by reason: ``shutdown``, or the limit that cut their trace
            where nobody asks for reports of a part.
    """

    def __init__(
        self,
        next_processor: NextProcessor | None,
        on_report: Callable[[Report], object] | None,
        config: Config,
        failures: Failures,
        tracer: Tracer | None = None,
        meters: Meters | None = None,
    ) -> None:
        """Lead to the next processor, where there is one, and to the callback."""
        self.tracer = tracer
        self.meters = meters or Meters()
        self.report_count = 0
        self.has_no_time = False
        self.skipped: Counter[str] = Counter()
        self._next = next_processor
        self.on_report = on_report
        self._config = config
        self._failures = failures

    def finish(self, handover: Handover) -> None:
        """Do with the spans all that is to be done with them; never raises an Exception."""
        tree, report = None, None
        if self._is_wanted(handover):
            if self.has_no_time:
                self.skipped["shutdown"] += len(handover.spans)
            else:
                tree = self._tree_of(self._converted(handover))
                report = None if tree is None else self._report_of(tree, _notes(handover))
        elif handover.limit is not None:
            self.skipped[handover.limit] += len(handover.spans)
        if self._next is not None:
            self._next.forward(self._enriched(handover, tree, report), may_wait=True)
        if report is not None and not self._forwards(handover):
            self._emit(handover, report)
        if report is not None and handover.outcome == "complete" and handover.root is not None:
            with self._failures.contained("the metrics of a run"):
                self.meters.record(report, handover.spans, handover.root)
        if report is not None and self.on_report is not None:
            with self._failures.contained("an on_report callback"):
                self.on_report(report)

    def analyse(self, spans: Sequence[model.Span], notes: Sequence[tuple[str, str]]) -> Report | None:
        """Return the report of some spans, None when that failed; ``notes`` are (code, message)."""
        tree = self._tree_of(spans)
        return None if tree is None else self._report_of(tree, notes)

    def _report_of(self, tree: SpanTree, notes: Sequence[tuple[str, str]]) -> Report | None:
        with self._failures.contained("the analysis of a trace"):
            from otel_agentprof.report.build import build  # noqa: PLC0415 - not needed before the first report

            report = build(tree, self._config, notes)
            self.report_count += 1
            return report
        return None

    def _is_wanted(self, handover: Handover) -> bool:
        """Whether anybody will see a report of these spans."""
        if handover.outcome == "bare":
            return False
        if self.on_report is not None:
            return True
        if handover.outcome == "complete" and (self._next is not None or self.meters.metrics is not None):
            return True
        return not self._forwards(handover) and self._is_emitted(handover)

    def _forwards(self, handover: Handover) -> bool:
        """Whether the trace goes to the next processor; one of another provider's goes its own way."""
        return self._next is not None and (handover.root is None or self._next.takes(handover.root))

    def _is_emitted(self, handover: Handover) -> bool:
        """Whether the trace gets a span of ours: it is whole, has more than one span, and may be exported."""
        if handover.limit is not None or not self._config.emit_analysis_span:
            return False
        root = handover.root
        return root is not None and is_sampled(root) and len(handover.spans) > 1

    def _converted(self, handover: Handover) -> Sequence[model.Span]:
        with self._failures.contained("the conversion of a trace"):
            from otel_agentprof.readers.sdk import span_of  # noqa: PLC0415 - not needed before the first report

            return [span_of(span, handover.lanes) for span in (*handover.spans, *handover.open_spans)]
        return ()

    def _tree_of(self, spans: Sequence[model.Span]) -> SpanTree | None:
        with self._failures.contained("the analysis of a trace"):
            from otel_agentprof.model.tree import SpanTree  # noqa: PLC0415 - not needed before the first report

            return SpanTree.from_spans(spans) if spans else None
        return None

    def _enriched(
        self, handover: Handover, tree: SpanTree | None, report: Report | None
    ) -> Sequence[ReadableSpan]:
        spans = handover.spans[handover.sent :]
        if tree is not None and report is not None and handover.outcome == "complete":
            with self._failures.contained("the enrichment of a trace"):
                from otel_agentprof.analysis.slack import slack  # noqa: PLC0415 - as above

                spans = enriched(spans, report, slack(tree), handover.lanes)
        return spans

    def _emit(self, handover: Handover, report: Report) -> None:
        root = handover.root
        if root is not None and self._is_emitted(handover):
            with self._failures.contained("the analysis span"):
                analysis_span.emit(report, root, self.tracer or analysis_span.tracer_for(handover.origin))


def _notes(handover: Handover) -> Sequence[tuple[str, str]]:
    if handover.limit is None:
        return ()
    return (note(handover.limit, handover.left_out, is_given_up=handover.is_given_up),)
