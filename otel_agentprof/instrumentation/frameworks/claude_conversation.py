"""The turns of one of Claude's programs: when each begins and ends, and what was counted before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.instrumentation.frameworks import claude_totals
from otel_agentprof.instrumentation.frameworks.claude_turn import Turn
from otel_agentprof.instrumentation.frameworks.guard import guarded

if TYPE_CHECKING:
    from otel_agentprof.instrumentation.framework import Attachment
    from otel_agentprof.instrumentation.frameworks.claude_totals import Total
    from otel_agentprof.instrumentation.open_span import OpenSpan

_BEGINNINGS: Final = frozenset({"AssistantMessage", "StreamEvent"})


class Conversation:
    """The turns of one program, and what it has counted so far.

    Attributes:
        turn: The one that is running.
    """

    def __init__(self, attachment: Attachment, tools: dict[str, OpenSpan]) -> None:
        self._attachment, self._tools = attachment, tools
        self.turn: Turn | None = None
        self._totals: dict[str, Total] = {}
        self._usd = 0.0

    @guarded
    def begin(self, *, starts_program: bool = False) -> None:
        """Begin a turn, unless one is running."""
        if self.turn is None:
            self.turn = Turn(self._attachment, self._tools, starts_program=starts_program)

    @guarded
    def take(self, message: Any) -> None:
        """Take a message into account; a result ends the turn."""
        kind = type(message).__name__
        if kind in _BEGINNINGS:
            self.begin()  # a turn may also begin by itself, as when a task in the background is done
        if kind == "ConversationResetMessage":
            self._totals, self._usd = {}, 0.0
        elif kind == "ResultMessage":
            self._settle(message)
        elif self.turn is not None:
            self.turn.take(message)

    def _settle(self, result: Any) -> None:
        turn, self.turn = self.turn, None
        if turn is None:
            return
        if result.model_usage:
            totals = claude_totals.totals_of(result.model_usage)
            turn.end(claude_totals.since(self._totals, totals), result=result)
            self._totals = totals
        else:
            turn.end(self._only_total(turn, result), result=result)
        self._usd = result.total_cost_usd or self._usd

    def _only_total(self, turn: Turn, result: Any) -> dict[str, Total]:
        """Return the totals of older programs, which name no models: of use where there was only one."""
        models = turn.models()
        if len(models) != 1 or not result.usage:
            return {}
        usd = None if result.total_cost_usd is None else max(0.0, result.total_cost_usd - self._usd)
        return {models.pop(): claude_totals.Total(claude_totals.usage_of(result.usage), usd)}

    @guarded
    def end(self, turn: Turn | None, error: BaseException) -> None:
        """End a turn without a result, if it is still the one that is running."""
        if turn is not None and turn is self.turn:
            self.turn = None
            turn.end({}, error=error)
