"""OpenAI's agents SDK, through its own list of trace processors.

    trace "Agent workflow"        WORKFLOW
      task                        no span: it repeats the trace, and the usage of all below
        agent "guide"             AGENT
          turn 1                  no span: but a call of a model that nobody else saw shows in its usage
            response, generation  the client's span; ours only where no client was seen
            function "weather"    TOOL
            handoff, guardrail    STEP

Nothing here reaches the SDK's exporter to its vendor: a processor only listens.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.instrumentation import foreign, kinds
from otel_agentprof.instrumentation.framework import Attachment, FrameworkSpec, TracedByOthersError
from otel_agentprof.instrumentation.frameworks.guard import guarded
from otel_agentprof.instrumentation.frameworks.replacing import replace_all
from otel_agentprof.instrumentation.frameworks.run_book import ModelAnswer, RunBook
from otel_agentprof.instrumentation.frameworks.told_usage import told_usage
from otel_agentprof.instrumentation.frameworks.tool_input import take_input
from otel_agentprof.model.content_limits import cut

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_agentprof.instrumentation.kinds import Kind

_KINDS: Final[dict[str, Kind]] = {
    "agent": kinds.AGENT,
    "function": kinds.TOOL,
    "handoff": kinds.STEP,
    "guardrail": kinds.STEP,
    "custom": kinds.STEP,
    "mcp_tools": kinds.STEP,
}
_MODELS: Final = frozenset({"response", "generation"})


class _Listener:
    """What the SDK tells of traces and spans, as it happens, in the very task where it happens."""

    def __init__(self, attachment: Attachment) -> None:
        self.book = RunBook(attachment.tracer)
        self._captures_content = attachment.captures_content
        self._in_flight: dict[str, BaseException] = {}  # what was being handled when a span began

    @guarded
    def on_trace_start(self, trace: Any) -> None:
        group = getattr(trace, "group_id", None)
        facts = {semconv.CONVERSATION_ID: group} if group else None
        self._note_in_flight(trace.trace_id)
        self.book.start(trace.trace_id, kinds.WORKFLOW, trace.name, facts=facts)

    @guarded
    def on_trace_end(self, trace: Any) -> None:
        self.book.end(trace.trace_id, self._raised(trace.trace_id))

    @guarded
    def on_span_start(self, span: Any) -> None:
        key, kind = span.span_id, span.span_data.type
        around = span.parent_id or span.trace_id
        self._note_in_flight(key)
        if kind in _KINDS:
            self.book.model_answered(around)  # a tool or a handoff: the model of the turn is done
            self.book.start(key, _KINDS[kind], _name(span.span_data), parent=around)
            return
        self.book.hide(key, parent=around)
        if kind in _MODELS or kind == "turn":
            self.book.start_model(key, parent=around)

    @guarded
    def on_span_end(self, span: Any) -> None:
        key, data = span.span_id, span.span_data
        error = self._raised(key)
        if data.type == "function" and error is not None:
            error = error.__cause__ or error  # the SDK wraps what a tool raises
        if data.type in _MODELS:
            self.book.end_model(key, _answer(data), error)
        elif data.type == "turn":
            self._end_turn(key, data)
        elif data.type in _KINDS:
            if span.error and error is None:
                self.book.fail(key, "tool_error" if data.type == "function" else "_OTHER")
            if data.type == "handoff" and (step := self.book.get(key)) is not None:
                step.guarded(step.span.update_name, _name(data))
        self.book.end(key, error, facts=self._content(data))

    @guarded
    def take_tool_call(self, span: Any, context: Any) -> None:
        """Note which of the model's calls a tool answers, and with what: the SDK's own span does not tell."""
        if span is not None and span.span_data.type == "function":
            run, given = self.book.get(span.span_id), getattr(context, "tool_arguments", None)
            if run is not None:
                run.set_call_id(context.tool_call_id)
            take_input(run, span.span_data.name, json.loads(given or "{}"), captures_content=False)

    def shutdown(self) -> None:
        self.book.close()

    def force_flush(self) -> None:
        """Do nothing: spans are handed on as they end."""

    def _end_turn(self, key: str, data: Any) -> None:
        if data.usage:  # of a model of the user's own; else a client or the SDK's model class was seen
            self.book.end_model(key, ModelAnswer(usage=told_usage(data.usage)))
        else:
            self.book.forget_model(key)

    def _note_in_flight(self, key: str) -> None:
        if (handled := sys.exc_info()[1]) is not None:
            self._in_flight[key] = handled

    def _raised(self, key: str) -> BaseException | None:
        """Return what is being raised through the end of a span, and was not at its start already."""
        before, now = self._in_flight.pop(key, None), sys.exc_info()[1]
        return None if now is before else now

    def _content(self, data: Any) -> dict[str, str] | None:
        if not self._captures_content or data.type != "function":
            return None
        both = {semconv.TOOL_CALL_ARGUMENTS: data.input, semconv.TOOL_CALL_RESULT: data.output}
        return {name: cut(str(value)) for name, value in both.items() if value is not None}


def _name(data: Any) -> str:
    if data.type == "handoff":
        return f"handoff {data.from_agent} -> {data.to_agent}" if data.to_agent else "handoff"
    if data.type == "mcp_tools":
        return f"list tools of {data.server}"
    return f"guardrail {data.name}" if data.type == "guardrail" else str(data.name)


def _answer(data: Any) -> ModelAnswer:
    response = getattr(data, "response", None)
    output = getattr(response, "output", None) or ()
    return ModelAnswer(
        model=getattr(response, "model", None) or getattr(data, "model", None),
        usage=told_usage(data.usage) if data.usage else None,
        response_id=getattr(response, "id", None),
        tool_call_ids=[item.call_id for item in output if getattr(item, "type", None) == "function_call"],
    )


def _attach(attachment: Attachment) -> Callable[[], None]:
    tracing = import_module("agents.tracing")
    contexts, providers = import_module("agents.tool_context"), import_module("agents.tracing.provider")
    provider = tracing.get_trace_provider()
    for other in _processors(provider):
        if foreign.traces(type(other)):
            raise TracedByOthersError(type(other).__module__)
    listener = _Listener(attachment)

    def keeping(original: Any) -> Any:
        def set_processors(self: Any, processors: list[Any]) -> None:
            # Users replace the exporter to the vendor so; they do not mean us.
            original(self, [*processors, listener])

        return set_processors

    def telling_call_id(original: Any) -> Any:
        def from_agent_context(cls: Any, *args: Any, **kwargs: Any) -> Any:
            context = original.__func__(cls, *args, **kwargs)
            listener.take_tool_call(tracing.get_current_span(), context)
            return context

        return classmethod(from_agent_context)

    default, context = providers.DefaultTraceProvider, contexts.ToolContext
    restore = replace_all(
        [(default, "set_processors", keeping), (context, "from_agent_context", telling_call_id)]
    )
    tracing.add_trace_processor(listener)

    def detach() -> None:
        restore()
        provider.set_processors([one for one in _processors(provider) if one is not listener])
        listener.book.close()

    return detach


def _processors(provider: Any) -> tuple[Any, ...]:
    listed: tuple[Any, ...] = getattr(getattr(provider, "_multi_processor", None), "_processors", ())
    return listed


SPEC: Final = FrameworkSpec(
    name="openai_agents",
    distribution="openai-agents>=0.4",
    attach=_attach,
    note="a trace processor; blind where OPENAI_AGENTS_DISABLE_TRACING is set",
)
