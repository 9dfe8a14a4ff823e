"""A stream on its way into a cache: what passes by while the user reads is kept, never read ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_agentprof.instrumentation import body, stream
from otel_agentprof.instrumentation.spec import Reply

if TYPE_CHECKING:
    from otel_agentprof.instrumentation.caching import Inquiry
    from otel_agentprof.instrumentation.engine import Engine
    from otel_agentprof.instrumentation.spec import CallSpec


def recording(engine: Engine, inquiry: Inquiry, result: Any) -> Any:
    """Return a stream behind a proxy that keeps what passes; any other result as it is."""
    proxied = None
    if result.__class__.__name__ not in body.RAW_CLASSES:
        recorder: Any = Recorder(inquiry)  # has what a proxy asks of a call
        proxied = engine.guard("cache", stream.proxy, engine, recorder, result)
    if proxied is None:
        inquiry.lookup.drop()
        return result
    inquiry.lookup.begin()
    return proxied


class Recorder:
    """Stands in for a call, to the proxy of a stream.

    Attributes:
        claim: Always None: what a budget reserved is the call's.
        hit: Never None: that an answer comes later, from another call, is the call's affair too.
        is_over: Whether the stream has ended.
        is_reading: Whether an item is being waited for.
        paused: Always None: the time is the call's affair.
        spec: The method that streams.
    """

    __slots__ = ("__weakref__", "_inquiry", "_reply", "is_over", "is_reading", "spec")
    claim = None
    hit = True
    paused = None

    def __init__(self, inquiry: Inquiry) -> None:
        self._inquiry = inquiry
        self._reply = Reply()
        self.is_over = False
        self.is_reading = False
        self.spec: CallSpec = inquiry.call.spec

    def pause(self) -> None:
        """Do nothing."""

    def take_chunk(self, item: Any) -> None:
        """Note an item, and what it says of how the stream goes."""
        self._inquiry.lookup.add(item)
        if self.spec.read_chunk is not None:
            self.spec.read_chunk(self._reply, item)

    def take_error(self, _error: BaseException) -> None:
        """Do nothing: what breaks off is not complete."""

    def end(self, *, is_complete: bool, mirrors_cost: bool) -> None:
        """Keep the stream if its last item was seen, and that was no error."""
        del mirrors_cost
        if is_complete and self._ends_well():
            self._inquiry.lookup.finish(self._inquiry.took_ns())
        else:
            self._inquiry.lookup.drop()

    def _ends_well(self) -> bool:
        """Return whether all was said: a stream that breaks off may look like one that is over."""
        reply, replay = self._reply, self._inquiry.call.provider.replay
        if reply.error is not None or (self._inquiry.needs_usage and reply.usage is None):
            return False
        has_final_event = replay is not None and replay.has_final_event
        return reply.is_final if has_final_event else bool(reply.finish_reasons)

    def measure(self, _measures: object) -> None:
        """Do nothing: the call itself is measured."""
