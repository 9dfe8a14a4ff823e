"""Asking a server: patience and its end, what is sent to whom, and one clear line for what goes wrong."""

from __future__ import annotations

import json
import logging
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from otlp_text import TRACE, line, span
from refusals import refusal
from trace_server import Reply, TraceServer, serving_traces

from otel_agentprof.readers import read_spans

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_agentprof.cli.local_http import Request

PATH = f"/api/v3/traces/{TRACE}"
ANSWER = Reply(json.dumps({"result": json.loads(line(span(1)))}) + "\n")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TraceServer]:
    for variable in ("ENDPOINT", "HEADERS", "CERTIFICATE"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{variable}", raising=False)
    with serving_traces() as server:
        server.pages[PATH] = ANSWER
        yield server


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_AGENTPROF_READ_TIMEOUT_S", "1.5")  # what is answered at once has to be in time


# -- patience


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_is_busy_is_asked_again(server: TraceServer, status: int) -> None:
    server.pages[PATH] = [Reply(b"busy", status), Reply(b"busy", status, {"retry-after": "0"}), ANSWER]

    assert len(read_spans(server.address).spans) == 1
    assert len(server.requests) == 3


def test_a_server_that_stays_busy_is_given_up(server: TraceServer) -> None:
    server.pages[PATH] = Reply(b"come back later", 503)

    assert refusal(server.address) == f"{server.url} answered with an error (503): come back later"
    assert len(server.requests) == 5


def test_a_server_that_wants_more_time_than_there_is_is_given_up_at_once(server: TraceServer) -> None:
    server.pages[PATH] = Reply(b"", 503, {"retry-after": "3600"})

    assert "(503)" in refusal(server.address)
    assert len(server.requests) == 1


def test_a_connection_that_is_closed_without_an_answer_is_tried_again(server: TraceServer) -> None:
    left = [1, 1]

    def hang_up(request: Request) -> None:
        if left:
            left.pop()
            request.close_connection = True
        else:
            request.send_data(200, ANSWER.data, {})

    server.raw[PATH] = hang_up

    assert len(read_spans(server.address).spans) == 1
    assert len(server.requests) == 3


@pytest.mark.usefixtures("impatient")
def test_a_server_that_does_not_answer_is_given_up(server: TraceServer) -> None:
    server.raw[PATH] = lambda _: server.release.wait()

    assert refusal(server.address) == f"{server.url}: no answer within 1.5 s"
    assert len(server.requests) == 1


@pytest.mark.usefixtures("impatient")
def test_a_server_that_answers_byte_by_byte_is_given_up(server: TraceServer) -> None:
    def drip(request: Request) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not server.release.wait(0.02):
            request.wfile.write(b"x")

    server.raw[PATH] = drip

    assert refusal(server.address) == f"{server.url}: no answer within 1.5 s"


@pytest.mark.usefixtures("impatient")
def test_what_a_server_sent_before_it_fell_silent_is_read(server: TraceServer) -> None:
    def stall(request: Request) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" + ANSWER.data)
        server.release.wait()

    server.raw[PATH] = stall

    loaded = read_spans(server.address)

    assert len(loaded.spans) == 1
    assert dict(loaded.notes) == {"cut_answer": "the server's answer breaks off at line 1: it takes too long"}


@pytest.mark.usefixtures("impatient")
def test_a_server_that_never_ends_is_given_up(server: TraceServer) -> None:
    has_hung_up = threading.Event()

    def pour(request: Request) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + ANSWER.data)
        try:
            while not server.release.wait(0.02):
                request.wfile.write(b" ")
        except OSError:
            has_hung_up.set()
            raise

    server.raw[PATH] = pour

    loaded = read_spans(server.address)

    assert len(loaded.spans) == 1
    assert dict(loaded.notes)["cut_answer"].endswith("it takes too long")
    assert has_hung_up.wait(20), "nobody reads on when it is over"


def test_what_a_server_sent_before_the_connection_broke_is_read(server: TraceServer) -> None:
    def break_off(request: Request) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" + ANSWER.data)
        request.close_connection = True

    server.raw[PATH] = break_off

    loaded = read_spans(server.address)

    assert len(loaded.spans) == 1
    assert dict(loaded.notes) == {
        "cut_answer": "the server's answer breaks off at line 1: the connection broke"
    }


@pytest.mark.usefixtures("impatient")
def test_after_a_silence_the_other_traces_are_not_waited_for(server: TraceServer) -> None:
    ids = [f"{number:032x}" for number in range(1, 6)]
    server.pages["/api/search"] = Reply({"traces": [{"traceID": one} for one in ids]})
    server.pages[f"/api/v2/traces/{ids[0]}"] = Reply({"trace": json.loads(line(span(1, trace=ids[0])))})
    server.raw[f"/api/v2/traces/{ids[1]}"] = lambda _: server.release.wait()

    loaded = read_spans(f"tempo+{server.url}?q={{}}")

    assert len(loaded.spans) == 1
    assert dict(loaded.notes)["lost_trace"].startswith(
        "4 traces left out: the server did not give it; first at trace 2"
    )
    assert server.paths == ["/api/search", f"/api/v2/traces/{ids[0]}", f"/api/v2/traces/{ids[1]}"]


# -- what goes wrong


def test_nobody_listening_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    assert refusal(f"jaeger+http://127.0.0.1:{port}/{TRACE}") == (
        f"http://127.0.0.1:{port}: no server can be reached there: connection refused"
    )


def test_a_host_that_is_not_known_is_told() -> None:
    assert refusal(f"jaeger+http://no-such-host.invalid/{TRACE}") == (
        "http://no-such-host.invalid: the host name is not known"
    )


@pytest.mark.parametrize(("status", "words"), [(401, "wants to know who asks"), (403, "does not allow this")])
def test_a_refusal_names_the_variable_for_headers(server: TraceServer, status: int, words: str) -> None:
    server.pages[PATH] = Reply(b"<html>sign in</html>", status)

    text = refusal(server.address)

    assert text.startswith(
        f"{server.url} {words} ({status}); give it what it asks for in OTEL_AGENTPROF_READ_HEADERS"
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": {"httpCode": 500, "message": "disk\\nfull"}}', ": disk full"),
        (b'{"errors": [{"code": 500, "msg": "disk full"}]}', ": disk full"),
        (b'[{"detail": "disk full"}]', ": disk full"),
        (b'"disk full"', ": disk full"),
        (b"\x1b[31mdisk\xff full" + b"!" * 500, ": [31mdisk\ufffd full" + "!" * 186),
        (b"[]", ": []"),
        (b'{"code": 5}', ': {"code": 5}'),
        (b"7", ": 7"),
        (b"", ""),
    ],
)
def test_an_error_is_told_in_the_servers_words(server: TraceServer, body: bytes, words: str) -> None:
    server.pages[PATH] = Reply(body, 500)

    assert refusal(server.address) == f"{server.url} answered with an error (500){words}"


def test_something_that_speaks_no_http_is_told(server: TraceServer) -> None:
    def babble(request: Request) -> None:
        request.wfile.write(b"SSH-2.0-OpenSSH\r\n")
        request.close_connection = True

    server.raw[PATH] = babble

    assert "the connection was closed without an answer" in refusal(server.address)


# -- what is sent to whom


def test_headers_of_the_variable_are_sent_and_decoded(
    server: TraceServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(
        "OTEL_AGENTPROF_READ_HEADERS", "Authorization=Bearer%20a%3Db=, x-scope-orgid = t1,bad one=s3cret, ,"
    )

    with caplog.at_level(logging.WARNING):
        read_spans(server.address)

    (sent,) = server.headers
    assert (sent["authorization"], sent["x-scope-orgid"]) == ("Bearer a=b=", "t1")
    assert caplog.messages == ["OTEL_AGENTPROF_READ_HEADERS: header 3 is no name=value, and is not sent"]


@pytest.mark.parametrize(
    ("endpoint", "is_sent"),
    [
        ("http://127.0.0.1:4318", True),
        ("127.0.0.1:4317", True),
        ("http://localhost:4318", False),
        ("https://127.0.0.1:4318", False),
        ("http://[bad", False),
        ("", False),
    ],
)
def test_the_exporters_headers_go_to_the_exporters_host_only(
    server: TraceServer,
    monkeypatch: pytest.MonkeyPatch,
    endpoint: str,
    is_sent: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=s3cret")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)

    read_spans(server.address)

    assert ("api-key" in server.headers[0]) is is_sent


def test_our_own_headers_go_before_the_exporters(
    server: TraceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=exporter")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
    monkeypatch.setenv("OTEL_AGENTPROF_READ_HEADERS", "x=1")

    read_spans(server.address)

    assert server.headers[0]["x"] == "1"
    assert "api-key" not in server.headers[0]


def test_a_user_and_a_password_are_sent_and_never_shown(server: TraceServer) -> None:
    source = f"jaeger+http://me:p%40ss@{server.host}/{TRACE}"

    assert len(read_spans(source).spans) == 1
    assert server.headers[0]["authorization"] == "Basic bWU6cEBzcw=="

    server.pages[PATH] = Reply({"hello": 1})
    for wrong in (source, f"jaeger+http://me:p%40ss@{server.host}", "zipkin+http://me:p%40ss@x/1"):
        text = refusal(wrong)
        assert "p%40ss" not in text
        assert "p@ss" not in text


def test_a_redirect_on_the_same_server_is_followed(server: TraceServer) -> None:
    server.pages[PATH] = Reply(b"", 302, {"location": "/moved"})
    server.pages["/moved"] = ANSWER

    assert len(read_spans(server.address).spans) == 1


def test_a_redirect_to_another_host_is_not_followed(
    server: TraceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_AGENTPROF_READ_HEADERS", "api-key=s3cret")
    with serving_traces() as other:
        server.pages[PATH] = Reply(b"", 307, {"location": f"{other.url}/login?s=1"})

        text = refusal(server.address)

        assert other.requests == []
    assert text.startswith(f"{server.url} redirects to '127.0.0.1': is a sign-in in front?")


def test_redirects_that_go_round_in_circles_end(server: TraceServer) -> None:
    server.pages[PATH] = Reply(b"", 302, {"location": PATH})

    assert refusal(server.address) == f"{server.url} sends us round in circles"
    assert len(server.requests) == 4


def test_reading_leaves_no_trace(server: TraceServer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    request = urllib3.PoolManager.request

    def instrumented(*arguments: Any, **options: Any) -> Any:
        asked.append(is_instrumentation_enabled())
        return request(*arguments, **options)

    monkeypatch.setattr(urllib3.PoolManager, "request", instrumented)

    read_spans(server.address)

    assert asked == [False]
    assert is_instrumentation_enabled()


def test_a_proxy_of_the_environment_is_used(server: TraceServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.host)
    monkeypatch.delenv("no_proxy", raising=False)
    server.pages[f"http://elsewhere.invalid{PATH}"] = server.pages[PATH] = ANSWER

    assert len(read_spans(f"jaeger+http://elsewhere.invalid/{TRACE}").spans) == 1

    monkeypatch.setenv("no_proxy", "elsewhere.invalid")
    assert "the host name is not known" in refusal(f"jaeger+http://elsewhere.invalid/{TRACE}")


def test_a_proxy_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    monkeypatch.delenv("no_proxy", raising=False)

    assert refusal(f"jaeger+http://elsewhere.invalid/{TRACE}") == (
        "http://elsewhere.invalid: the proxy cannot be used: connection refused"
    )


def test_a_host_name_that_no_host_can_have_is_told() -> None:
    assert "LocationParseError" in refusal(f"jaeger+http://{'a' * 70}/{TRACE}")
