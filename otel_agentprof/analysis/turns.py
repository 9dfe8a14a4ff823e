"""Which answer of a model asked for which tool calls: the joints that the clock does not show.

chat      |---|  asks for a1 and a2
  search       |---|        call a1    one turn: neither needs the result of the other
  lookup            |---|   call a2
chat                     |---|         brings the results of both
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from otel_agentprof.model import dialects

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from otel_agentprof.model.span import Span
    from otel_agentprof.model.tree import SpanTree


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of one trace.

    Attributes:
        askers: For each tool call id the model call whose answer asked for it.
        asking: The model calls whose answers asked for tool calls.
    """

    askers: Mapping[str, int]
    asking: AbstractSet[int] = frozenset()

    @classmethod
    def of(cls, tree: SpanTree, llm_calls: Iterable[int]) -> Self:
        """Return the turns of a tree, by what its model calls asked for."""
        askers: dict[str, int] = {}
        asking: set[int] = set()
        for index in llm_calls:
            call_ids = dialects.tool_call_ids_of(tree.spans[index])
            if call_ids:
                asking.add(index)
                for call_id in call_ids:
                    askers.setdefault(call_id, index)
        return cls(askers, asking)

    def asked_by(self, span: Span) -> int | None:
        """Return the model call that asked for what a span does; None where that is not known."""
        call_id = dialects.tool_call_id_of(span)
        return None if call_id is None else self.askers.get(call_id)
