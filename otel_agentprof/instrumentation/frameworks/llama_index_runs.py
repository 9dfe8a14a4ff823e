"""The two handlers: what LlamaIndex tells of its spans and events becomes spans of ours.

    query engine     |--------------------|           shown
      _query          |------------------|            glue: what is in it counts as the query's
        retriever      |------|                       a retrieval
        synthesizer             |-------|             glue
          model                  |-----|              by the client's span, or by ours for a fake

A stream's span ends when the generator is returned; the call of the model begins when that is first read, and
is over with the event for its end.
"""

from __future__ import annotations

import json
from inspect import isasyncgen, isgenerator
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.instrumentation.frameworks import llama_index_words as words
from otel_agentprof.instrumentation.frameworks.guard import guarded
from otel_agentprof.instrumentation.frameworks.run_book import RunBook
from otel_agentprof.instrumentation.kinds import RETRIEVAL, TOOL

if TYPE_CHECKING:
    from inspect import BoundArguments

    from otel_agentprof.instrumentation.framework import Attachment

_MOST_OPEN: Final = 10_000


class Recorder:
    """What both handlers call; one object for all threads and tasks."""

    def __init__(self, attachment: Attachment) -> None:
        self.book = RunBook(attachment.tracer)
        self._captures_content = attachment.captures_content
        self._open: dict[str, words.Shown] = {}

    @guarded
    def enter(
        self, id_: str, bound_args: BoundArguments, instance: Any = None, parent_id: str | None = None
    ) -> None:
        """Start a span, or a call of a model; or neither, for glue."""
        shown = words.shown(id_, instance, bound_args.arguments, self._open.get(parent_id or ""))
        if len(self._open) >= _MOST_OPEN:  # ends that were never told
            self._open.clear()
        self._open[id_] = shown
        if shown.kind is None:
            self.book.hide(id_, parent=parent_id)
        elif isinstance(shown.kind, str):
            self.book.start_model(id_, parent=parent_id, asked=words.asked(instance), operation=shown.kind)
        else:
            facts: dict[str, Any] = {}
            if shown.kind is TOOL and shown.call_id:
                facts[semconv.TOOL_CALL_ID] = shown.call_id
            if shown.kind is TOOL and self._captures_content:
                facts[semconv.TOOL_CALL_ARGUMENTS] = json.dumps(bound_args.kwargs, default=str)
            self.book.start(
                id_, shown.kind, shown.name, parent=parent_id, facts=facts, is_current=shown.is_current
            )

    @guarded
    def exit(self, id_: str, result: Any = None) -> None:
        """End a span; a call of a model only if there is no stream to be read."""
        shown = self._open.pop(id_, None)
        if isgenerator(result) or isasyncgen(result):
            self.book.wait_for_reader(id_)
        elif self.book.is_calling(id_):
            self.book.end_model(id_, words.answer(result))
        facts: dict[str, Any] = {}
        if shown is not None and shown.kind is RETRIEVAL and isinstance(result, list):
            facts[semconv.RETRIEVAL_DOCUMENT_COUNT] = len(result)
        if shown is not None and shown.kind is TOOL:
            if self._captures_content:
                facts[semconv.TOOL_CALL_RESULT] = str(result)
            if getattr(result, "is_error", False):
                self.book.fail(id_, "tool_error")
        self.book.end(id_, facts=facts)

    @guarded
    def drop(self, id_: str, error: BaseException | None) -> None:
        """End what failed."""
        self._open.pop(id_, None)
        self.book.end_model(id_, error=error)
        self.book.end(id_, error)

    @guarded
    def event(self, name: str, event: Any) -> None:
        """Take the events that tell of streams."""
        if name.endswith("InProgressEvent"):
            self.book.first_chunk(event.span_id)
        elif name in {"LLMChatEndEvent", "LLMCompletionEndEvent"}:
            self.book.end_model(event.span_id, words.answer(event.response))
        elif name == "ExceptionEvent":
            self.book.end_model(event.span_id, error=event.exception)
