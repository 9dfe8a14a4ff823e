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
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_agentprof import semconv
from otel_agentprof.instrumentation import wrapping
from otel_agentprof.instrumentation.frameworks import llama_index_words as words
from otel_agentprof.instrumentation.frameworks.guard import guarded
from otel_agentprof.instrumentation.frameworks.run_book import RunBook
from otel_agentprof.instrumentation.kinds import RETRIEVAL, TOOL
from otel_agentprof.model.content_limits import cut, within_limits

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping
    from inspect import BoundArguments

    from otel_agentprof.instrumentation.framework import Attachment
    from otel_agentprof.instrumentation.open_span import OpenSpan

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
                facts[semconv.TOOL_CALL_ARGUMENTS] = within_limits(json.dumps(bound_args.kwargs, default=str))
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
            facts[semconv.RESULT_COUNT] = len(result)
        if shown is not None and shown.kind is TOOL:
            if self._captures_content:
                facts[semconv.TOOL_CALL_RESULT] = cut(str(result))
            if getattr(result, "is_error", False):
                self.book.fail(id_, "tool_error")
        if _is_stream(result) and (span := self.book.hand_over(id_)) is not None:
            result.response_gen = _read_inside(span, result.response_gen)
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


class _Reading(NamedTuple):
    """The reading of a query's answer: all its work is done then."""

    span: OpenSpan

    def begin(self, _args: tuple[Any, ...], _kwargs: Mapping[str, Any]) -> OpenSpan:
        return self.span

    def finish(self, span: OpenSpan, _result: Any) -> None:
        span.end()


def _is_stream(result: Any) -> bool:
    pieces = getattr(result, "__dict__", {}).get("response_gen")
    return isgenerator(pieces) or isasyncgen(pieces)


def _read_inside(span: OpenSpan, pieces: Any) -> Any:
    read = wrapping.wrap(_aread if isasyncgen(pieces) else _read, _Reading(span))
    return read(pieces, wrapping.LastChance(span))


def _read(pieces: Generator[str], _chance: object) -> Generator[str]:
    yield from pieces


async def _aread(pieces: AsyncGenerator[str], _chance: object) -> AsyncGenerator[str]:
    async for piece in pieces:
        yield piece
