"""Claude's agent SDK: it shows the messages of a program that does the work in another process.

query()            one conversation      InternalClient.process_query, which it calls
ClaudeSDKClient    many turns            query() .. receive_messages(), which receive_response() calls
"""

from __future__ import annotations

import functools
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from opentelemetry import propagate

from otel_agentprof.instrumentation import foreign
from otel_agentprof.instrumentation.framework import FrameworkSpec, TracedByOthersError
from otel_agentprof.instrumentation.frameworks.claude_conversation import Conversation
from otel_agentprof.instrumentation.frameworks.guard import guarded
from otel_agentprof.instrumentation.frameworks.replacing import replace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from otel_agentprof.instrumentation.framework import Attachment
    from otel_agentprof.instrumentation.open_span import OpenSpan

_CALL_ID: Final = "claudecode/toolUseId"


async def _watched(stream: Any, conversation: Conversation, *, is_whole: bool = False) -> AsyncIterator[Any]:
    """Yield what a stream yields; the turn is current while the SDK works, never in the caller's code."""
    error: BaseException = GeneratorExit()
    if is_whole:
        conversation.begin(starts_program=True)
    turn = conversation.turn
    try:
        while True:
            if (turn := conversation.turn) is not None:
                turn.agent.enter()
            try:
                message = await anext(stream)
            except StopAsyncIteration:
                return
            finally:
                if turn is not None:
                    turn.agent.leave()
            conversation.take(message)
            turn = conversation.turn
            yield message
    except BaseException as raised:
        error = raised
        raise
    finally:
        try:
            await stream.aclose()
        finally:
            conversation.end(turn, error)


class _Wrappers:
    """What stands where the SDK's own methods stood."""

    def __init__(self, attachment: Attachment) -> None:
        self._attachment = attachment
        self._tools: dict[str, OpenSpan] = {}
        self._conversations: WeakKeyDictionary[Any, Conversation] = WeakKeyDictionary()

    def _of(self, client: Any) -> Conversation:
        return self._conversations.setdefault(client, Conversation(self._attachment, self._tools))

    def process_query(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def process_query(client: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            conversation = Conversation(self._attachment, self._tools)
            return _watched(original(client, *args, **kwargs), conversation, is_whole=True)

        return process_query

    def query(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def query(client: Any, *args: Any, **kwargs: Any) -> None:
            conversation = self._of(client)
            conversation.begin()
            try:
                await original(client, *args, **kwargs)
            except BaseException as error:
                conversation.end(conversation.turn, error)
                raise

        return query

    def receive_messages(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def receive_messages(client: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            return _watched(original(client, *args, **kwargs), self._of(client))

        return receive_messages

    def disconnect(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def disconnect(client: Any, *args: Any, **kwargs: Any) -> None:
            conversation = self._of(client)
            conversation.end(conversation.turn, GeneratorExit())
            await original(client, *args, **kwargs)

        return disconnect

    def serve_tool(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def handle(query: Any, server: str, message: Any) -> Any:
            self._join(message)
            return await original(query, server, message)

        return handle

    @guarded
    def _join(self, message: Any) -> None:
        """Tell a server in this process which tool call a request is; the server's span becomes its child."""
        meta = (message.get("params") or {}).get("_meta") or {}
        tool = self._tools.get(meta.get(_CALL_ID, ""))
        if tool is not None:
            propagate.inject(meta, tool.context)


def attach(attachment: Attachment) -> Callable[[], None]:
    """Wrap where messages come from, and where a client's prompts go."""
    wrappers = _Wrappers(attachment)
    once = import_module("claude_agent_sdk._internal.client").InternalClient
    query = import_module("claude_agent_sdk._internal.query").Query
    module = import_module("claude_agent_sdk.client")
    client = module.ClaudeSDKClient
    if (other := foreign.wrapper_of(vars(client)["query"], module)) is not None:
        raise TracedByOthersError(other)
    ways_back = (
        replace(once, "process_query", wrappers.process_query),
        replace(client, "query", wrappers.query),
        replace(client, "receive_messages", wrappers.receive_messages),
        replace(client, "disconnect", wrappers.disconnect),
        replace(query, "_handle_sdk_mcp_request", wrappers.serve_tool),
    )

    def detach() -> None:
        for way_back in ways_back:
            way_back()

    return detach


SPEC: Final = FrameworkSpec(
    name="claude_agent_sdk",
    distribution="claude-agent-sdk>=0.2.111",
    attach=attach,
    note="query() and ClaudeSDKClient, from the messages of the program that does the work",
)
