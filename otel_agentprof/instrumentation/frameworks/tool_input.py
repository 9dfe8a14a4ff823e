"""What a tool is given: as a fingerprint always, as content only where that is asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from otel_agentprof import semconv
from otel_agentprof.instrumentation import fingerprints
from otel_agentprof.instrumentation.frameworks.guard import guarded
from otel_agentprof.model.content_limits import within_limits

if TYPE_CHECKING:
    from otel_agentprof.instrumentation.open_span import OpenSpan


@guarded
def take_input(run: OpenSpan | None, name: str, given: Any, *, captures_content: bool) -> None:
    """Note on the span of a tool what it is given, so that the same call made again can be told."""
    if run is None or not run.is_recording:
        return
    run.fingerprint = fingerprints.of_tool(name, None, given if isinstance(given, dict) else {"*": given})
    if captures_content:
        run.set_attribute(semconv.TOOL_CALL_ARGUMENTS, as_text(given))


@guarded
def as_text(value: Any) -> str:
    """Return content as JSON; None where it cannot be written: the repr of a user's object may raise."""
    return within_limits(json.dumps(value, default=repr, ensure_ascii=False))
