"""So many requests and tokens in any minute, per model; who has to wait waits in line, in a span.

A window slides over what was sent: exact at any moment, where a bucket would allow twice the limit in the
first minute.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.optimize import own_spans
from otel_agentprof.optimize.parts import part

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT_SPAN: Final = "agentprof.rate_limit.wait"
_CHARACTERS_PER_TOKEN: Final = 4
_PROMPTS: Final = ("messages", "input", "prompt", "system", "instructions", "tools")
_LIMITS: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_USAGE: Final = (("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens"))


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What a provider allows for one model.

        ParallelExecutor(rate_limits={"gpt-4o": RateLimit(requests=500, tokens=30_000)})

    Attributes:
        requests: Requests in ``per_s`` seconds; None for any number.
        tokens: Tokens, input and output, likewise. What a call will take is estimated, and put right when
            its answer says what it took.
        per_s: Seconds of the window.

    Raises:
        ValueError: For less than one request or token, and a window of no time or without an end.
    """

    requests: int | None = None
    tokens: int | None = None
    per_s: float = 60.0

    def __post_init__(self) -> None:
        for name, value in (("requests", self.requests), ("tokens", self.tokens)):
            if value is not None and not value >= 1:  # nan is neither
                raise ValueError(f"{name} has to be at least 1, or None for any number; not {value!r}")
        if not 0 < self.per_s < float("inf"):
            raise ValueError(f"per_s has to be more than 0 seconds, not {self.per_s!r}")


class Limiter:
    """What was sent to one model; shared by threads and event loops."""

    def __init__(self, limit: RateLimit, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._sent: deque[list[float]] = deque()  # [when, tokens]
        self._tokens = 0.0

    def take(self, tokens: int) -> tuple[float, list[float]]:
        """Return how many seconds a call has to wait, 0 if it was let through, and its entry in the book."""
        with self._lock:
            now, limit, sent = self._clock(), self.limit, self._sent
            while sent and sent[0][0] + limit.per_s <= now:
                self._tokens -= sent.popleft()[1]
            entry = [now, float(tokens)]
            wait_s = self._wait_s(tokens, now)
            if wait_s <= 0:
                sent.append(entry)
                self._tokens += tokens
            return wait_s, entry

    def put_right(self, entry: list[float], tokens: int) -> None:
        """Note what a call has really taken."""
        with self._lock:
            if self._clock() < entry[0] + self.limit.per_s:
                self._tokens += tokens - entry[1]
                entry[1] = tokens

    def _wait_s(self, tokens: int, now: float) -> float:
        """Return when enough will have left the window; a call larger than the limit needs an empty one."""
        limit, count, held, wait_s = self.limit, len(self._sent), self._tokens, 0.0
        for when, used in self._sent:
            is_full = limit.requests is not None and count >= limit.requests
            if not is_full and (limit.tokens is None or held + tokens <= limit.tokens):
                break
            count -= 1
            held -= used
            wait_s = when + limit.per_s - now
        return wait_s


class Limits:
    """The limiters of an executor, one per model."""

    def __init__(self, limits: RateLimit | Mapping[str, RateLimit]) -> None:
        self._limits = limits
        self._limiters: dict[str, Limiter] = {}

    def of(self, model: str) -> Limiter | None:
        """Return the limiter of a model; None where it has no limit."""
        limit = self._limits.get(model) if isinstance(self._limits, Mapping) else self._limits
        return None if limit is None else self._limiters.setdefault(model, Limiter(limit))


class Line:
    """Where the calls of one run wait for their turn, first come first served."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._locks: dict[str, asyncio.Lock] = {}

    async def call(self, kwargs: Mapping[str, Any], work: Callable[[], Any]) -> Any:
        """Do some work when the limits of its model allow it."""
        model = str(kwargs.get("model") or "")
        limiter = self._limits.of(model)
        if limiter is None:
            return await work()
        entry = await self._turn(model, limiter, estimated_tokens(kwargs))
        result = await work()
        if (tokens := used_tokens(result)) is not None:
            limiter.put_right(entry, tokens)
        return result

    async def _turn(self, model: str, limiter: Limiter, tokens: int) -> list[float]:
        lock = self._locks.setdefault(model, asyncio.Lock())
        if not lock.locked():
            wait_s, entry = limiter.take(tokens)
            if wait_s <= 0:
                return entry
        facts = {semconv.RATE_LIMIT_TOKENS: tokens, **({semconv.REQUEST_MODEL: model} if model else {})}
        with own_spans.step(WAIT_SPAN, facts):
            async with lock:
                while True:
                    wait_s, entry = limiter.take(tokens)
                    if wait_s <= 0:
                        return entry
                    await asyncio.sleep(wait_s)


def estimated_tokens(kwargs: Mapping[str, Any]) -> int:
    """Return what a request may take: a quarter of its characters, and the output that it allows."""
    characters = sum(_characters(kwargs[name]) for name in _PROMPTS if name in kwargs)
    allowed = next((kwargs[name] for name in _LIMITS if isinstance(kwargs.get(name), int)), 0)
    return characters // _CHARACTERS_PER_TOKEN + int(allowed)


def used_tokens(answer: Any) -> int | None:
    """Return the tokens that an answer says it took, input and output; None where it says nothing."""
    usage = part(answer, "usage")
    for names in _USAGE:
        counts = [count for name in names if isinstance(count := part(usage, name), int)]
        if len(counts) == len(names):
            return sum(counts)
    return None


def _characters(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_characters, value.values()))
    return sum(map(_characters, value)) if isinstance(value, list | tuple) else 0
