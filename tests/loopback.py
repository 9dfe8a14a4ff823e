"""A server on 127.0.0.1 that answers the real clients with real-shaped payloads."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from otel_agentprof.cli import local_http

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WIRE = Path(__file__).parent / "wire"
_WHOLE_AND_STREAM = {
    "/chat/completions": ("openai_chat.json", "openai_chat_stream.sse"),
    "/responses": ("openai_responses.json", "openai_responses_stream.sse"),
    "/embeddings": ("openai_embeddings.json", ""),
    "/completions": ("openai_completion.json", "openai_completion_stream.sse"),
    "/messages": ("anthropic_message.json", "anthropic_message_stream.sse"),
}


@dataclass(frozen=True)
class Answer:
    """One HTTP answer: a file of ``tests/wire``, or bytes."""

    body: str | bytes
    status: int = 200
    content_type: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        return (WIRE / self.body).read_bytes() if isinstance(self.body, str) else self.body

    @property
    def kind(self) -> str:
        if self.content_type is not None:
            return self.content_type
        is_events = isinstance(self.body, str) and self.body.endswith(".sse")
        return "text/event-stream" if is_events else "application/json"


class Loopback:
    """What the server has been asked, and what it shall answer next.

    Attributes:
        script: Answers for the next requests; when it is empty, the path decides.
        requests: (path, JSON body) of every request.
        exports: What was sent to it as OTLP, as bytes.
        gate: Cleared by a test that wants the next answer to wait.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.script: list[Answer] = []
        self.requests: list[tuple[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.exports: list[bytes] = []
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Event()

    def begin_anew(self) -> None:
        """Forget what was asked and what shall be answered."""
        for each in (self.script, self.requests, self.headers, self.exports):
            each.clear()
        self.asked.clear()
        self.gate.set()

    def answer(self, path: str, body: Any) -> Answer:
        if self.script:
            return self.script.pop(0)
        for ending, (whole, stream) in _WHOLE_AND_STREAM.items():
            if path.partition("?")[0].endswith(ending):
                return Answer(stream if body.get("stream") else whole)
        return Answer(b'{"error": {"message": "no such path"}}', 404)


_State = TypeVar("_State", bound=Loopback)


@contextmanager
def serve() -> Iterator[Loopback]:
    """Run the server on a free port."""
    with serve_as(Loopback) as state:
        yield state


@contextmanager
def serve_as(make: Callable[[str], _State]) -> Iterator[_State]:
    """Run the server on a free port, with answers of another kind."""
    state: _State

    def answer(request: local_http.Request) -> None:
        data = request.body()
        if request.path == "/v1/traces":
            state.exports.append(data)
            return request.send_data(200, b"", {})
        body = json.loads(data or b"{}")
        state.requests.append((request.path, body))
        state.headers.append({name.lower(): value for name, value in request.headers.items()})
        given = state.answer(request.path, body)
        state.asked.set()
        state.gate.wait(20)
        return request.send_data(given.status, given.data, {"content-type": given.kind, **given.headers})

    with local_http.serving(answer, takes_get=True) as url:
        state = make(url)
        try:
            yield state
        finally:
            state.gate.set()
