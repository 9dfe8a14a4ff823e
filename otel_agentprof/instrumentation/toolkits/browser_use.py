"""browser-use: a run of its agent, and each action that a model chose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_agentprof import semconv
from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec, Reply

if TYPE_CHECKING:
    from otel_agentprof.instrumentation.spec import Arguments


def _action(_tools: Any, arguments: Arguments) -> str | None:
    """Return the name of an action: the one field of it that is set."""
    action = arguments.get("action")
    action = getattr(action, "root", action)  # where actions are a union of models of one field each
    names = getattr(action, "model_fields_set", ())
    return next((name for name in names if getattr(action, name, None) is not None), None)


def _read(reply: Reply, result: Any) -> None:
    """Note a failure, which comes as a result; its text is content."""
    if getattr(result, "error", None):
        reply.error = "tool_error"


SPEC = ProviderSpec(
    name="browser_use",
    provider="",
    distribution="browser-use>=0.9",
    calls=(
        CallSpec(
            targets=("browser_use.agent.service:Agent.run",),
            operation="invoke_agent",
            role="agent",
            read=lambda _reply, _history: None,
            subject=lambda _agent, _arguments: "browser_use",
            subject_key=semconv.AGENT_NAME,
            has_fingerprint=False,
        ),
        CallSpec(
            targets=("browser_use.tools.service:Tools.act",),
            operation="execute_tool",
            role="tool",
            read=_read,
            positional=("action",),
            subject=_action,
            subject_key=semconv.TOOL_NAME,
            constants={semconv.TOOL_TYPE: "extension"},
            has_fingerprint=False,
        ),
    ),
    client_of=lambda instance: instance,
    url_of=lambda _instance: None,
)
