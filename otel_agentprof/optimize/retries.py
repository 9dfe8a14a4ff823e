"""Which errors a second try may mend, and how long to wait before it.

Told by shape, not by class: each client has errors of its own.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.optimize import own_spans

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

EVENT: Final = "agentprof.retry"
_RETRYABLE: Final = frozenset({408, 409, 429})
_SERVER_ERROR: Final = 500
_MOST_DOUBLINGS: Final = 60  # by then any wait is longer than anybody's life
_NO_MONEY: Final = "insufficient_quota"  # OpenAI's 429 for an empty account: it stays empty
_PASSING: Final = re.compile(
    r"Time[dD]?_?[oO]ut|Connect(ion)?Error|RateLimit|TooManyRequests|Throttl|Overloaded|ServiceUnavailable"
    r"|InternalServer|RemoteProtocolError|NetworkError|ServerDisconnected"
)


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a call is tried, and how long before each further try.

        ParallelExecutor(retry=Retry(attempts=5))

    Attributes:
        attempts: Tries in all.
        base_s: The wait before the second try is at most so many seconds, before each further one twice as
            many; how many of them is drawn by lot, so that calls which failed together do not come back
            together.
        max_s: No wait is longer; an error whose server asks for more is not retried.
        is_retryable: Whether an error may pass.
    """

    attempts: int = 3
    base_s: float = 0.5
    max_s: float = 60.0
    is_retryable: Callable[[BaseException], bool] = lambda error: is_retryable(error)  # noqa: PLW0108 - it stands below

    def wait_s(self, tries: int, error: BaseException) -> float | None:
        """Return the seconds to wait after so many tries; None: not again."""
        if tries >= self.attempts or not self.is_retryable(error):
            return None
        asked_s = retry_after_s(error)
        if asked_s is not None:
            return asked_s if asked_s <= self.max_s else None
        most_s = min(self.max_s, self.base_s * 2.0 ** min(tries - 1, _MOST_DOUBLINGS))
        return random.uniform(0, most_s)  # noqa: S311 - no secret


async def with_retries(retry: Retry, work: Callable[[], Awaitable[Any]]) -> Any:
    """Do some work until it succeeds, or fails for good."""
    attempt = 0
    while True:
        attempt += 1
        try:
            return await work()
        except Exception as error:
            wait_s = retry.wait_s(attempt, error)
            if wait_s is None:
                raise
            # No span: the time between a failed call and the next one is what the report takes for the wait.
            own_spans.note(EVENT, error, {semconv.RETRY_ATTEMPT: attempt + 1, semconv.RETRY_WAIT: wait_s})
        await asyncio.sleep(wait_s)


def is_retryable(error: BaseException) -> bool:
    """Return whether an error may pass: 408, 409, 429 and 5xx, timeouts, lost and refused connections."""
    if isinstance(error, asyncio.CancelledError) or not isinstance(error, Exception):
        return False
    advice = _headers_of(error).get("x-should-retry")
    if advice in ("true", "false"):
        return advice == "true"
    if _NO_MONEY in (getattr(error, "code", None), getattr(error, "type", None)):
        return False
    status = status_of(error)
    if status is not None:
        return status in _RETRYABLE or status >= _SERVER_ERROR
    if isinstance(error, TimeoutError | ConnectionError):
        return True
    return any(_PASSING.search(kind.__name__) for kind in type(error).__mro__)


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status of an error, wherever its client keeps it; None where there is none."""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):  # botocore's
        response = response.get("ResponseMetadata") or {}
        found = response.get("HTTPStatusCode")
        return found if isinstance(found, int) else None
    for holder, name in (
        (error, "status_code"),
        (response, "status_code"),
        (error, "status"),
        (response, "status"),
        (error, "code"),
    ):
        found = getattr(holder, name, None)
        if isinstance(found, int) and not isinstance(found, bool) and found > 0:
            return found
    return None


def retry_after_s(error: BaseException) -> float | None:
    """Return the seconds that a server asks to wait; None where it asks for nothing."""
    headers = _headers_of(error)
    for name, seconds in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        told = headers.get(name)
        if told is None:
            continue
        try:
            return max(0.0, float(told) * seconds)
        except ValueError:
            pass
        try:
            return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
        except ValueError:
            continue
    return None


def _headers_of(error: BaseException) -> Mapping[str, str]:
    """Return the headers of an error's response, by lower-case name."""
    for holder in (getattr(error, "response", None), error):
        headers = getattr(holder, "headers", None)
        if isinstance(headers, Mapping):
            return {str(name).lower(): str(value) for name, value in headers.items()}
    return {}
