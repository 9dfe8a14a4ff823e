"""The kinds of work that get a span of their own around the calls of models: what each span is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_agentprof import semconv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.semconv import Role


class Kind(NamedTuple):
    """A kind of work.

    Attributes:
        role: What it counts as.
        operation: ``gen_ai.operation.name``; None where the conventions have none.
        name_key: The attribute that holds the name of what works.
        constants: Attributes that every such span has.
    """

    role: Role
    operation: str | None
    name_key: str | None
    constants: Mapping[str, str]

    def title(self, name: str | None) -> str:
        """Return the name of a span."""
        return " ".join(filter(None, (self.operation, name))) or self.role

    def facts(self, name: str | None) -> dict[str, Any]:
        """Return the attributes that a span starts with."""
        facts: dict[str, Any] = {**self.constants}
        if name and self.name_key:
            facts[self.name_key] = name
        return facts


AGENT: Final = Kind(
    "agent",
    "invoke_agent",
    semconv.AGENT_NAME,
    {semconv.OPERATION_NAME: "invoke_agent", semconv.ROLE: "agent"},
)
WORKFLOW: Final = Kind(
    "agent",
    "invoke_workflow",
    semconv.WORKFLOW_NAME,
    {semconv.OPERATION_NAME: "invoke_workflow", semconv.ROLE: "agent"},
)
TOOL: Final = Kind(
    "tool",
    "execute_tool",
    semconv.TOOL_NAME,
    {semconv.OPERATION_NAME: "execute_tool", semconv.ROLE: "tool", semconv.TOOL_TYPE: "function"},
)
RETRIEVAL: Final = Kind(
    "retrieval",
    "retrieval",
    semconv.DATA_SOURCE_ID,
    {semconv.OPERATION_NAME: "retrieval", semconv.ROLE: "retrieval"},
)
STEP: Final = Kind("step", None, None, {semconv.ROLE: "step"})
