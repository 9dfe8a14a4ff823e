"""How fast a stream came: the first text, the gaps, the rate. On a clock that never jumps.

request |------------|t|--|t|---|t|...|t|         t: a chunk with text, .. : its reader at work
        first text       gap  gap                 gaps: only what was waited for
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv

if TYPE_CHECKING:
    from collections.abc import Callable

_CHARACTERS_PER_TOKEN: Final = 4


class StreamPace:
    """The pace of one stream, while it is read and afterwards.

    Attributes:
        time_to_first_text_s: Seconds from the request to the first text; None before that.
        chunks: Items that have come, with text or without.
        longest_gap_s: The longest that a chunk after the first text was waited for.
        told_tokens: Output tokens, where the stream tells them.
        stopped_early: Whether the predicate ended it.
        saved_tokens: Estimate of the output that was not written because of that; None: unknown.
        saved_basis: What that comes from: ``earlier_answers`` or ``max_tokens`` (at most so many).
        is_told: Whether the span of a call tells all this.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self.is_told = False
        self.time_to_first_text_s: float | None = None
        self.chunks = 0
        self.longest_gap_s = 0.0
        self.told_tokens: int | None = None
        self.stopped_early = False
        self.saved_tokens: int | None = None
        self.saved_basis: str | None = None
        self.limit_s: float | None = None
        self._clock = clock
        self._started = clock()
        self._waiting_since: float | None = None
        self._last_text: float | None = None
        self._gaps = 0
        self._gaps_s = 0.0
        self._characters = 0
        self._text: list[str] = []

    @property
    def text(self) -> str:
        """All text so far."""
        return "".join(self._text)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the request."""
        return self._clock() - self._started

    @property
    def mean_gap_s(self) -> float | None:
        """How long a chunk after the first text was waited for; None where there was none."""
        return self._gaps_s / self._gaps if self._gaps else None

    @property
    def output_tokens(self) -> int:
        """Output tokens: as told, else a quarter of the characters."""
        return self._characters // _CHARACTERS_PER_TOKEN if self.told_tokens is None else self.told_tokens

    @property
    def tokens_per_s(self) -> float | None:
        """Output tokens by the second, from the first text to the last; None for less than two texts."""
        first_s, last = self.time_to_first_text_s, self._last_text
        if first_s is None or last is None or last <= self._started + first_s:
            return None
        return self.output_tokens / (last - self._started - first_s)

    @property
    def is_stalled(self) -> bool:
        """Whether the next chunk has been waited for longer than its limit."""
        if self._waiting_since is None or self.limit_s is None:
            return False
        return self._clock() - self._waiting_since >= self.limit_s

    def wait(self, limit_s: float | None) -> None:
        """Note that something is waited for."""
        self.limit_s = limit_s
        self._waiting_since = self._clock()

    def take(self, text: str, tokens: int | None) -> None:
        """Note what has come."""
        now = self._clock()
        if self.time_to_first_text_s is not None and self._waiting_since is not None:
            gap_s = now - self._waiting_since
            self._gaps += 1
            self._gaps_s += gap_s
            self.longest_gap_s = max(self.longest_gap_s, gap_s)
        self._waiting_since = None
        self.chunks += 1
        if tokens is not None:
            self.told_tokens = tokens
        if text:
            if self.time_to_first_text_s is None:
                self.time_to_first_text_s = now - self._started
            self._last_text = now
            self._characters += len(text)
            self._text.append(text)

    def facts(self) -> dict[str, Any]:
        """Return all this as attributes."""
        facts = {
            semconv.STREAM_CHUNKS: self.chunks,
            semconv.STREAM_FIRST_TEXT: self.time_to_first_text_s,
            semconv.STREAM_MEAN_GAP: self.mean_gap_s,
            semconv.STREAM_LONGEST_GAP: self.longest_gap_s if self._gaps else None,
            semconv.STREAM_TOKENS_PER_S: self.tokens_per_s,
            semconv.STREAM_TOKENS_ESTIMATED: True if self._text and self.told_tokens is None else None,
            semconv.STREAM_STOPPED_EARLY: self.stopped_early or None,
            semconv.STREAM_STALLED: self.is_stalled or None,
            semconv.STREAM_SAVED_TOKENS: self.saved_tokens,
            semconv.STREAM_SAVED_BASIS: self.saved_basis,
        }
        return {key: value for key, value in facts.items() if value is not None}
