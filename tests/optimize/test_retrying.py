"""What is tried again, when, and what a trace shows of it."""

from __future__ import annotations

import asyncio
import email.utils
import tarfile
import time
from typing import TYPE_CHECKING, Any

import anthropic
import httpx
import openai
import pytest
from http_library import ANTHROPIC_HTTP, OPENAI_HTTP
from loopback import Answer

import otel_agentprof as ap
from otel_agentprof.optimize.retries import is_retryable, retry_after_s

if TYPE_CHECKING:
    from loopback import Loopback
    from recording import Recorder


class ApiError(Exception):
    """An error of no client in particular."""

    def __init__(self, status_code: Any = None, headers: Any = None, **more: Any) -> None:
        super().__init__("no")
        self.status_code = status_code
        self.headers = headers
        self.__dict__.update(more)


class ThrottlingException(Exception):  # noqa: N818 - as botocore names it
    pass


class APIConnectionError(Exception):
    pass


def of_client(client: Any, http: Any, status: int) -> Exception:
    request = http.Request("POST", "http://127.0.0.1")
    error: Exception = client.APIStatusError("no", response=http.Response(status, request=request), body=None)
    return error


def of_botocore(status: int) -> Exception:
    return ApiError(response={"ResponseMetadata": {"HTTPStatusCode": status}})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (APIConnectionError(), True),
        (ThrottlingException(), True),
        (httpx.ReadTimeout("late"), True),
        (httpx.RemoteProtocolError("gone"), True),
        (httpx.ReadError("gone"), True),
        (tarfile.ReadError("odd"), False),
        (openai.APITimeoutError(OPENAI_HTTP.Request("POST", "http://127.0.0.1")), True),
        (of_client(openai, OPENAI_HTTP, 429), True),
        (of_client(openai, OPENAI_HTTP, 401), False),
        (of_client(anthropic, ANTHROPIC_HTTP, 529), True),
        (of_client(anthropic, ANTHROPIC_HTTP, 404), False),
        (of_botocore(503), True),
        (of_botocore(400), False),
        (ApiError(response={"Error": {}}), False),
        (ApiError(408), True),
        (ApiError(500), True),
        (ApiError(400), False),
        (ApiError(None, code=503), True),
        (ApiError(None, status=418), False),
        (ApiError(True), False),  # noqa: FBT003 - no status at all
        (ApiError(429, code="insufficient_quota"), False),
        (ApiError(429, {"X-Should-Retry": "false"}), False),
        (ApiError(400, {"x-should-retry": "true"}), True),
        (ValueError(), False),
        (asyncio.CancelledError(), False),
        (KeyboardInterrupt(), False),
    ],
    ids=repr,
)
def test_an_error_may_pass_or_not(error: BaseException, expected: bool) -> None:  # noqa: FBT001 - a parameter
    assert is_retryable(error) is expected


def test_a_server_says_how_long_to_wait() -> None:
    in_a_minute = email.utils.formatdate(time.time() + 60, usegmt=True)

    assert retry_after_s(ApiError(429, {"Retry-After": "1.5"})) == 1.5
    assert retry_after_s(ApiError(429, {"retry-after-ms": "250", "retry-after": "9"})) == 0.25
    assert retry_after_s(ApiError(429, {"retry-after": "-3"})) == 0
    assert 50 < (retry_after_s(ApiError(429, {"retry-after": in_a_minute})) or 0) <= 60
    assert retry_after_s(ApiError(429, {"retry-after": "soon"})) is None
    assert retry_after_s(ApiError(429)) is None


def test_waits_are_drawn_by_lot_below_a_bound_that_doubles_up_to_a_limit() -> None:
    retry = ap.Retry(attempts=20, base_s=1, max_s=5)

    for tries, most_s in ((1, 1), (2, 2), (3, 4), (4, 5), (9, 5)):
        waits = [retry.wait_s(tries, TimeoutError()) or 0 for _ in range(200)]
        assert all(0 <= wait <= most_s for wait in waits)
        assert max(waits) > most_s / 2 > min(waits)


def test_a_server_that_asks_for_more_than_the_limit_is_not_asked_again() -> None:
    retry = ap.Retry(max_s=5)

    assert retry.wait_s(1, ApiError(429, {"retry-after": "4"})) == 4
    assert retry.wait_s(1, ApiError(429, {"retry-after": "6"})) is None


class Flaky:
    """Fails some times, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.tries = 0

    async def __call__(self) -> str:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        return "well"


async def test_a_call_is_tried_until_it_succeeds_and_the_callers_span_tells(recorder: Recorder) -> None:
    flaky = Flaky(ConnectionResetError(), TimeoutError())

    with ap.agent("planner"):
        results = await ap.ParallelExecutor(retry=ap.Retry(base_s=0)).execute_parallel([(flaky, {})])

    assert results == ["well"]
    (span,) = recorder.spans
    assert [(event.name, dict(event.attributes or {})) for event in span.events] == [
        (
            "agentprof.retry",
            {"error.type": kind, "agentprof.retry.attempt": attempt, "agentprof.retry.wait": 0.0},
        )
        for attempt, kind in ((2, "ConnectionResetError"), (3, "TimeoutError"))
    ]


@pytest.mark.parametrize(
    ("errors", "tries"),
    [((ApiError(503),) * 5, 3), ((ValueError(),) * 5, 1), ((ApiError(503), ValueError()), 2)],
)
async def test_the_last_error_is_the_result(errors: tuple[Exception, ...], tries: int) -> None:
    flaky = Flaky(*errors)

    (result,) = await ap.ParallelExecutor(retry=ap.Retry(base_s=0)).execute_parallel([(flaky, {})])

    assert result is errors[tries - 1]
    assert flaky.tries == tries


async def test_nothing_is_tried_twice_unless_asked() -> None:
    flaky = Flaky(TimeoutError())

    (result,) = await ap.ParallelExecutor().execute_parallel([(flaky, {})])

    assert isinstance(result, TimeoutError)


async def test_a_real_client_is_asked_again_after_the_time_that_its_server_tells(server: Loopback) -> None:
    server.script[:] = [Answer("openai_error_429.json", 429, headers={"retry-after-ms": "1"})]
    http = openai.DefaultAsyncHttpxClient(trust_env=False)

    async with openai.AsyncOpenAI(
        api_key="k", base_url=f"{server.url}/v1", http_client=http, max_retries=0
    ) as client:
        (answer,) = await ap.ParallelExecutor(retry=ap.Retry(base_s=1_000)).execute_parallel(
            [(client.chat.completions.create, {"model": "gpt-4o", "messages": []})]
        )

    assert answer.choices
    assert len(server.requests) == 2


def test_a_wait_is_never_too_large_for_a_number() -> None:
    short = ap.Retry(attempts=5000, base_s=0.5, max_s=0.001)
    endless = ap.Retry(attempts=5000, base_s=0.5, max_s=float("inf"))

    assert 0 <= (short.wait_s(4999, TimeoutError()) or 0) <= 0.001
    assert 0 <= (endless.wait_s(4999, TimeoutError()) or 0) < float("inf")
