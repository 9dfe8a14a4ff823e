"""How fast and how reliable each model has been in this process lately, by the spans of its calls."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof.optimize.ended_calls import call_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import ReadableSpan, Span

_MOST_MODELS: Final = 256
_MOST_CALLS: Final = 200  # of a model: what was long ago says little of now
_LIMITED: Final = 429
_LIMITED_WORDS: Final = ("rate_limit", "ratelimit", "toomanyrequests", "throttl", "overloaded")


class _Seen(NamedTuple):
    duration_ns: int
    is_failed: bool
    is_limited: bool
    at: float


@dataclass(frozen=True, slots=True)
class Record:
    """The last calls of a model.

    Attributes:
        calls: How many.
        failed: How many of them failed.
        p50_ms: Median time of those that did not fail; None where none did not.
        p95_ms: Their 95th percentile.
        limited_s: Seconds since the provider last refused one for its rate; None for never.
    """

    calls: int = 0
    failed: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    limited_s: float | None = None

    @property
    def error_ratio(self) -> float:
        """Share of the calls that failed."""
        return self.failed / self.calls if self.calls else 0.0


class ObservedModels:
    """The last calls of each model; a listener of spans. Takes no lock in a span's thread."""

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._models: OrderedDict[str, deque[_Seen]] = OrderedDict()

    def started(self, span: Span) -> None:
        """See a span that has just started: nothing to learn yet."""

    def ended(self, span: ReadableSpan) -> None:
        """See a span that has just ended."""
        call = call_of(span)
        if call is None or call.role != "llm" or (model := call.asked or call.model) is None:
            return
        self.note(model, call.duration_ns, error=call.error, status_code=call.status_code)

    def note(
        self, model: str, duration_ns: int, *, error: str | None = None, status_code: int | None = None
    ) -> None:
        """Note a call that is over."""
        said = "" if error is None else error.lower()
        is_limited = status_code == _LIMITED or any(word in said for word in _LIMITED_WORDS)
        seen = self._models.setdefault(model, deque(maxlen=_MOST_CALLS))
        seen.append(_Seen(duration_ns, error is not None, is_limited, self._clock()))
        if len(self._models) > _MOST_MODELS:
            self._models.popitem(last=False)

    def record(self, model: str) -> Record:
        """Return how the last calls of a model went."""
        seen = list(self._models.get(model, ()))
        times = sorted(one.duration_ns for one in seen if not one.is_failed)
        limited = [one.at for one in seen if one.is_limited]
        return Record(
            calls=len(seen),
            failed=sum(one.is_failed for one in seen),
            p50_ms=_percentile_ms(times, 0.50),
            p95_ms=_percentile_ms(times, 0.95),
            limited_s=self._clock() - limited[-1] if limited else None,
        )


def _percentile_ms(times: list[int], share: float) -> float | None:
    """Return the least of the times that so many are not longer than (nearest rank)."""
    if not times:
        return None
    rank = -int(-len(times) * share // 1)  # rounded up
    return times[max(0, rank - 1)] / 1e6


OBSERVED: Final = ObservedModels()
