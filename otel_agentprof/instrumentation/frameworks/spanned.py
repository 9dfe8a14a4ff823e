"""Methods of a framework with a span around each run: where no hook tells of the work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from otel_agentprof import semconv
from otel_agentprof.instrumentation import kinds
from otel_agentprof.instrumentation.frameworks.guard import guarded
from otel_agentprof.instrumentation.frameworks.tool_input import as_text, take_input
from otel_agentprof.instrumentation.open_span import OpenSpan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_agentprof.instrumentation.framework import Attachment
    from otel_agentprof.instrumentation.kinds import Kind


class Work(NamedTuple):
    """What is about to be done.

    Attributes:
        kind: What kind of work it is.
        name: What works.
        facts: More attributes.
        arguments: What a tool is given.
    """

    kind: Kind
    name: str | None
    facts: Mapping[str, Any]
    arguments: Any = None


class Spanned:
    """What :func:`otel_agentprof.instrumentation.wrapping.wrap` does around each run; nothing here raises."""

    def __init__(
        self, attachment: Attachment, work_of: Callable[..., Work], *, is_of_tools: bool = False
    ) -> None:
        """Make spans of an attachment.

        Args:
            attachment: Where spans go.
            work_of: Takes what the method takes, ``self`` first, and says what it will do.
            is_of_tools: Whether what it is given and gives back are a tool's arguments and result, which go
                on the span where content is asked for.
        """
        self._attachment = attachment
        self._work_of = guarded(work_of)
        self._is_of_tools = is_of_tools
        self._keeps_content = is_of_tools and attachment.captures_content

    def begin(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> OpenSpan:
        """Start the span of a run."""
        work = self._work_of(*args, **kwargs) or Work(kinds.STEP, None, {})
        facts = {**work.kind.facts(work.name), **work.facts}
        span = OpenSpan(work.kind.title(work.name), facts, self._attachment.tracer)
        if self._is_of_tools:
            take_input(span, str(work.name), work.arguments, captures_content=self._keeps_content)
        return span

    def finish(self, span: OpenSpan, result: Any) -> None:
        """End the span of a run that returned."""
        if self._keeps_content:
            span.set_attribute(semconv.TOOL_CALL_RESULT, as_text(result))
        span.end()
