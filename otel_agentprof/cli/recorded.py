"""What a recorded program left: all its spans as one trace below the span of the run.

run agent.py         <- ours
  research           <- the program's first trace
  chat gpt-4o        <- another trace of it: a call that no span of the program was around
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import time_ns
from typing import TYPE_CHECKING, Final

from otel_agentprof import pricing, semconv
from otel_agentprof.cli.output import write_file
from otel_agentprof.config import Config
from otel_agentprof.errors import UnreadableTraceError
from otel_agentprof.model.span import Link, Span
from otel_agentprof.model.tree import SpanTree
from otel_agentprof.readers import read_spans
from otel_agentprof.report import otlp_lines
from otel_agentprof.report.build import build

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from otel_agentprof.instrumentation.fingerprints import Reason
    from otel_agentprof.report.report import Report

ABRUPTLY: Final = "without its exit handlers (os._exit, exec or a signal)"
_MOST_LINKS: Final = 128  # to the traces that were put together; OpenTelemetry's own limit
_WHY_NOT: Final[dict[Reason, str]] = {
    "not_by_value": "with arguments that cannot be told by their value",
    "too_large": "too large",
    "late": "over before it was found",
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """The spans of one run, the run itself first, and what is to be said about them.

    Attributes:
        has_ended: Whether the interpreter ran its exit handlers, which save what is left.
    """

    spans: tuple[Span, ...]
    notes: tuple[tuple[str, str], ...]
    has_ended: bool

    @property
    def is_empty(self) -> bool:
        """Whether the program left no span of its own."""
        return len(self.spans) == 1

    def report(self) -> Report:
        """Return the report of the run."""
        settings = Config.from_env()
        pricing.configure(settings.prices)
        return build(SpanTree.from_spans(self.spans), settings, self.notes)

    def save(self, path: Path) -> None:
        """Write the spans as OTLP JSON lines.

        Raises:
            AgentProfError: The file cannot be written.
        """
        write_file(path, (f"{line}\n" for line in otlp_lines.render(self.spans)))


def load(path: str, *, name: str) -> Recorded | None:
    """Return what is in a recording, under a root of that name; None where the recording never began."""
    ended_ns = time_ns()
    try:
        loaded = read_spans(path)
    except UnreadableTraceError:
        return None
    marks = [span for span in loaded.spans if span.scope == semconv.RUN_SCOPE]
    # Of a span that was written while open and again at its end, the later one counts.
    own = list({span.span_id: span for span in loaded.spans if span.scope != semconv.RUN_SCOPE}.values())
    if not marks:
        return None
    notes = list(loaded.notes)
    has_ended = marks[-1].end_ns is not None
    if not has_ended:
        notes.append(("killed", f"the program ended {ABRUPTLY}: its last second may be missing"))
    if dropped := marks[-1].attributes.get(semconv.DROPPED_SPANS):
        notes.append(
            (
                "dropped_spans",
                f"{dropped:,} spans left out: over OTEL_AGENTPROF_MAX_SPANS_PER_TRACE, or the disk full",
            )
        )
    if without := _without_fingerprint(marks[-1]):
        notes.append(("no_fingerprint", without))
    spans = _as_one_trace(replace(marks[-1], name=name), own, ended_ns)
    return Recorded(spans, tuple(notes), has_ended)


def _without_fingerprint(run: Span) -> str:
    """Return for how many calls nobody can say whether they repeat others, and why; "" for none."""
    counts = {
        why: run.attributes.get(f"{semconv.WITHOUT_FINGERPRINT}{reason}") for reason, why in _WHY_NOT.items()
    }
    total = sum(filter(None, counts.values()))
    if not total:
        return ""
    calls = "1 call has" if total == 1 else f"{total:,} calls have"
    reasons = "; ".join(f"{count:,} {why}" for why, count in counts.items() if count)
    return f"{calls} no fingerprint, so repeated work may be missed: {reasons}"


def _as_one_trace(run: Span, spans: Sequence[Span], ended_ns: int) -> tuple[Span, ...]:
    """Return all spans below the run, under the id of the program's first trace."""
    first = min(spans, key=lambda span: span.start_ns, default=run)
    tops = [span for span in spans if span.parent_span_id is None]
    others = [Link(span.trace_id, span.span_id) for span in tops if span.trace_id != first.trace_id]
    end_ns = ended_ns if run.end_ns is None else run.end_ns
    root = replace(
        run,
        trace_id=first.trace_id,
        end_ns=max(end_ns, run.start_ns),
        links=tuple(others[:_MOST_LINKS]),
        resource=first.resource,
    )
    below = (
        replace(
            span,
            trace_id=root.trace_id,
            parent_span_id=root.span_id if span.parent_span_id is None else span.parent_span_id,
        )
        for span in spans
    )
    return (root, *below)
