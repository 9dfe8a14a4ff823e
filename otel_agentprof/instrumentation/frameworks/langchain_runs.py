"""The callback handler: what LangChain tells of its runs becomes spans.

agent guide          |-----------------------------------|   create_agent, a graph, a chain nobody called
  (node model)        |---------|                            hidden: it is what an agent consists of
    chat              |---------|                            by the client's span, or by ours for a fake
  tool weather                    |--|
  node, function                         |-----|             a step, where it has a name of its own
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.instrumentation.frameworks import langchain_words as words
from otel_agentprof.instrumentation.frameworks.guard import guarded
from otel_agentprof.instrumentation.frameworks.run_book import RunBook
from otel_agentprof.instrumentation.frameworks.tool_input import as_text
from otel_agentprof.instrumentation.kinds import RETRIEVAL, TOOL
from otel_agentprof.model.content_limits import cut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_agentprof.instrumentation.framework import Attachment
    from otel_agentprof.instrumentation.kinds import Kind

_MOST_CHAINS: Final = 10_000


class Callbacks:
    """What LangChain calls; one object for all runs, threads and tasks."""

    run_inline = True  # else asynchronous runs call from a context that their work never sees
    ignore_llm = ignore_chat_model = ignore_chain = ignore_agent = ignore_retriever = False

    def __init__(self, attachment: Attachment) -> None:
        self.book = RunBook(attachment.tracer)
        self._captures_content = attachment.captures_content
        self._chains: dict[Any, words.Run] = {}

    @guarded
    def on_chain_start(self, _serialized: Any, _inputs: Any, *, run_id: Any, **told: Any) -> None:
        """Start the span of an agent, a graph, a node; or none, for glue."""
        parent = told.get("parent_run_id")
        run = words.chain(told, self._chains.get(parent))
        if len(self._chains) >= _MOST_CHAINS:  # ends that were never told
            self._chains.clear()
        self._chains[run_id] = run
        if run.kind is None:
            self.book.hide(run_id, parent=parent)
        else:
            self._start(run_id, run.kind, run.name, told, words.conversation(run.kind, told))

    @guarded
    def on_chain_end(self, _outputs: Any, *, run_id: Any, **_told: Any) -> None:
        """End a span, if the run has one."""
        self._chains.pop(run_id, None)
        self.book.end(run_id)

    @guarded
    def on_chain_error(self, error: BaseException, *, run_id: Any, **_told: Any) -> None:
        """End the span of what failed, or only has something to say."""
        self._chains.pop(run_id, None)
        self.book.end(run_id, None if words.is_message(error) else error)

    on_tool_error = on_retriever_error = on_chain_error

    @guarded
    def on_tool_start(self, serialized: Any, input_str: str, *, run_id: Any, **told: Any) -> None:
        """Start the span of a tool."""
        facts = {semconv.TOOL_CALL_ID: told.get("tool_call_id")}
        if self._captures_content:
            inputs = told.get("inputs")
            facts[semconv.TOOL_CALL_ARGUMENTS] = cut(input_str) if inputs is None else as_text(inputs)
        self._start(run_id, TOOL, (serialized or {}).get("name") or told.get("name"), told, facts)

    @guarded
    def on_tool_end(self, output: Any, *, run_id: Any, **_told: Any) -> None:
        """End it; a failure may come as a result."""
        span = self.book.get(run_id)
        if span is not None:
            span.set_call_id(getattr(output, "tool_call_id", None))
            if self._captures_content:
                span.set(semconv.TOOL_CALL_RESULT, cut(str(getattr(output, "content", output))))
        if getattr(output, "status", None) == "error":
            self.book.fail(run_id, "tool_error")
        self.book.end(run_id)

    @guarded
    def on_retriever_start(self, serialized: Any, _query: str, *, run_id: Any, **told: Any) -> None:
        """Start the span of a retrieval."""
        name = told.get("name") or (serialized or {}).get("name")
        # A retriever has no copy of the context; nothing of the user's comes between its start and its end.
        self._start(run_id, RETRIEVAL, name, told, {}, is_current=True)

    @guarded
    def on_retriever_end(self, documents: Sequence[Any], *, run_id: Any, **_told: Any) -> None:
        """End it with the number of documents."""
        self.book.end(run_id, facts={semconv.RESULT_COUNT: len(documents)})

    @guarded
    def on_chat_model_start(self, _serialized: Any, _messages: Any, *, run_id: Any, **told: Any) -> None:
        """Note that a model is called."""
        self.book.start_model(
            run_id,
            parent=told.get("parent_run_id"),
            asked=words.asked(told),
        )

    on_llm_start = on_chat_model_start

    @guarded
    def on_llm_new_token(self, _token: Any = None, *, run_id: Any, **_told: Any) -> None:
        """Note that a chunk is there, before its consumer has it."""
        self.book.first_chunk(run_id)

    on_stream_event = on_llm_new_token

    @guarded
    def on_llm_end(self, response: Any, *, run_id: Any, **_told: Any) -> None:
        """End a call of a model."""
        if words.is_from_cache(response):
            self.book.forget_model(run_id)
        else:
            self.book.end_model(run_id, words.answer(response))

    @guarded
    def on_llm_error(self, error: BaseException, *, run_id: Any, **_told: Any) -> None:
        """End one that failed."""
        self.book.end_model(run_id, error=error)

    def _start(
        self,
        run_id: Any,
        kind: Kind,
        name: str | None,
        told: Mapping[str, Any],
        facts: Mapping[str, Any],
        *,
        is_current: bool = False,
    ) -> None:
        known = {key: value for key, value in facts.items() if value is not None}
        parent = told.get("parent_run_id")
        self.book.start(run_id, kind, name, parent=parent, facts=known, is_current=is_current)

    def close(self) -> None:
        """End what is open, and be deaf to what still runs."""
        self.ignore_llm = self.ignore_chat_model = self.ignore_chain = True
        self.ignore_agent = self.ignore_retriever = True
        self.book.close()
