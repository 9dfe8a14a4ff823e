"""Claude's agent SDK, played by stand-ins with its names: what becomes of its messages."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass, field
from textwrap import dedent as replay  # any function from elsewhere
from time import time_ns
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import INVALID_SPAN, get_current_span

from otel_agentprof import semconv
from otel_agentprof.instrumentation.framework import Attachment, TracedByOthersError
from otel_agentprof.instrumentation.frameworks import claude_agent_sdk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from conftest import Spans
    from opentelemetry.sdk.trace import ReadableSpan

MODEL = "claude-sonnet-4-5"


@dataclass
class TextBlock:
    text: str


@dataclass
class ThinkingBlock:
    thinking: str


@dataclass
class ToolUseBlock:
    id: str
    name: str
    input: dict[str, Any] = field(default_factory=dict)


@dataclass
class ToolResultBlock:
    tool_use_id: str
    content: Any = "secret result"
    is_error: bool | None = None


@dataclass
class AssistantMessage:
    content: list[Any]
    message_id: str | None = "msg_1"
    model: str = MODEL
    parent_tool_use_id: str | None = None
    error: str | None = None
    usage: dict[str, int] | None = field(default_factory=lambda: {"input_tokens": 100, "output_tokens": 1})
    stop_reason: str | None = None
    session_id: str | None = "session"
    uuid: str | None = None


@dataclass
class UserMessage:
    content: Any
    parent_tool_use_id: str | None = None
    tool_use_result: Any = None


@dataclass
class StreamEvent:
    event: dict[str, Any]
    parent_tool_use_id: str | None = None


@dataclass
class TaskNotificationMessage:
    tool_use_id: str | None
    status: str = "completed"


@dataclass
class SystemMessage:
    subtype: str


@dataclass
class ConversationResetMessage:
    uuid: str = ""


@dataclass
class ResultMessage:
    subtype: str = "success"
    is_error: bool = False
    usage: dict[str, int] | None = None
    model_usage: dict[str, dict[str, Any]] | None = None
    total_cost_usd: float | None = None
    api_error_status: int | None = None
    terminal_reason: str | None = None


def done(output: int = 50, usd: float = 0.5, *, taken: int = 100) -> ResultMessage:
    return ResultMessage(
        model_usage={MODEL: {"inputTokens": taken, "outputTokens": output, "costUSD": usd}},
        total_cost_usd=usd,
    )


class InternalClient:
    """Yields a script, then raises what the script says."""

    def __init__(self) -> None:
        self.is_closed = False

    async def process_query(self, *, script: list[Any]) -> AsyncIterator[Any]:
        try:
            for message in script:
                if isinstance(message, BaseException):
                    raise message
                yield message
        finally:
            self.is_closed = True


class ClaudeSDKClient:
    """Likewise, in turns."""

    def __init__(self) -> None:
        self.script: list[Any] = []
        self.is_broken = False

    async def query(self, prompt: str) -> None:
        del prompt
        if self.is_broken:
            raise ConnectionError

    async def receive_messages(self) -> AsyncIterator[Any]:
        while self.script:
            yield self.script.pop(0)

    async def receive_response(self) -> AsyncIterator[Any]:
        async for message in self.receive_messages():
            yield message
            if isinstance(message, ResultMessage):
                return

    async def disconnect(self) -> None:
        self.script.clear()


class Query:
    """Answers what the program asks of servers in this process."""

    async def _handle_sdk_mcp_request(self, server: str, message: dict[str, Any]) -> dict[str, Any]:
        return {"server": server, **message}


CLASSES = {
    "claude_agent_sdk.client": ClaudeSDKClient,
    "claude_agent_sdk._internal.client": InternalClient,
    "claude_agent_sdk._internal.query": Query,
}
HOOKS = (
    (InternalClient, "process_query"),
    (ClaudeSDKClient, "query"),
    (ClaudeSDKClient, "receive_messages"),
    (ClaudeSDKClient, "disconnect"),
    (Query, "_handle_sdk_mcp_request"),
)


@pytest.fixture
def attach(pipeline: Spans, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    package = ModuleType("claude_agent_sdk")
    package.__file__ = __file__
    monkeypatch.setitem(sys.modules, "claude_agent_sdk", package)
    for name, kind in CLASSES.items():
        module = ModuleType(name)
        setattr(module, kind.__name__, kind)
        monkeypatch.setitem(sys.modules, name, module)
    before = [vars(owner)[name] for owner, name in HOOKS]
    ways_back: list[Callable[[], None]] = []

    def attach(*, captures_content: bool = False) -> None:
        tracer = pipeline.provider.get_tracer(semconv.SCOPE)
        attachment = Attachment(pipeline.provider, tracer, captures_content)
        ways_back.append(claude_agent_sdk.attach(attachment))

    yield attach
    for way_back in ways_back:
        way_back()
    assert [vars(owner)[name] for owner, name in HOOKS] == before


async def ask(*script: Any) -> list[Any]:
    got = []
    async for message in InternalClient().process_query(script=[*script]):
        assert get_current_span() is INVALID_SPAN
        got.append(message)
    return got


def named(spans: Spans, name: str) -> ReadableSpan:
    [found] = [span for span in spans.all() if span.name == name]
    return found


def facts(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def is_below(inner: ReadableSpan, outer: ReadableSpan) -> bool:
    return inner.parent is not None and inner.parent.span_id == outer.context.span_id


async def test_the_messages_come_through_as_they_are(attach: Callable[..., None]) -> None:
    attach()
    script = [AssistantMessage([TextBlock("hello")]), done()]

    got = await ask(*script)

    assert [id(message) for message in got] == [id(message) for message in script]


async def test_a_message_in_several_blocks_is_one_call_with_the_tokens_of_the_result(
    attach: Callable[..., None], pipeline: Spans
) -> None:
    attach()

    await ask(
        AssistantMessage([ThinkingBlock("hm")]),
        AssistantMessage([TextBlock("hello")], stop_reason="end_turn"),
        done(),
    )

    call, agent = named(pipeline, f"chat {MODEL}"), named(pipeline, "invoke_agent claude")
    assert is_below(call, agent)
    assert facts(call)[semconv.USAGE_INPUT_TOKENS] == 100
    assert facts(call)[semconv.USAGE_OUTPUT_TOKENS] == 50
    assert facts(call)[semconv.COST_TOTAL] == 0.5
    assert facts(call)[semconv.RESPONSE_ID] == "msg_1"
    assert facts(call)[semconv.RESPONSE_FINISH_REASONS] == ("end_turn",)
    assert facts(agent)[semconv.CONVERSATION_ID] == "session"
    assert not any(key.startswith("gen_ai.usage") for key in facts(agent))


async def test_the_start_of_the_program_is_no_time_of_the_model(
    attach: Callable[..., None], pipeline: Spans
) -> None:
    attach()
    stream: Any = InternalClient().process_query(
        script=[SystemMessage("init"), SystemMessage("status"), AssistantMessage([TextBlock("hi")]), done()]
    )

    await anext(stream)
    ready_ns = time_ns()
    assert len([message async for message in stream]) == 3

    agent, call = named(pipeline, "invoke_agent claude"), named(pipeline, f"chat {MODEL}")
    assert agent.start_time is not None
    assert call.start_time is not None
    assert agent.start_time < call.start_time <= ready_ns
    assert is_below(named(pipeline, "start of the program"), agent)


async def test_calls_and_tools_that_overlap_in_the_program_do_not_wait_for_each_other(
    attach: Callable[..., None], pipeline: Spans
) -> None:
    attach()

    await ask(
        AssistantMessage([ToolUseBlock("call_1", "weather")]),
        AssistantMessage([ToolUseBlock("call_2", "weather")]),
        UserMessage([ToolResultBlock("call_1"), ToolResultBlock("call_2")]),
        done(),
    )

    lanes = [facts(span)[semconv.LANE] for span in pipeline.all() if span.name != "invoke_agent claude"]
    call = named(pipeline, f"chat {MODEL}")
    tools = [span for span in pipeline.all() if span.name == "execute_tool weather"]
    assert len(set(lanes)) == 3
    assert call.end_time is not None
    assert all(span.start_time is not None and call.end_time <= span.start_time for span in tools)


async def test_a_tool_lasts_from_its_use_to_its_result_and_its_failure_is_its_own(
    attach: Callable[..., None], pipeline: Spans
) -> None:
    attach()

    await ask(
        AssistantMessage([ToolUseBlock("call_1", "lottery", {"city": "secret"})]),
        UserMessage("not about tools"),
        UserMessage([TextBlock("neither"), ToolResultBlock("call_1", is_error=True)]),
        UserMessage([ToolResultBlock("unheard-of")]),
        AssistantMessage([TextBlock("no luck")], message_id="msg_2"),
        done(taken=200),
    )

    tool, agent = named(pipeline, "execute_tool lottery"), named(pipeline, "invoke_agent claude")
    assert is_below(tool, agent)
    assert facts(tool)[semconv.TOOL_CALL_ID] == "call_1"
    assert (tool.status.status_code.name, agent.status.status_code.name) == ("ERROR", "UNSET")
    assert "secret" not in str([facts(span) for span in pipeline.all()])


async def test_arguments_and_results_are_kept_where_that_is_asked_for(
    attach: Callable[..., None], pipeline: Spans
) -> None:
    attach(captures_content=True)

    await ask(
        AssistantMessage([ToolUseBlock("call_1", "weather", {"city": "Paris"})]),
        UserMessage([ToolResultBlock("call_1", "mild")]),
        done(),
    )

    told = facts(named(pipeline, "execute_tool weather"))
    assert told[semconv.TOOL_CALL_ARGUMENTS] == '{"city": "Paris"}'
    assert told[semconv.TOOL_CALL_RESULT] == '"mild"'


@pytest.mark.parametrize("status", ["completed", "failed"])
async def test_a_sub_agent_in_the_background_outlives_its_tool_and_ends_when_it_is_told(
    attach: Callable[..., None], pipeline: Spans, status: str
) -> None:
    attach()

    await ask(
        AssistantMessage([ToolUseBlock("call_1", "Agent", {"subagent_type": "expert"})]),
        UserMessage([ToolResultBlock("call_1")], tool_use_result={"isAsync": True}),
        AssistantMessage([TextBlock("I know")], message_id="msg_2", parent_tool_use_id="call_1"),
        TaskNotificationMessage("call_1", status),
        TaskNotificationMessage(None),
        done(taken=200),
    )

    expert, tool = named(pipeline, "invoke_agent expert"), named(pipeline, "execute_tool Agent")
    inner = [span for span in pipeline.all() if is_below(span, expert)]
    assert is_below(expert, tool)
    assert [facts(span)[semconv.RESPONSE_ID] for span in inner] == ["msg_2"]
    assert (expert.status.status_code.name == "ERROR") is (status == "failed")


async def test_a_sub_agent_that_is_waited_for_ends_with_its_tool(
    attach: Callable[..., None], pipeline: Spans
) -> None:
    attach()

    await ask(
        AssistantMessage([ToolUseBlock("call_1", "Agent", {"subagent_type": "expert"})]),
        AssistantMessage([TextBlock("I know")], message_id="msg_2", parent_tool_use_id="call_1"),
        UserMessage([ToolResultBlock("call_1")]),
        done(taken=200),
    )

    assert semconv.STREAM_COMPLETE not in facts(named(pipeline, "invoke_agent expert"))


async def test_pieces_tell_the_output_and_the_first_token_of_each_call(
    attach: Callable[..., None], pipeline: Spans
) -> None:
    attach()
    begun = {"id": "msg_1", "model": MODEL, "usage": {"input_tokens": 100, "output_tokens": 1}}

    await ask(
        StreamEvent({"type": "message_start", "message": begun}),
        StreamEvent({"type": "content_block_delta"}),
        AssistantMessage([TextBlock("hello")]),
        StreamEvent(
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 33}}
        ),
        AssistantMessage([TextBlock("and more")], message_id="msg_2"),
        done(output=40, taken=200),
    )

    first, second = sorted(
        (facts(span) for span in pipeline.all() if span.name.startswith("chat")),
        key=lambda told: str(told[semconv.RESPONSE_ID]),
    )
    assert (first[semconv.USAGE_OUTPUT_TOKENS], second[semconv.USAGE_OUTPUT_TOKENS]) == (33, 7)
    assert first[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] >= 0
    assert first[semconv.RESPONSE_FINISH_REASONS] == ("end_turn",)
    assert semconv.RESPONSE_TIME_TO_FIRST_CHUNK not in second


async def test_several_turns_of_a_client_are_several_agents_and_share_no_tokens(
    attach: Callable[..., None], pipeline: Spans
) -> None:
    attach()
    client = ClaudeSDKClient()

    for turn in (1, 2):
        await client.query("go on")
        client.script += [AssistantMessage([TextBlock("hi")], message_id=f"msg_{turn}")]
        client.script += [done(output=50 * turn, usd=0.5 * turn, taken=100 * turn)]
        assert len([message async for message in client.receive_response()]) == 2

    calls = [facts(span) for span in pipeline.all() if span.name.startswith("chat")]
    assert [told[semconv.USAGE_OUTPUT_TOKENS] for told in calls] == [50, 50]
    assert [told[semconv.COST_TOTAL] for told in calls] == [0.5, 0.5]
    assert len([span for span in pipeline.all() if span.name == "invoke_agent claude"]) == 2


async def test_after_a_reset_the_program_counts_anew(attach: Callable[..., None], pipeline: Spans) -> None:
    attach()

    await ask(
        AssistantMessage([TextBlock("hi")]),
        done(),
        ConversationResetMessage(),
        AssistantMessage([TextBlock("hi")], message_id="msg_2"),
        done(output=70),
    )

    assert [
        facts(span)[semconv.USAGE_OUTPUT_TOKENS] for span in pipeline.all() if span.name.startswith("chat")
    ] == [50, 70]


async def test_the_only_total_of_an_older_program_is_that_of_its_only_model(
    attach: Callable[..., None], pipeline: Spans
) -> None:
    attach()

    await ask(
        AssistantMessage([TextBlock("hi")]),
        ResultMessage(usage={"input_tokens": 100, "output_tokens": 50}, total_cost_usd=0.5),
    )

    told = facts(named(pipeline, f"chat {MODEL}"))
    assert (told[semconv.USAGE_OUTPUT_TOKENS], told[semconv.COST_TOTAL]) == (50, 0.5)


async def test_a_result_without_any_usage_leaves_the_output_unknown(
    attach: Callable[..., None], pipeline: Spans
) -> None:
    attach()

    await ask(AssistantMessage([TextBlock("hi")]), ResultMessage())

    told = facts(named(pipeline, f"chat {MODEL}"))
    assert told[semconv.USAGE_INPUT_TOKENS] == 100
    assert semconv.USAGE_OUTPUT_TOKENS not in told
    assert semconv.COST_TOTAL not in told


async def test_calls_that_no_message_shows_take_tokens_and_no_time(
    attach: Callable[..., None], pipeline: Spans
) -> None:
    attach()
    result = done()
    assert result.model_usage is not None
    result.model_usage["claude-haiku-4-5"] = {"inputTokens": 30, "outputTokens": 2}

    await ask(AssistantMessage([TextBlock("hi")]), AssistantMessage([], model="<synthetic>"), result)

    unseen = named(pipeline, "chat claude-haiku-4-5")
    assert facts(unseen)[semconv.CALLS_UNSEEN] is True
    assert facts(unseen)[semconv.USAGE_INPUT_TOKENS] == 30
    assert unseen.start_time == unseen.end_time


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (ResultMessage("error_max_turns", is_error=True), "error_max_turns"),
        (ResultMessage(is_error=True, api_error_status=529), "529"),
        (
            ResultMessage("error_during_execution", is_error=True, terminal_reason="aborted_streaming"),
            None,
        ),
        (ResultMessage(), None),
    ],
)
async def test_a_result_that_is_an_error_is_one_of_the_agent_but_an_interrupt_is_none(
    attach: Callable[..., None], pipeline: Spans, result: ResultMessage, error: str | None
) -> None:
    attach()

    await ask(result)

    agent = named(pipeline, "invoke_agent claude")
    assert facts(agent).get(semconv.ERROR_TYPE) == error
    assert (agent.status.status_code.name == "ERROR") is (error is not None)


async def test_a_refused_call_is_an_error_of_its_own(attach: Callable[..., None], pipeline: Spans) -> None:
    attach()

    await ask(
        AssistantMessage([TextBlock("hi")], error="rate_limit", usage=None, message_id=None), done(0, taken=0)
    )

    assert facts(named(pipeline, f"chat {MODEL}"))[semconv.ERROR_TYPE] == "rate_limit"


async def test_what_the_sdk_raises_is_raised_and_ends_all_that_is_open(
    attach: Callable[..., None], pipeline: Spans
) -> None:
    attach()
    failure = ConnectionError("gone")

    with pytest.raises(ConnectionError) as raised:
        await ask(AssistantMessage([ToolUseBlock("call_1", "weather")]), failure)

    assert raised.value is failure
    assert named(pipeline, "invoke_agent claude").status.status_code.name == "ERROR"
    assert facts(named(pipeline, "execute_tool weather"))[semconv.STREAM_COMPLETE] is False


async def test_a_stream_that_is_closed_early_closes_the_sdks_own_and_is_no_error(
    attach: Callable[..., None], pipeline: Spans
) -> None:
    attach()
    client = InternalClient()
    stream: Any = client.process_query(script=[AssistantMessage([TextBlock("hi")]), done()])

    await anext(stream)
    await stream.aclose()

    agent = named(pipeline, "invoke_agent claude")
    assert client.is_closed
    assert facts(agent)[semconv.STREAM_COMPLETE] is False
    assert agent.status.status_code.name == "UNSET"
    assert get_current_span() is INVALID_SPAN


async def test_a_prompt_that_cannot_be_sent_is_an_error(attach: Callable[..., None], pipeline: Spans) -> None:
    attach()
    client = ClaudeSDKClient()
    client.is_broken = True

    with pytest.raises(ConnectionError):
        await client.query("go on")

    assert named(pipeline, "invoke_agent claude").status.status_code.name == "ERROR"


async def test_a_turn_without_a_result_ends_with_its_client(
    attach: Callable[..., None], pipeline: Spans
) -> None:
    attach()
    client = ClaudeSDKClient()

    await client.query("go on")
    await client.disconnect()

    assert facts(named(pipeline, "invoke_agent claude"))[semconv.STREAM_COMPLETE] is False


async def test_a_server_in_this_process_hears_which_call_of_a_tool_it_works_for(
    attach: Callable[..., None], pipeline: Spans
) -> None:
    attach()
    request = {"params": {"_meta": {"claudecode/toolUseId": "call_1"}}}
    stream: Any = InternalClient().process_query(
        script=[
            AssistantMessage([ToolUseBlock("call_1", "weather")]),
            UserMessage([ToolResultBlock("call_1")]),
            done(),
        ]
    )

    await anext(stream)
    answer: Any = await Query()._handle_sdk_mcp_request("city", request)
    plain = await Query()._handle_sdk_mcp_request("city", {})
    assert len([message async for message in stream]) == 2

    tool = named(pipeline, "execute_tool weather")
    assert answer["params"]["_meta"]["traceparent"].split("-")[2] == f"{tool.context.span_id:016x}"
    assert plain == {"server": "city"}


def test_where_somebody_else_traces_the_client_we_step_back(
    attach: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = functools.wraps(ClaudeSDKClient.query)(replay)

    with monkeypatch.context() as patched:
        patched.setattr(ClaudeSDKClient, "query", theirs)
        with pytest.raises(TracedByOthersError):
            attach()
