"""Haystack, through its own interface for tracers.

    haystack.pipeline.run             WORKFLOW
      haystack.component.run          STEP; a retriever RETRIEVAL; in a generator as in step.llm
        haystack.agent.run            AGENT     by the name of its component, which has no span of its own
          haystack.agent.step         no span
            ...step.llm               the client's span; ours only where no client was seen
            ...step.tool              TOOL

Content is only looked at here, for tokens and ids: it goes on spans where the user asks for that, never by
Haystack's own switch.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as context_api

from otel_agentprof import semconv
from otel_agentprof.instrumentation import current, kinds
from otel_agentprof.instrumentation.framework import Attachment, FrameworkSpec, TracedByOthersError
from otel_agentprof.instrumentation.frameworks.asked_calls import AskedCall, AskedCalls
from otel_agentprof.instrumentation.frameworks.bubble import in_bubble
from otel_agentprof.instrumentation.frameworks.guard import guarded
from otel_agentprof.instrumentation.frameworks.replacing import replace
from otel_agentprof.instrumentation.frameworks.run_book import ModelAnswer, RunBook
from otel_agentprof.instrumentation.frameworks.told_usage import told_usage
from otel_agentprof.instrumentation.frameworks.tool_input import as_text, take_input

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from otel_agentprof.instrumentation.kinds import Kind

_KINDS: Final[dict[str, Kind]] = {  # by operation; what is not here has no span
    "haystack.pipeline.run": kinds.WORKFLOW,
    "haystack.agent.run": kinds.AGENT,
    "haystack.agent.step.tool": kinds.TOOL,
    "haystack.agent.hook": kinds.STEP,
    "haystack.agent.hook.human_in_the_loop.strategy": kinds.STEP,
}
_MODELS: Final = frozenset({"haystack.agent.step.llm", "haystack.chat_generator.run"})
_ANSWERS: Final = frozenset({"haystack.agent.step.llm.output", "haystack.component.output"})
_SPAN_KEY: Final = "otel_agentprof.haystack"  # in a context: Haystack's span that it is in


class _Span:
    """What Haystack writes on: it is shown everything, and keeps what we need."""

    def __init__(
        self, tracer: _Tracer, operation: str, tags: Mapping[str, Any], parent: _Span | None
    ) -> None:
        self.kind = _kind(operation, tags)
        self.name = _name(operation, tags, parent)
        component = str(tags.get("haystack.component.type"))
        self.is_model = operation in _MODELS or (self.kind is kinds.STEP and component.endswith("Generator"))
        self.agent: _Span | None = self if self.kind is kinds.AGENT else parent and parent.agent
        self.answer: ModelAnswer | None = None
        self.error: BaseException | None = None
        self._tracer = tracer

    def set_tag(self, key: str, value: Any) -> None:
        if key == "haystack.tool.error" and value:
            raised = sys.exc_info()[1]
            self.error = raised and (raised.__cause__ or raised)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        for key, value in tags.items():
            self.set_tag(key, value)

    def set_content_tag(self, key: str, value: Any) -> None:
        self._tracer.look_at(self, key, value)

    def raw_span(self) -> Any:
        run = self._tracer.book.get(self)
        return self if run is None else run.span

    def get_correlation_data_for_logs(self) -> dict[str, Any]:
        return {}


class _Tracer:
    """The tracer that Haystack is given."""

    def __init__(self, attachment: Attachment) -> None:
        self.book = RunBook(attachment.tracer)
        self._captures_content = attachment.captures_content
        self._asked = AskedCalls()

    @contextmanager
    def trace(self, operation_name: str, tags: Any = None, parent_span: Any = None) -> Iterator[_Span]:
        around = parent_span if isinstance(parent_span, _Span) else self.current_span()
        span = self._start(operation_name, tags or {}, around) or _Span(self, "", {}, around)
        token = context_api.attach(context_api.set_value(_SPAN_KEY, span))
        try:
            yield span
        except BaseException as error:
            current.leave(token)
            self._end(span, error)
            raise
        current.leave(token)
        self._end(span, span.error)

    def current_span(self) -> _Span | None:
        found = context_api.get_value(_SPAN_KEY)
        return found if isinstance(found, _Span) else None

    @guarded
    def look_at(self, span: _Span, key: str, value: Any) -> None:
        """Take the figures of an answer and the ids of tool calls out of content."""
        if span.is_model and key in _ANSWERS:
            replies = [reply for reply in value.get("replies") or () if hasattr(reply, "tool_calls")]
            asked = [call for reply in replies for call in reply.tool_calls]
            calls = [AskedCall(call.id, call.tool_name, call.arguments) for call in asked if call.id]
            self._asked.note(span.agent, calls)
            metas = value.get("meta") or [reply.meta for reply in replies]
            span.answer = _answer(metas[0] if metas else {}, calls)
        elif span.kind is kinds.RETRIEVAL and key in _ANSWERS and (run := self.book.get(span)) is not None:
            run.set_attribute(semconv.RESULT_COUNT, len(value.get("documents") or ()))
        elif span.kind is kinds.TOOL and (run := self.book.get(span)) is not None:
            if key.endswith(".input"):
                run.set_call_id(self._asked.claim(span.agent, str(span.name), value))
                take_input(run, str(span.name), value, captures_content=self._captures_content)
            elif self._captures_content:
                run.set_attribute(semconv.TOOL_CALL_RESULT, as_text(value))

    @guarded
    def _start(self, operation: str, tags: Mapping[str, Any], parent: _Span | None) -> _Span:
        span = _Span(self, operation, tags, parent)
        if span.kind is None:
            self.book.hide(span, parent=parent)
        else:
            self.book.start(span, span.kind, span.name, parent=parent)
        if span.is_model:
            self.book.start_model(span, parent=span)
        return span

    @guarded
    def _end(self, span: _Span, error: BaseException | None) -> None:
        self.book.end_model(span, span.answer, error)
        self.book.end(span, error)
        self._asked.forget(span)


def _kind(operation: str, tags: Mapping[str, Any]) -> Kind | None:
    if operation != "haystack.component.run":
        return _KINDS.get(operation)
    component = str(tags.get("haystack.component.type"))
    if component == "Agent":
        return None
    return kinds.RETRIEVAL if component.endswith("Retriever") else kinds.STEP


def _name(operation: str, tags: Mapping[str, Any], parent: _Span | None) -> str | None:
    if operation == "haystack.agent.run":
        return parent.name if parent is not None and parent.kind in (None, kinds.TOOL) else "Agent"
    for tag in ("haystack.tool.name", "haystack.component.name", "haystack.agent.hook.name"):
        if tag in tags:
            return str(tags[tag])
    return "pipeline" if operation == "haystack.pipeline.run" else operation.rpartition(".")[2]


def _answer(meta: Mapping[str, Any], calls: list[AskedCall]) -> ModelAnswer:
    reason = meta.get("finish_reason")
    return ModelAnswer(
        model=meta.get("model"),
        usage=told_usage(meta["usage"]) if meta.get("usage") else None,
        finish_reasons=[str(reason)] if reason else [],
        tool_call_ids=[call.id for call in calls],
    )


def _attach(attachment: Attachment) -> Callable[[], None]:
    tracing = import_module("haystack.tracing")
    before = tracing.tracer.actual_tracer
    if tracing.is_tracing_enabled():
        raise TracedByOthersError(f"{type(before).__module__}.{type(before).__name__} is Haystack's tracer")
    ours = _Tracer(attachment)
    tracing.enable_tracing(ours)
    restore = replace(import_module("haystack").Pipeline, "run_async_generator", in_bubble)

    def detach() -> None:
        restore()
        if tracing.tracer.actual_tracer is ours:
            tracing.enable_tracing(before)
        ours.book.close()

    return detach


SPEC: Final = FrameworkSpec(
    name="haystack",
    distribution="haystack-ai>=3.0",
    attach=_attach,
    note="its tracer, unless the program enables another",
)
