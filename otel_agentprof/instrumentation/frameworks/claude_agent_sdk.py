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
from otel_agentprof.instrumentation.frameworks import claude_totals
from otel_agentprof.instrumentation.frameworks.claude_turn import Turn
from otel_agentprof.instrumentation.frameworks.guard import guarded
from otel_agentprof.instrumentation.frameworks.replacing import replace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from otel_agentprof.instrumentation.framework import Attachment
    from otel_agentprof.instrumentation.frameworks.claude_totals import Total
    from otel_agentprof.instrumentation.open_span import OpenSpan

_CALL_ID: Final = "claudecode/toolUseId"
_BEGINNINGS: Final = frozenset({"AssistantMessage", "StreamEvent"})


class _Conversation:
    """The turns of one program, and what it has counted so far.

    Attributes:
        turn: The one that is running.
    """

    def __init__(self, attachment: Attachment, tools: dict[str, OpenSpan]) -> None:
        self._attachment, self._tools = attachment, tools
        self.turn: Turn | None = None
        self._totals: dict[str, Total] = {}
        self._usd = 0.0

    @guarded
    def begin(self) -> None:
        """Begin a turn, unless one is running."""
        if self.turn is None:
            self.turn = Turn(self._attachment, self._tools)

    @guarded
    def take(self, message: Any) -> None:
        """Take a message into account; a result ends the turn."""
        kind = type(message).__name__
        if kind in _BEGINNINGS:
            self.begin()  # a turn may also begin by itself, as when a task in the background is done
        if kind == "ConversationResetMessage":
            self._totals, self._usd = {}, 0.0
        elif kind == "ResultMessage":
            self._settle(message)
        elif self.turn is not None:
            self.turn.take(message)

    def _settle(self, result: Any) -> None:
        turn, self.turn = self.turn, None
        if turn is None:
            return
        if result.model_usage:
            totals = claude_totals.totals_of(result.model_usage)
            turn.end(claude_totals.since(self._totals, totals), result=result)
            self._totals = totals
        else:
            turn.end(self._only_total(turn, result), result=result)
        self._usd = result.total_cost_usd or self._usd

    def _only_total(self, turn: Turn, result: Any) -> dict[str, Total]:
        """Return the totals of older programs, which name no models: of use where there was only one."""
        models = turn.models()
        if len(models) != 1 or not result.usage:
            return {}
        usd = None if result.total_cost_usd is None else max(0.0, result.total_cost_usd - self._usd)
        return {models.pop(): claude_totals.Total(claude_totals.usage_of(result.usage), usd)}

    @guarded
    def end(self, turn: Turn | None, error: BaseException) -> None:
        """End a turn without a result, if it is still the one that is running."""
        if turn is not None and turn is self.turn:
            self.turn = None
            turn.end({}, error=error)


async def _watched(stream: Any, conversation: _Conversation, *, begins: bool = False) -> AsyncIterator[Any]:
    """Yield what a stream yields; the turn is current while the SDK works, never in the caller's code."""
    error: BaseException = GeneratorExit()
    if begins:
        conversation.begin()
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
        self._conversations: WeakKeyDictionary[Any, _Conversation] = WeakKeyDictionary()

    def _of(self, client: Any) -> _Conversation:
        return self._conversations.setdefault(client, _Conversation(self._attachment, self._tools))

    def process_query(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def process_query(client: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            conversation = _Conversation(self._attachment, self._tools)
            return _watched(original(client, *args, **kwargs), conversation, begins=True)

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
