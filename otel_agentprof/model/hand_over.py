"""What rooms that do not know each other tell about a call, along with the context it is made in.

optimize/tool_calls.py   answers call_1 with a marked tool   ->  the tool's own span has that id
optimize/streaming.py    reads a stream                      ->  the call's own span has its pace

Both work as well where nobody listens.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

MARKED_TOOL: Final = "__agentprof_tool__"  # where a decorated tool keeps its Tool


class Tool(Protocol):
    """A tool that makes its own span.

    Attributes:
        call_id_from: The parameter that it takes the id of the call from; None for a tool with none.
    """

    call_id_from: str | None


class Answered(NamedTuple):
    """The call of a model that a tool is run for."""

    tool: Tool
    call_id: str


class Pace(Protocol):
    """How fast a stream is read, by whoever reads it.

    Attributes:
        is_told: Whether the span of a call tells it.
    """

    is_told: bool

    def facts(self) -> Mapping[str, Any]:
        """Return the attributes for the span of the call, at its end."""
        ...


ANSWERED: Final[ContextVar[Answered | None]] = ContextVar("otel_agentprof.answered", default=None)
PACE: Final[ContextVar[Pace | None]] = ContextVar("otel_agentprof.pace", default=None)
