"""Spans on their way to a backend: in requests that it takes, and with a count of what it did not take.

A gRPC server refuses a request of more than 4 MiB, and the whole batch is lost; the SDK's batches are
limited by their number of spans only.

    512 spans --> 3.4 MiB | 2.9 MiB | one span of 7 MiB, alone    (nothing is cut)
"""

from __future__ import annotations

import contextlib
import logging
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

_LOGGER = logging.getLogger(__name__)
_MAX_REQUEST_BYTES: Final = 4 * 1024 * 1024 - 256 * 1024  # the rest is for the resource and what is around it
_LAST_CHANCE_S: Final = 5.0  # without any success, once the process is about to end
_LAST_CHANCE_OF_FAILING_S: Final = 2.0
_POLL_S: Final = 0.05
_SPAN_BYTES: Final = 128  # ids, times, status and the lengths that stand before them
_ENTRY_BYTES: Final = 32  # the same for an attribute, an event or a link
_ID_BYTES: Final = 32


class BoundedSpanExporter(SpanExporter):
    """Gives spans to another exporter in requests of less than 4 MiB, and counts what was lost.

    Nothing is cut: a span that is larger than that goes alone.

        BatchSpanProcessor(BoundedSpanExporter(OTLPSpanExporter()))

    Attributes:
        sent_count: Spans that the other exporter has sent.
        lost_count: Spans that it could not send.
    """

    def __init__(self, exporter: SpanExporter, *, max_request_bytes: int = _MAX_REQUEST_BYTES) -> None:
        """Send with ``exporter``, in requests of about ``max_request_bytes`` at most."""
        self.sent_count = 0
        self.lost_count = 0
        self._exporter = exporter
        self._max_request_bytes = max_request_bytes
        self._is_failing = False
        self._is_sending = False
        self._has_one_try = False
        self._over = threading.Event()
        self._last_success_s = 0.0
        self._lost_before = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; FAILURE when any request failed. Never raises an Exception."""
        results = [self._send(request) for request in _requests(spans, self._max_request_bytes)]
        return SpanExportResult.SUCCESS if all(results) else SpanExportResult.FAILURE

    def hurry(self) -> None:
        """Let nobody wait long for a backend that does not take spans: the process is about to end."""
        patience_s = _LAST_CHANCE_OF_FAILING_S if self._is_failing else _LAST_CHANCE_S
        watching = threading.Thread(
            target=self._watch_end, args=(patience_s,), name="agentprof exporter", daemon=True
        )
        try:
            watching.start()
        except RuntimeError:  # Python 3.12 starts none any more once the interpreter is about to end
            self._has_one_try = True
            if self._is_failing:
                self._give_up()

    def shutdown(self) -> None:
        """Shut the other exporter down; an attempt that is waiting for its next try ends."""
        if not self._over.is_set():
            self._over.set()
            self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the other exporter; here nothing is kept."""
        return self._exporter.force_flush(timeout_millis) is not False  # many return nothing

    def _watch_end(self, patience_s: float) -> None:
        """Shut down when something is being sent and nothing has been for some seconds."""
        began_s = monotonic()
        while not self._over.wait(_POLL_S):
            if not self._is_sending:
                began_s = monotonic()
            elif monotonic() - max(began_s, self._last_success_s) > patience_s:
                self._give_up()

    def _give_up(self) -> None:
        with contextlib.suppress(Exception):  # nobody could do anything about it any more
            self.shutdown()

    def _send(self, spans: Sequence[ReadableSpan]) -> bool:
        count = len(spans)  # not within a sum: another thread may add while a function is called
        if self._over.is_set():
            self.lost_count += count
            return False
        error: Exception | None = None
        self._is_sending = True
        try:
            is_sent = self._exporter.export(spans) is SpanExportResult.SUCCESS
        except Exception as raised:  # noqa: BLE001 - whatever an exporter raises, its spans are lost
            is_sent, error = False, raised
        finally:
            self._is_sending = False
        self._note(count, error, is_sent=is_sent)
        return is_sent

    def _note(self, count: int, error: Exception | None, *, is_sent: bool) -> None:
        """Count, and tell of the beginning and the end of an outage, not of each batch."""
        if is_sent:
            self._last_success_s = monotonic()
            self.sent_count += count
            if self._is_failing:
                _LOGGER.info("spans are exported again; %d were lost", self.lost_count - self._lost_before)
        else:
            if not self._is_failing:
                self._lost_before = self.lost_count
                _LOGGER.warning("spans cannot be exported; those that are lost are counted", exc_info=error)
            self.lost_count += count
        self._is_failing = not is_sent
        if self._is_failing and self._has_one_try:
            self._give_up()


def _requests(spans: Sequence[ReadableSpan], max_bytes: int) -> Iterator[Sequence[ReadableSpan]]:
    request: list[ReadableSpan] = []
    size = 0
    for span in spans:
        more = wire_size(span)
        if request and size + more > max_bytes:
            yield request
            request, size = [], 0
        request.append(span)
        size += more
    if request:
        yield request


def wire_size(span: ReadableSpan) -> int:
    """Return about how many bytes a span has as OTLP, rather too many than too few."""
    size = _SPAN_BYTES + _text_size(span.name) + _text_size(span.status.description or "")
    if span.context is not None and span.context.trace_state:
        size += sum(len(key) + len(value) + 2 for key, value in span.context.trace_state.items())
    size += _attributes_size(span.attributes)
    for event in span.events:
        size += _ENTRY_BYTES + _text_size(event.name) + _attributes_size(event.attributes)
    for link in span.links:
        size += _ENTRY_BYTES + _ID_BYTES + _attributes_size(link.attributes)
    return size


def _attributes_size(attributes: Mapping[str, Any] | None) -> int:
    if not attributes:
        return 0
    # The SDK's mappings go through Python for each item; their copies are dicts.
    items: dict[str, Any] = attributes.copy() if hasattr(attributes, "copy") else dict(attributes)
    size = _ENTRY_BYTES * len(items)
    for key, value in items.items():
        size += len(key) if key.isascii() else _text_size(key)
        kind = type(value)
        if kind is str:
            size += len(value) if value.isascii() else _text_size(value)
        elif kind is not int and kind is not float and kind is not bool:
            size += _value_size(value)
    return size


def _value_size(value: Any) -> int:
    """Return the bytes of a value and all that is nested in it."""
    size, todo = 0, [value]
    while todo:
        value = todo.pop()
        if isinstance(value, str):
            size += _text_size(value)
        elif isinstance(value, bytes):
            size += len(value)
        elif isinstance(value, dict):
            todo += value.keys()
            todo += value.values()
            size += _ENTRY_BYTES * len(value)
        elif isinstance(value, list | tuple):
            todo += value
            size += _ENTRY_BYTES * len(value)
    return size


def _text_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
