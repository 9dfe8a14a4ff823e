"""What a budget wants to know of a call before it is sent."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.instrumentation.nesting import SPAN_KEY
from otel_agentprof.model.budget import AGENTS_KEY, Planned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context

    from otel_agentprof.instrumentation.peer import Peer
    from otel_agentprof.instrumentation.spec import CallSpec

_planned: Final = partial(tuple.__new__, Planned)  # what Planned() comes down to, without a Python frame


def planned(spec: CallSpec, peer: Peer, model: Any, arguments: Mapping[str, Any], outer: Context) -> Planned:
    """Return a call as a budget sees it; ``outer`` is the context that it is made in."""
    allowed, answers, is_told = None, 1, False
    for argument, attribute in spec.request.items():
        if attribute == semconv.REQUEST_MAX_TOKENS:
            is_told = True
            if argument in arguments:
                allowed = arguments[argument]
    if is_told:
        if "n" in arguments:
            answers = arguments["n"]
    elif spec.request_facts is not None:  # then they stand deeper, in a configuration or a body
        facts: dict[str, Any] = {}
        spec.request_facts(arguments, facts)
        allowed = facts.get(semconv.REQUEST_MAX_TOKENS)
        answers = facts.get(semconv.REQUEST_CHOICE_COUNT, 1)
    prompt = [arguments[name] for name in spec.prompt if name in arguments]
    return _planned(
        (
            spec.role,
            model if model.__class__ is str else None,
            peer.provider,
            peer.address,
            prompt or [*arguments.values()],
            allowed if allowed.__class__ is int and allowed > 0 else None,
            answers if answers.__class__ is int and answers > 0 else 1,
            outer[SPAN_KEY] if SPAN_KEY in outer else None,
            outer[AGENTS_KEY] if AGENTS_KEY in outer else (),
        )
    )
