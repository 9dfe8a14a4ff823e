"""MCP 1.x, played by stand-ins with its names: spans of both sides, joined by what goes over the wire."""

from __future__ import annotations

import functools
import sys
from textwrap import dedent as replay  # any function from elsewhere
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import INVALID_SPAN, SpanKind, get_current_span

from otel_agentprof import semconv
from otel_agentprof.instrumentation import versions
from otel_agentprof.instrumentation.framework import Attachment, TracedByOthersError
from otel_agentprof.instrumentation.frameworks import mcp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Spans
    from opentelemetry.sdk.trace import ReadableSpan


class RequestResponder:
    """Keeps what is answered."""

    def __init__(self, meta: Any) -> None:
        self.request_meta = meta
        self.response: Any = None

    async def respond(self, response: Any) -> None:
        self.response = response


class Server:
    """Answers a tool call with what its tool does."""

    def __init__(self, tool: Callable[[], Any]) -> None:
        self.tool = tool

    async def _handle_request(self, message: RequestResponder, request: Any, session: object) -> None:
        del request, session
        await message.respond(self.tool())


class ClientSession:
    """Sends a call over a wire that keeps nothing but what is in it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.sent: list[Any] = []

    async def call_tool(
        self, name: str, arguments: dict[str, Any] | None = None, *, meta: dict[str, Any] | None = None
    ) -> Any:
        self.sent.append((name, arguments, meta))
        return await self.send("tools/call", SimpleNamespace(name=name), meta)

    async def send(self, method: str, params: Any, meta: dict[str, Any] | None) -> Any:
        responder = RequestResponder(None if meta is None else SimpleNamespace(model_extra=meta))
        request = SimpleNamespace(method=method, params=params)
        await self.server._handle_request(responder, request, object())
        return getattr(responder.response, "root", responder.response)


HOOKS = ((ClientSession, "call_tool"), (Server, "_handle_request"), (RequestResponder, "respond"))
Parts = dict[SpanKind, "ReadableSpan"]


@pytest.fixture
def attach(pipeline: Spans, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Callable[[], None]]]:
    package = ModuleType("mcp")
    package.__file__ = __file__
    monkeypatch.setitem(sys.modules, "mcp", package)
    for name, kind in (
        ("mcp.client.session", ClientSession),
        ("mcp.server.lowlevel.server", Server),
        ("mcp.shared.session", RequestResponder),
    ):
        module = ModuleType(name)
        setattr(module, kind.__name__, kind)
        monkeypatch.setitem(sys.modules, name, module)
    before = [vars(owner)[name] for owner, name in HOOKS]
    attachment = Attachment(pipeline.provider, pipeline.provider.get_tracer(semconv.SCOPE), False)  # noqa: FBT003 - a tuple's last part
    ways_back: list[Callable[[], None]] = []

    def attach() -> Callable[[], None]:
        ways_back.append(mcp.SPEC.attach(attachment))
        return ways_back[-1]

    yield attach
    for way_back in ways_back:
        way_back()
    assert [vars(owner)[name] for owner, name in HOOKS] == before
    assert get_current_span() is INVALID_SPAN


def parts(spans: Spans) -> Parts:
    assert len(spans.all()) == 2
    return {span.kind: span for span in spans.all()}


def succeed() -> Any:
    return SimpleNamespace(root=SimpleNamespace(isError=False))


async def test_the_server_works_below_the_clients_call(attach: Callable[[], None], pipeline: Spans) -> None:
    attach()
    session = ClientSession(Server(succeed))

    result = await session.call_tool("search", {"q": "secret"}, meta={"own": 1})

    client, server = parts(pipeline)[SpanKind.CLIENT], parts(pipeline)[SpanKind.SERVER]
    [(name, arguments, meta)] = session.sent
    assert result.isError is False
    assert (name, arguments, meta["own"]) == ("search", {"q": "secret"}, 1)
    assert server.parent is not None
    assert server.parent.span_id == client.context.span_id
    assert {client.name, server.name} == {"execute_tool search"}
    assert "secret" not in str([dict(span.attributes or {}) for span in pipeline.all()])


async def test_a_result_that_is_an_error_is_one_on_both_sides(
    attach: Callable[[], None], pipeline: Spans
) -> None:
    attach()

    result = await ClientSession(Server(lambda: SimpleNamespace(isError=True))).call_tool("search")

    assert result.isError
    assert {span.status.status_code.name for span in pipeline.all()} == {"ERROR"}
    assert {dict(span.attributes or {})[semconv.ERROR_TYPE] for span in pipeline.all()} == {"tool_error"}


async def test_an_error_of_the_protocol_names_its_code(attach: Callable[[], None], pipeline: Spans) -> None:
    attach()

    await ClientSession(Server(lambda: SimpleNamespace(code=-32602))).call_tool("search")

    assert dict(parts(pipeline)[SpanKind.SERVER].attributes or {})[semconv.ERROR_TYPE] == "-32602"


async def test_what_is_raised_goes_through_both_sides(attach: Callable[[], None], pipeline: Spans) -> None:
    attach()
    failure = ConnectionError("gone")

    def fail() -> None:
        raise failure

    with pytest.raises(ConnectionError) as raised:
        await ClientSession(Server(fail)).call_tool("search")

    assert raised.value is failure
    assert {span.status.status_code.name for span in pipeline.all()} == {"ERROR"}


async def test_requests_for_anything_else_get_no_span(attach: Callable[[], None], pipeline: Spans) -> None:
    attach()

    answer = await ClientSession(Server(succeed)).send("tools/list", None, None)

    assert answer.isError is False
    assert pipeline.all() == ()


async def test_a_request_without_a_context_begins_a_trace_of_its_own(
    attach: Callable[[], None], pipeline: Spans
) -> None:
    attach()

    await ClientSession(Server(succeed)).send("tools/call", SimpleNamespace(name="search"), None)

    assert pipeline.only().parent is None


def test_a_newer_mcp_is_left_to_itself(
    attach: Callable[[], Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "installed", lambda _distribution: "2.3.0")
    before = ClientSession.call_tool

    attach()

    assert ClientSession.call_tool is before


def test_where_somebody_else_traces_the_calls_we_step_back(
    attach: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = functools.wraps(ClientSession.call_tool)(replay)

    with monkeypatch.context() as patched:
        patched.setattr(ClientSession, "call_tool", theirs)
        with pytest.raises(TracedByOthersError):
            attach()
