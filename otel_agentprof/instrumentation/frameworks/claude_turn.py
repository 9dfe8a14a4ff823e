"""A turn of Claude's program as spans: what each of its messages means for which of them.

    prompt ................................................. result
    agent     |=======================================|
      chat      |-----|                                            AssistantMessage, one per content block
      tool           |------|                                      ToolUseBlock .. ToolResultBlock
      chat                  |----|

A model answers from the last thing that it was given until its last block, or its first tool. Its calls are
written at the result, which alone knows what they took (claude_calls.py, claude_totals.py).
"""

from __future__ import annotations

import json
from time import time_ns
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.instrumentation.frameworks import claude_calls, claude_totals
from otel_agentprof.instrumentation.kinds import AGENT, STEP, TOOL
from otel_agentprof.instrumentation.open_span import OpenSpan
from otel_agentprof.model.content_limits import within_limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context

    from otel_agentprof.instrumentation.framework import Attachment
    from otel_agentprof.instrumentation.frameworks.claude_calls import Call
    from otel_agentprof.instrumentation.frameworks.claude_totals import Total

_AGENT_NAME: Final = "claude"
_NO_MODEL: Final = "<synthetic>"  # what the program says itself
_ABORTED: Final = "aborted_"  # by an interrupt, which is no error


class Turn:
    """What happens between a prompt and its result.

    Attributes:
        agent: The span of the turn.
    """

    def __init__(
        self, attachment: Attachment, tools: dict[str, OpenSpan], *, starts_program: bool = False
    ) -> None:
        """Start a turn.

        Args:
            attachment: Where its spans come from.
            tools: The tools that are running, by the ids of their calls; those of other turns too.
            starts_program: Whether the program is started for this turn.
        """
        self.agent = OpenSpan(AGENT.title(_AGENT_NAME), AGENT.facts(_AGENT_NAME), attachment.tracer)
        self._tracer, self._captures_content = attachment.tracer, attachment.captures_content
        # Lanes: the main conversation (None) and each sub-agent's, by the id of the tool call that began it.
        self._agents: dict[str | None, OpenSpan] = {None: self.agent}
        self._names: dict[str, str] = {}
        self._given_ns: dict[str | None, int] = {None: time_ns()}
        self._answering: dict[str | None, Call] = {}
        self._calls: dict[str, Call] = {}
        self._tools = tools
        self._starts_program = starts_program
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
                self._started()
            case "TaskNotificationMessage":
                self._end_agent(message.tool_use_id, message.status)

    def _started(self) -> None:
        """Note that the program is ready: only now can it ask a model."""
        if self._starts_program:
            facts, parent, start_ns = STEP.facts(None), self.agent.context, self._given_ns[None]
            OpenSpan("start of the program", facts, self._tracer, parent=parent, start_ns=start_ns).end()
            self._starts_program = False
        self._given_ns[None] = time_ns()

    def _answered(self, message: Any) -> None:
        now, lane = time_ns(), message.parent_tool_use_id
        if message.model == _NO_MODEL:
            return
        call = self._call(message.message_id or message.uuid or "", message.model, lane, now)
        call.end(now)
        call.error = message.error or call.error
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

    def _call(self, key: str, model: str, lane: str | None, now: int) -> Call:
        if key not in self._calls:
            parent = self._agent_of(lane, now).context
            self._calls[key] = claude_calls.Call(model, parent, self._given_ns.get(lane, now), now)
        return self._calls[key]

    def _agent_of(self, lane: str | None, now: int) -> OpenSpan:
        """Return the agent that a lane belongs to; a sub-agent begins with its first sign of life."""
        if lane not in self._agents:
            name = self._names.get(lane or "", "sub-agent")
            parent = self._begun.get(lane or "") or self.agent.context
            start_ns = self._given_ns.setdefault(lane, now)
            span = OpenSpan(
                AGENT.title(name), AGENT.facts(name), self._tracer, parent=parent, start_ns=start_ns
            )
            self._agents[lane] = claude_calls.elsewhere(span, f"agent of {lane}")
        return self._agents[lane]

    def _use(self, block: Any, lane: str | None, now: int) -> None:
        facts = {**TOOL.facts(block.name), semconv.TOOL_CALL_ID: block.id}
        if self._captures_content:
            facts[semconv.TOOL_CALL_ARGUMENTS] = within_limits(json.dumps(block.input, default=str))
        span = OpenSpan(TOOL.title(block.name), facts, self._tracer, parent=self._agent_of(lane, now).context)
        self._tools[block.id], self._begun[block.id] = claude_calls.elsewhere(span, block.id), span.context
        self._given_ns[block.id] = now
        if name := block.input.get("subagent_type"):
            self._names[block.id] = str(name)

    def _given(self, block: Any, message: Any) -> None:
        self._given_ns[message.parent_tool_use_id] = time_ns()
        told = message.tool_use_result
        if not (isinstance(told, dict) and told.get("isAsync")):  # else it goes on in the background
            self._end_agent(block.tool_use_id)
        if (span := self._tools.pop(block.tool_use_id, None)) is None:
            return
        if self._captures_content:
            span.set_attribute(
                semconv.TOOL_CALL_RESULT, within_limits(json.dumps(block.content, default=str))
            )
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
                call.has_output = True
                call.end(now)
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
        claude_calls.write(self._tracer, self._calls, totals, self.agent.context)
        running = [span for call_id in self._begun if (span := self._tools.pop(call_id, None)) is not None]
        for span in (*running, *[span for lane, span in self._agents.items() if lane]):
            span.end(GeneratorExit())  # nobody will tell of its end
        reason = str(getattr(result, "terminal_reason", None) or "")
        if result is not None and result.is_error and not reason.startswith(_ABORTED):
            status = result.api_error_status if result.subtype == "success" else None
            self.agent.fail(str(status or result.subtype))
        self.agent.end(error)

    def models(self) -> set[str]:
        """Return the models that were called."""
        return {call.model for call in self._calls.values()}
