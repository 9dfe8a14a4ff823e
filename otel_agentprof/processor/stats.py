"""What the processor did so far, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.instrumentation import fingerprints


@dataclass(frozen=True, slots=True)
class ProcessorStats:
    """A snapshot of the counters of one processor. Spans that are still waiting in the queue count nowhere.

    Attributes:
        seen: Ended spans that came in, but for those that ``on_report`` made.
        forwarded: Spans for the next processor, enriched or not.
        late: Spans that ended after their trace had been handed on; no report knows them.
        dropped: Spans left out of every report, by the limit that was reached. With a next processor they
            were forwarded as they were. ``shutdown``: the process ended before their turn came.
        lost: Spans forwarded that the backend will not have, by reason: ``next_queue`` (the batch processor
            behind ours had no room), ``export`` (not sent). The second is known of a
            :class:`BoundedSpanExporter` only, which is what ``instrument()`` sets up.
        partial: Traces of which there is a part only: silent for too long, over a limit, or the process ended
            before their root did. Their reports say what is missing; they get no analysis span.
        reports: Reports made.
        failures: Exceptions of the analysis, of callbacks and of the next processor, all contained.
        without_fingerprint: Calls of this process, seen here or not, that have no fingerprint although they
            should, by reason: ``not_by_value`` (objects that only their address tells apart), ``too_large``,
            ``late`` (not ready when the call ended). Whether they repeat others is not known.
    """

    seen: int
    forwarded: int
    late: int
    dropped: Mapping[str, int]
    lost: Mapping[str, int]
    partial: int
    reports: int
    failures: int
    without_fingerprint: Mapping[fingerprints.Reason, int]
