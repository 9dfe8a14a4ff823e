"""MCP: 2.x traces itself; in 1.x a client's tool calls and a server's tools get spans, joined over the wire.

    client   |-- execute_tool search --|      CLIENT; its context goes into ``params._meta``
    server      |- execute_tool search -|     SERVER; a child of it, in whichever process

A tool that fails answers with an error as its result, which nobody raises: both spans are errors.
"""

from __future__ import annotations

import functools
from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import propagate
from opentelemetry.trace import SpanKind

from otel_agentprof.instrumentation import foreign, versions
from otel_agentprof.instrumentation.framework import FrameworkSpec, TracedByOthersError
from otel_agentprof.instrumentation.frameworks import native
from otel_agentprof.instrumentation.frameworks.guard import guarded
from otel_agentprof.instrumentation.frameworks.replacing import replace
from otel_agentprof.instrumentation.kinds import TOOL
from otel_agentprof.instrumentation.open_span import OpenSpan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer

    from otel_agentprof.instrumentation.framework import Attachment

    _Method = Callable[..., Awaitable[Any]]

_TOOL_ERROR: Final = "tool_error"  # as 2.x calls it
_serving: ContextVar[OpenSpan | None] = ContextVar("otel_agentprof.mcp_tool", default=None)


def attach(attachment: Attachment) -> Callable[[], None]:
    """Wrap what sends and what answers a tool call, unless this version traces itself."""
    if versions.problem("mcp<2") is not None:
        return native.nothing(attachment)
    client = import_module("mcp.client.session")
    if (other := foreign.wrapper_of(vars(client.ClientSession)["call_tool"], client)) is not None:
        raise TracedByOthersError(other)
    server = import_module("mcp.server.lowlevel.server").Server
    ways_back = (
        replace(client.ClientSession, "call_tool", functools.partial(_client, attachment.tracer)),
        replace(server, "_handle_request", functools.partial(_server, attachment.tracer)),
        replace(import_module("mcp.shared.session").RequestResponder, "respond", _responder),
    )

    def detach() -> None:
        for way_back in ways_back:
            way_back()

    return detach


def _client(tracer: Tracer, original: _Method) -> _Method:
    @functools.wraps(original)
    async def call_tool(
        self: Any, name: str, *args: Any, meta: dict[str, Any] | None = None, **kw: Any
    ) -> Any:
        span = OpenSpan(TOOL.title(name), TOOL.facts(name), tracer, span_kind=SpanKind.CLIENT)
        span.enter()
        try:
            result = await original(self, name, *args, meta=_with_context(meta) or meta, **kw)
        except BaseException as error:
            span.leave()
            span.end(error)
            raise
        _tell(span, result)
        span.leave()
        span.end()
        return result

    return call_tool


@guarded
def _with_context(meta: dict[str, Any] | None) -> dict[str, Any] | None:
    carrier: dict[str, Any] = {}
    propagate.inject(carrier)
    return {**carrier, **(meta or {})} or None


def _server(tracer: Tracer, original: _Method) -> _Method:
    @functools.wraps(original)
    async def handle(self: Any, message: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        name = _tool_asked_for(request)
        if name is None:
            return await original(self, message, request, *args, **kwargs)
        span = OpenSpan(
            TOOL.title(name), TOOL.facts(name), tracer, parent=_sent(message), span_kind=SpanKind.SERVER
        )
        span.enter()
        token = _serving.set(span)
        error: BaseException | None = None
        try:
            return await original(self, message, request, *args, **kwargs)
        except BaseException as raised:
            error = raised
            raise
        finally:
            _serving.reset(token)
            span.leave()
            span.end(error)

    return handle


@guarded
def _tool_asked_for(request: Any) -> str | None:
    return str(request.params.name) if getattr(request, "method", None) == "tools/call" else None


@guarded
def _sent(message: Any) -> Context | None:
    meta = message.request_meta
    return None if meta is None else propagate.extract(meta.model_extra or {})


def _responder(original: _Method) -> _Method:
    @functools.wraps(original)
    async def respond(self: Any, response: Any) -> None:
        span = _serving.get()
        if span is not None:
            _tell(span, getattr(response, "root", response))
        await original(self, response)

    return respond


@guarded
def _tell(span: OpenSpan, result: Any) -> None:
    if getattr(result, "isError", False):
        span.fail(_TOOL_ERROR)
    elif (code := getattr(result, "code", None)) is not None:  # an error of the protocol's own
        span.fail(str(code))


SPEC: Final = FrameworkSpec(
    name="mcp",
    distribution="mcp>=1.20",
    attach=attach,
    note="2.x traces itself: its own spans are used, and go to the global tracer provider only; "
    "1.x: tool calls of client sessions and tools of servers",
)
