"""A turn of Claude's program as spans: what each of its messages means for which of them.

    prompt ................................................. result
    agent     |=======================================|
      chat      |-----|                                            AssistantMessage, one per content block
      tool           |------|                                      ToolUseBlock .. ToolResultBlock
      chat                  |----|

A model answers from the last thing that it was given until its last block. Its calls are written at the
result, which alone knows what they took (claude_totals.py).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from time import time_ns
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import SpanKind

from otel_agentprof import semconv
from otel_agentprof.instrumentation import figures
from otel_agentprof.instrumentation.frameworks import claude_totals
from otel_agentprof.instrumentation.kinds import AGENT, TOOL
from otel_agentprof.instrumentation.open_span import OpenSpan
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context

    from otel_agentprof.instrumentation.framework import Attachment
    from otel_agentprof.instrumentation.frameworks.claude_totals import Settled, Total

_AGENT_NAME: Final = "claude"
_NO_MODEL: Final = "<synthetic>"  # what the program says itself
_ABORTED: Final = "aborted_"  # by an interrupt, which is no error


@dataclass(slots=True)
class _Call:
    """A call of a model, as its messages come in."""

    model: str
    parent: Context | None
    start_ns: int
    end_ns: int
    first_ns: int | None = None  # only where the user asked for pieces
    usage: TokenUsage = field(default_factory=TokenUsage)
    has_output: bool = False
    written: int = 0
    tool_call_ids: list[str] = field(default_factory=list)
    finish_reason: str | None = None
    error: str | None = None


class Turn:
    """What happens between a prompt and its result.

    Attributes:
        agent: The span of the turn.
    """

    def __init__(self, attachment: Attachment, tools: dict[str, OpenSpan]) -> None:
        """Start a turn.

        Args:
            attachment: Where its spans come from.
            tools: The tools that are running, by the ids of their calls; those of other turns too.
        """
        self.agent = OpenSpan(AGENT.title(_AGENT_NAME), AGENT.facts(_AGENT_NAME), attachment.tracer)
        self._tracer, self._captures_content = attachment.tracer, attachment.captures_content
        # Lanes: the main conversation (None) and each sub-agent's, by the id of the tool call that began it.
        self._agents: dict[str | None, OpenSpan] = {None: self.agent}
        self._names: dict[str, str] = {}
        self._given_ns: dict[str | None, int] = {None: time_ns()}
        self._answering: dict[str | None, _Call] = {}
        self._calls: dict[str, _Call] = {}
        self._tools = tools
        self._begun: dict[str, Context | None] = {}

    def take(self, message: Any) -> None:
        """Take a message into account."""
        if (session := getattr(message, "session_id", None)) and not self._calls:
            self.agent.set_attribute(semconv.CONVERSATION_ID, session)
        match type(message).__name__:
            case "AssistantMessage":
                self._answered(message)
            case "UserMessage":
                for block in message.content if isinstance(message.content, list) else ():
                    if type(block).__name__ == "ToolResultBlock":
                        self._given(block, message)
            case "StreamEvent":
                self._heard(message.event, message.parent_tool_use_id)
            case "SystemMessage" if message.subtype == "init":
                self._given_ns[None] = time_ns()  # the program has started; only now can it ask a model
            case "TaskNotificationMessage":
                self._end_agent(message.tool_use_id, message.status)

    def _answered(self, message: Any) -> None:
        now, lane = time_ns(), message.parent_tool_use_id
        if message.model == _NO_MODEL:
            return
        call = self._call(message.message_id or message.uuid or "", message.model, lane, now)
        call.end_ns, call.error = now, message.error or call.error
        call.finish_reason = message.stop_reason or call.finish_reason
        if message.usage and not call.has_output:
            call.usage = claude_totals.usage_of(message.usage)
        for block in message.content:
            match type(block).__name__:
                case "TextBlock":
                    call.written += len(block.text)
                case "ThinkingBlock":
                    call.written += len(block.thinking)
                case "ToolUseBlock":
                    call.written += len(json.dumps(block.input, default=str))
                    call.tool_call_ids.append(block.id)
                    self._use(block, lane, now)

    def _call(self, key: str, model: str, lane: str | None, now: int) -> _Call:
        if key not in self._calls:
            parent = self._agent_of(lane, now).context
            self._calls[key] = _Call(model, parent, self._given_ns.get(lane, now), now)
        return self._calls[key]

    def _agent_of(self, lane: str | None, now: int) -> OpenSpan:
        """Return the agent that a lane belongs to; a sub-agent begins with its first sign of life."""
        if lane not in self._agents:
            name = self._names.get(lane or "", "sub-agent")
            parent = self._begun.get(lane or "") or self.agent.context
            start_ns = self._given_ns.setdefault(lane, now)
            self._agents[lane] = OpenSpan(
                AGENT.title(name), AGENT.facts(name), self._tracer, parent=parent, start_ns=start_ns
            )
        return self._agents[lane]

    def _use(self, block: Any, lane: str | None, now: int) -> None:
        facts = {**TOOL.facts(block.name), semconv.TOOL_CALL_ID: block.id}
        if self._captures_content:
            facts[semconv.TOOL_CALL_ARGUMENTS] = json.dumps(block.input, default=str)
        span = OpenSpan(TOOL.title(block.name), facts, self._tracer, parent=self._agent_of(lane, now).context)
        self._tools[block.id], self._begun[block.id] = span, span.context
        self._given_ns[block.id] = now
        if name := block.input.get("subagent_type"):
            self._names[block.id] = str(name)

    def _given(self, block: Any, message: Any) -> None:
        self._given_ns[message.parent_tool_use_id] = time_ns()
        told = message.tool_use_result
        if not (isinstance(told, dict) and told.get("isAsync")):  # else it goes on in the background
            self._end_agent(block.tool_use_id)
        span = self._tools.pop(block.tool_use_id, None)
        if span is None:
            return
        if self._captures_content:
            span.set_attribute(semconv.TOOL_CALL_RESULT, json.dumps(block.content, default=str))
        if block.is_error:
            span.fail("tool_error")
        span.end()

    def _heard(self, event: Mapping[str, Any], lane: str | None) -> None:
        """Take a piece of a streamed answer, which only comes where the user asked for pieces."""
        now = time_ns()
        match event.get("type"):
            case "message_start":
                begun = event["message"]
                call = self._call(begun["id"], begun["model"], lane, now)
                call.usage, call.first_ns = claude_totals.usage_of(begun.get("usage") or {}), now
                self._answering[lane] = call
            case "message_delta" if lane in self._answering:
                call = self._answering[lane]
                call.usage = call.usage._replace(output=claude_totals.usage_of(event["usage"]).output)
                call.has_output, call.end_ns = True, now
                call.finish_reason = (event.get("delta") or {}).get("stop_reason")

    def _end_agent(self, lane: str | None, status: str = "completed") -> None:
        if lane is not None and (span := self._agents.get(lane)) is not None:
            if status == "failed":
                span.fail("task_failed")
            span.end()

    def end(
        self, totals: Mapping[str, Total], *, result: Any = None, error: BaseException | None = None
    ) -> None:
        """End everything that is open.

        Args:
            totals: What the turn took per model.
            result: The message that ended it; None where it ended without one.
            error: What ended it instead.
        """
        self._write(totals)
        running = [span for call_id in self._begun if (span := self._tools.pop(call_id, None)) is not None]
        for span in (*running, *[span for lane, span in self._agents.items() if lane]):
            span.end(GeneratorExit())  # nobody will tell of its end
        if result is not None and result.is_error and not _is_interrupt(result):
            status = result.api_error_status if result.subtype == "success" else None
            self.agent.fail(str(status or result.subtype))
        self.agent.end(error)

    def models(self) -> set[str]:
        """Return the models that were called."""
        return {call.model for call in self._calls.values()}

    def _write(self, totals: Mapping[str, Total]) -> None:
        calls = list(self._calls.items())
        told = [
            claude_totals.Call(call.model, call.usage, call.has_output, call.written) for _, call in calls
        ]
        settled, unseen = claude_totals.settle(told, totals)
        for (key, call), share in zip(calls, settled, strict=True):
            facts = _facts(call.model, share) | {semconv.RESPONSE_ID: key}
            if call.first_ns is not None:
                facts[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] = (call.first_ns - call.start_ns) / 1e9
            if call.tool_call_ids:
                facts[semconv.TOOL_CALL_IDS] = tuple(call.tool_call_ids)
            if call.finish_reason:
                facts[semconv.RESPONSE_FINISH_REASONS] = (call.finish_reason,)
            self._span(facts, call.parent, call.start_ns, call.end_ns, call.error)
        now = time_ns()
        for model, share in unseen.items():
            # Calls that no message shows: when they were made is not known, so they take no time.
            facts = _facts(model, share) | {semconv.CALLS_UNSEEN: True}
            self._span(facts, self.agent.context, now, now, None)

    def _span(
        self, facts: dict[str, Any], parent: Context | None, start_ns: int, end_ns: int, error: str | None
    ) -> None:
        span = OpenSpan(
            f"chat {facts[semconv.REQUEST_MODEL]}",
            facts,
            self._tracer,
            parent=parent,
            start_ns=start_ns,
            span_kind=SpanKind.CLIENT,
        )
        if error is not None:
            span.fail(error)
        span.end(end_ns=end_ns)


def _facts(model: str, share: Settled) -> dict[str, Any]:
    facts: dict[str, Any] = {
        semconv.OPERATION_NAME: "chat",
        semconv.ROLE: "llm",
        semconv.PROVIDER_NAME: "anthropic",
        semconv.REQUEST_MODEL: model,
        semconv.RESPONSE_MODEL: model,
    }
    figures.write_usage(facts, share.usage, has_output=share.has_output)
    if share.is_estimated:
        facts[semconv.OUTPUT_ESTIMATED] = True
    if share.usd is not None:
        figures.write_total(facts, share.usd, "provider", is_mirrored=False)
    return facts


def _is_interrupt(result: Any) -> bool:
    return str(getattr(result, "terminal_reason", None) or "").startswith(_ABORTED)
