"""CrewAI, through its event bus, at the one point where an event is emitted.

    crew_kickoff_started          WORKFLOW   flows too, but for the one inside every agent
      task_started                STEP
        agent_execution_started   AGENT
          llm_call_started        the client's span; ours only where no client was seen
          tool_usage_started      TOOL

Handlers of the bus run on threads of its own, without the context of the work, and so cannot make a span
current. ``emit`` itself runs where the work is, and it is there that CrewAI keeps its own stack of what is
inside what: events carry the ids, and our spans are current exactly while theirs are on that stack.
"""

from __future__ import annotations

import functools
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_agentprof import semconv
from otel_agentprof.instrumentation import foreign, kinds
from otel_agentprof.instrumentation.framework import Attachment, FrameworkSpec, TracedByOthersError
from otel_agentprof.instrumentation.frameworks.asked_calls import AskedCall, AskedCalls
from otel_agentprof.instrumentation.frameworks.guard import guarded
from otel_agentprof.instrumentation.frameworks.replacing import replace
from otel_agentprof.instrumentation.frameworks.run_book import ModelAnswer, RunBook
from otel_agentprof.instrumentation.frameworks.told_usage import told_usage
from otel_agentprof.instrumentation.frameworks.tool_input import take_input
from otel_agentprof.model.content_limits import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_agentprof.instrumentation.kinds import Kind


class _Row(NamedTuple):
    kind: Kind
    name: Callable[[Any, Any], str | None]  # of the source and the event; never a text that may be a prompt


_STARTS: Final = {
    "crew_kickoff_started": _Row(kinds.WORKFLOW, lambda _, event: event.crew_name),
    "flow_started": _Row(kinds.WORKFLOW, lambda _, event: event.flow_name),
    "method_execution_started": _Row(kinds.STEP, lambda _, event: event.method_name),
    "task_started": _Row(kinds.STEP, lambda source, _: getattr(source, "name", None) or "task"),
    "agent_execution_started": _Row(kinds.AGENT, lambda _, event: event.agent.role.strip()),
    "lite_agent_execution_started": _Row(kinds.AGENT, lambda _, event: event.agent_info.get("role")),
    "agent_reasoning_started": _Row(kinds.STEP, lambda *_: "reasoning"),
    "llm_guardrail_started": _Row(kinds.STEP, lambda *_: "guardrail"),
    "tool_usage_started": _Row(kinds.TOOL, lambda _, event: event.tool_name),
    "memory_query_started": _Row(kinds.RETRIEVAL, lambda *_: "memory"),
    "knowledge_query_started": _Row(kinds.RETRIEVAL, lambda *_: "knowledge"),
}
_FAILURES: Final = ("_failed", "_error")
_OF_AN_AGENT: Final = "crewai."  # flows that CrewAI runs inside an agent


class _Listener:
    """What the events tell, as they are emitted, in the very thread and task that emits them."""

    def __init__(self, attachment: Attachment) -> None:
        self.book = RunBook(attachment.tracer)
        self._captures_content = attachment.captures_content
        self._asked = AskedCalls()  # events of tools do not tell the ids

    @guarded
    def hear(self, source: Any, event: Any) -> None:
        """Take an event that CrewAI has just given its ids."""
        if event.type == "llm_call_started":
            self.book.start_model(event.event_id, parent=event.parent_event_id)
        elif event.type in ("llm_call_completed", "llm_call_failed"):
            self._end_model(event)
        elif event.type in _STARTS:
            self._start(source, event, _STARTS[event.type])
        elif event.started_event_id:
            self._end(event)

    def _start(self, source: Any, event: Any, row: _Row) -> None:
        if event.type == "flow_started" and type(source).__module__.startswith(_OF_AN_AGENT):
            self.book.hide(event.event_id, parent=event.parent_event_id)
            return
        run = self.book.start(event.event_id, row.kind, row.name(source, event), parent=event.parent_event_id)
        if row.kind is kinds.TOOL:
            name, given = event.tool_name, event.tool_args
            run.set_call_id(self._asked.claim(event.parent_event_id, name, given))
            take_input(run, name, given, captures_content=self._captures_content)

    def _end(self, event: Any) -> None:
        key = event.started_event_id
        self._asked.forget(key)
        error = _error(event)
        if error is None and (getattr(event, "failure", None) or event.type.endswith(_FAILURES)):
            self.book.fail(key, "tool_error" if event.type.startswith("tool_") else "_OTHER")
        facts = {}
        if self._captures_content and event.type == "tool_usage_finished":
            facts[semconv.TOOL_CALL_RESULT] = cut(str(event.output))
        self.book.end(key, error, facts=facts)

    def _end_model(self, event: Any) -> None:
        response = getattr(event, "response", None)
        asked = [_call(call) for call in response if _is_call(call)] if isinstance(response, list) else []
        self._asked.note(event.parent_event_id, asked)
        key = event.started_event_id
        if event.type.endswith(_FAILURES):
            error = _error(event)
            kind = "_OTHER" if error is None else None
            self.book.end_model(key, ModelAnswer(model=event.model), error, error_type=kind)
            return
        self.book.end_model(
            key,
            ModelAnswer(
                model=event.model,
                usage=told_usage(event.usage) if event.usage else None,
                response_id=getattr(event, "response_id", None),
                finish_reasons=[event.finish_reason] if getattr(event, "finish_reason", None) else [],
                tool_call_ids=[call.id for call in asked],
            ),
        )


def _error(event: Any) -> BaseException | None:
    """Return what went wrong; most events tell only its text, from within the handler of the exception."""
    told = getattr(event, "error", None)
    if told is None or isinstance(told, BaseException):
        return told
    raised = sys.exc_info()[1]
    return raised if raised is not None and str(raised) in str(told) else None


def _is_call(told: Any) -> bool:
    return isinstance(told, dict) and "id" in told and "name" in (told.get("function") or ())


def _call(told: Mapping[str, Any]) -> AskedCall:
    return AskedCall(str(told["id"]), told["function"]["name"], told["function"].get("arguments"))


def _attach(attachment: Attachment) -> Callable[[], None]:
    if foreign.traces(import_module("crewai").Crew.kickoff):
        raise TracedByOthersError("another package's wrapper around Crew.kickoff")
    listener = _Listener(attachment)

    def heard(original: Any) -> Any:
        @functools.wraps(original)
        def emit(self: Any, source: Any, event: Any) -> Any:
            future = original(self, source, event)
            listener.hear(source, event)
            return future

        return emit

    restore = replace(import_module("crewai.events.event_bus").CrewAIEventsBus, "emit", heard)

    def detach() -> None:
        restore()
        listener.book.close()

    return detach


SPEC: Final = FrameworkSpec(
    name="crewai",
    distribution="crewai>=1.10",
    attach=_attach,
    note="its events, where they are emitted",
)
