"""Who wants to see spans start and end at once, on the thread that they do so: nobody, unless switched on.

The SpanProcessor shows every span to every listener. With no listener that costs no call.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, Span


class SpanListener(Protocol):
    """Sees spans on the user's threads: quick, and without waiting for anything."""

    def started(self, span: Span) -> None:
        """See a span that has just started."""
        ...

    def ended(self, span: ReadableSpan) -> None:
        """See a span that has just ended."""
        ...


class Listeners:
    """The listeners of this process.

    Attributes:
        present: All of them; replaced as a whole, so that it can be read without a lock.
    """

    def __init__(self) -> None:
        self.present: tuple[SpanListener, ...] = ()
        self._lock = threading.Lock()

    def add(self, listener: SpanListener) -> None:
        """Show spans to a listener from now on."""
        with self._lock:
            self.present = (*(one for one in self.present if one is not listener), listener)

    def remove(self, listener: SpanListener) -> None:
        """Show it none any more."""
        with self._lock:
            self.present = tuple(one for one in self.present if one is not listener)


LISTENERS = Listeners()
