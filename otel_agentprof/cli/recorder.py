"""Keeps the spans of a program in a file while it runs, so that they outlive whatever ends it.

    on_start, on_end -> queue -> a thread, twice a second -> OTLP JSON lines

A span that is open for a second is written too, and once more when it ends: of two the later one counts.
The first line is the span of the whole run, still open; the last one is the same span, ended. It has no
children yet: the program's own spans stay as they are, and whoever reads the file puts them below it.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections import deque
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace import SpanProcessor

from otel_agentprof import semconv
from otel_agentprof.instrumentation import fingerprints
from otel_agentprof.model.span import Span
from otel_agentprof.processor.spans import is_analysis_span
from otel_agentprof.readers.sdk import spans_of
from otel_agentprof.report import otlp_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk import trace as sdk

_PERIOD_S: Final = 0.5
_STOP_TIMEOUT_S: Final = 5.0


class Recorder(SpanProcessor):
    """Sees the spans of every provider of the program; it outlives their shutdown."""

    def __init__(self, path: str, *, limit: int) -> None:
        """Write to ``path``, at most ``limit`` spans; the clock of the run starts now."""
        self._path = Path(path)
        self._limit = limit
        self._count = 0
        self._dropped = 0
        self._pid = os.getpid()
        self._waiting: deque[sdk.ReadableSpan] = deque()
        self._open: dict[int, sdk.Span] = {}
        self._written_open: set[int] = set()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._run = _run_span({}, end_ns=None)
        self._write([self._run])

    def on_start(self, span: sdk.Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 - not needed
        """Note a span that may never end."""
        if span.context is not None and len(self._open) < self._limit:
            self._open[span.context.span_id] = span
        if self._thread is None:
            self._start()

    def on_end(self, span: sdk.ReadableSpan) -> None:
        """Take a span; the program's thread does no more than that."""
        if span.context is not None:
            self._open.pop(span.context.span_id, None)
            self._written_open.discard(span.context.span_id)
        if is_analysis_span(span):
            return
        if self._count >= self._limit:
            self._dropped += 1
            return
        self._count += 1
        self._waiting.append(span)
        if os.getpid() != self._pid:  # a forked child has no thread and often no orderly end
            self._drain()
        elif self._thread is None:
            self._start()

    def shutdown(self) -> None:
        """Go on: a provider that is shut down is not the end of the program."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - as the SDK calls it
        """Return True: nothing here is in anybody's way."""
        return True

    def close(self) -> None:
        """Write what is left, spans that never ended too, and the end of the run."""
        if os.getpid() != self._pid:
            return
        ended_ns = time_ns()
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(_STOP_TIMEOUT_S)
        self._drain()
        self._write([span for span in tuple(self._open.values()) if not is_analysis_span(span)])
        losses = {
            f"{semconv.WITHOUT_FINGERPRINT}{reason}": count
            for reason, count in fingerprints.without().items()
        }
        if self._dropped:
            losses[semconv.DROPPED_SPANS] = self._dropped
        self._write([_run_span(losses, end_ns=ended_ns, begun=self._run)])

    def _start(self) -> None:
        # A finaliser or a signal handler may start a span in the middle of this: then it does not wait.
        if os.getpid() != self._pid or not self._lock.acquire(blocking=False):
            return
        try:
            if self._thread is None and not self._stopped.is_set():
                thread = threading.Thread(target=self._work, name="agentprof-recorder", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the interpreter is about to end: close() writes all
                    return
                self._thread = thread
        finally:
            self._lock.release()

    def _work(self) -> None:
        earlier: set[int] = set()
        while not self._stopped.wait(_PERIOD_S):
            self._drain()
            still_open = dict(self._open)
            late = (still_open.keys() & earlier) - self._written_open
            self._written_open |= late
            self._write([still_open[span_id] for span_id in late])
            earlier = set(still_open)

    def _drain(self) -> None:
        spans = []
        try:
            while True:
                spans.append(self._waiting.popleft())
        except IndexError:  # two threads may be at it
            self._write(spans)

    def _write(self, spans: Sequence[sdk.ReadableSpan | Span]) -> None:
        if not spans:
            return
        # The file is opened each time: the program may close descriptors that it does not know.
        try:
            lines = "".join(f"{line}\n" for line in otlp_lines.render(spans_of(spans)))
            with self._path.open("ab") as file:
                file.write(lines.encode())
        except Exception:  # noqa: BLE001 - a full disk, a spoilt span: nothing of it is the program's concern
            self._dropped += len(spans)


def _run_span(losses: Mapping[str, int], *, end_ns: int | None, begun: Span | None = None) -> Span:
    return Span(
        trace_id=begun.trace_id if begun else secrets.token_hex(16),
        span_id=begun.span_id if begun else secrets.token_hex(8),
        parent_span_id=None,
        name="run",
        start_ns=begun.start_ns if begun else time_ns(),
        end_ns=end_ns,
        attributes={semconv.ROLE: "step", **losses},
        scope=semconv.RUN_SCOPE,
    )
