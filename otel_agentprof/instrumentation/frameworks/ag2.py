"""AG2: its own middleware makes the spans; every turn of an agent that has none gets one.

The middleware also repeats the tokens of each call, and of each sub-agent, on spans that are no calls. Ours
leaves them out: the calls themselves are in the trace.
"""

from __future__ import annotations

import functools
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.instrumentation.framework import FrameworkSpec
from otel_agentprof.instrumentation.frameworks.guard import guarded
from otel_agentprof.instrumentation.frameworks.replacing import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_agentprof.instrumentation.framework import Attachment


def attach(attachment: Attachment) -> Callable[[], None]:
    """Add the middleware to turns; an agent that the user has instrumented keeps its own alone."""
    telemetry: Any = import_module("ag2.middleware.builtin.telemetry").TelemetryMiddleware

    class Telemetry(telemetry):  # type: ignore[misc]  # a class of the framework's, which is not here
        """The middleware without the repeated tokens."""

        def __call__(self, event: Any, context: Any) -> Any:
            turn = super().__call__(event, context)
            turn._subscribe_usage = _nothing  # noqa: SLF001 - there is no switch for it
            return turn

    @guarded
    def needed(agent: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
        if any(isinstance(middleware, telemetry) for middleware in (*agent._middleware, *given)):  # noqa: SLF001 - its public twin builds descriptions
            return ()
        ours = Telemetry(
            tracer_provider=attachment.tracer_provider,
            capture_content=attachment.captures_content,
            agent_name=agent.name,
        )
        return (ours,)

    def with_telemetry(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def turn_scope(agent: Any, *args: Any, additional_middleware: Any = (), **kwargs: Any) -> Any:
            given = tuple(additional_middleware)
            more = needed(agent, given) or ()
            return original(agent, *args, additional_middleware=(*more, *given), **kwargs)

        return turn_scope

    return replace(import_module("ag2.agent").Agent, "_turn_scope", with_telemetry)


def _nothing(_context: Any) -> None:
    return


SPEC: Final = FrameworkSpec(
    name="ag2",
    distribution="ag2>=1.0",
    attach=attach,
    note="its own telemetry middleware is added to every agent",
)
