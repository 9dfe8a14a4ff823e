"""Which spans of a tree stand for a call, so that no token is counted twice.

    agent            in=300      its tokens repeat those below: left out (R5)
      chat gateway   in=100      wraps the call below: no call of its own (R3)
        chat         in=100      the call
      chat           in=200      the call
      openai.chat    in=200      shows the same response again: no call of its own (R2)

Every span keeps its timing; only one span per call keeps its tokens. R-numbers: dialects.md, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_agentprof import semconv
from otel_agentprof.model import dialects
from otel_agentprof.model.tree import NO_PARENT

if TYPE_CHECKING:
    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.model.tree import SpanTree
    from otel_agentprof.semconv import Role

_NEVER: Final = float("inf")
_SEVERAL: Final = -2
_TRANSPARENT: Final = frozenset({"step", "other"})  # between an agent's tool span and its client's


@dataclass(frozen=True, slots=True)
class Ledger:
    """What each span of a tree is, and which of its tokens count. All tuples are indexed like ``tree.spans``.

    Attributes:
        roles: What kind of work each span is.
        counted: False where another span already stands for the same call.
        usage: The tokens that count; None where the span has none or another span has them.
        models: The model that the tokens belong to.
        providers: The vendor that is paid for them.
        costs_reported: US dollars that the span itself names, or another span that shows the same call; None
            where the money is told by another span.
        roll_ups: Spans whose tokens were left out because spans below them have them.
    """

    roles: tuple[Role, ...]
    counted: tuple[bool, ...]
    usage: tuple[TokenUsage | None, ...]
    models: tuple[str | None, ...]
    providers: tuple[str | None, ...]
    costs_reported: tuple[float | None, ...]
    roll_ups: frozenset[int]


def count(tree: SpanTree) -> Ledger:
    """Return the ledger of a tree: roles, and tokens once per call."""
    draft = _Draft(tree)
    ...
