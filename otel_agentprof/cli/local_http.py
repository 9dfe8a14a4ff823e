"""HTTP on 127.0.0.1, for servers that stand in for somebody: one function that answers, on a free port."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_POLL_S: Final = 0.01  # how long the end of a server may take


class Request(BaseHTTPRequestHandler):
    """A request that wants an answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a stream's chunks would wait for acknowledgements

    def body(self) -> bytes:
        """Return the body of the request."""
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def send_json(self, status: int, body: Any) -> None:
        """Answer with JSON."""
        self.send_data(status, json.dumps(body).encode(), {"content-type": "application/json"})

    def send_data(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        """Answer with bytes."""
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing: stderr is for what people asked for."""


class _Server(ThreadingHTTPServer):  # whose threads are daemons: a client may keep its connection open
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that hung up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(answer: Callable[[Request], None], *, takes_get: bool = False) -> Iterator[str]:
    """Answer every POST, and GET if asked, on a free port; give the address: ``http://127.0.0.1:40123``."""

    class Handler(Request):
        def do_POST(self) -> None:
            answer(self)

    if takes_get:
        Handler.do_GET = Handler.do_POST  # type: ignore[attr-defined]  # looked up by name

    with _Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": _POLL_S}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
