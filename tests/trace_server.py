"""A server on 127.0.0.1 that keeps traces, in the shape that a test gives it."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from otlp_text import TRACE

from otel_agentprof.cli.local_http import Request

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

UI_PAGE = b"<!doctype html><html><title>Jaeger UI</title></html>"


@dataclass(frozen=True)
class Reply:
    """One answer: bytes, text, or anything that JSON has a form for."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


class TraceServer:
    """What is asked of it, and what it answers.

    Attributes:
        pages: By path, the answer to every request, or several to be given one after another.
        other: The answer to everything else; the page of a UI, as from old Jaegers, or a bare 404.
        requests: Path and parameters of each request.
        headers: Those of each request, in lower case.
        release: Set at the end, for answers that wait.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.host = url.partition("://")[2]
        self.pages: dict[str, Reply | list[Reply] | Callable[[dict[str, list[str]]], Reply]] = {}
        self.other = Reply(b"404 page not found\n", 404, {"content-type": "text/plain"})
        self.requests: list[tuple[str, dict[str, list[str]]]] = []
        self.headers: list[dict[str, str]] = []
        self.raw: dict[str, Callable[[Request], object]] = {}
        self.release = threading.Event()

    @property
    def address(self) -> str:
        """How it is asked for the trace of ``otlp_text``, as a Jaeger."""
        return f"jaeger+{self.url}/{TRACE}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]

    def reply(self, path: str, parameters: dict[str, list[str]]) -> Reply:
        given = self.pages.get(path, self.other)
        if callable(given):
            return given(parameters)
        if isinstance(given, list):
            return given.pop(0) if len(given) > 1 else given[0]
        return given


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that hung up, or does not trust us."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def serving_traces(tls: ssl.SSLContext | None = None) -> Iterator[TraceServer]:
    """Run the server on a free port."""
    server: TraceServer

    def answer(request: Request) -> None:
        parts = urlsplit(request.path)
        parameters = parse_qs(parts.query)
        server.requests.append((parts.path, parameters))
        server.headers.append({name.lower(): value for name, value in request.headers.items()})
        if parts.path in server.raw:
            server.raw[parts.path](request)
            return
        given = server.reply(parts.path, parameters)
        kind = "text/html" if given.data.startswith(b"<!doctype") else "application/json"
        request.send_data(given.status, given.data, {"content-type": kind, **given.headers})

    class Handler(Request):
        def do_GET(self) -> None:  # noqa: N802 - the library's name
            answer(self)

    with _Server(("127.0.0.1", 0), Handler) as listener:
        if tls is not None:
            listener.socket = tls.wrap_socket(listener.socket, server_side=True)
        server = TraceServer(f"http{'s' if tls else ''}://127.0.0.1:{listener.server_address[1]}")
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.release.set()
            listener.shutdown()
            thread.join()
