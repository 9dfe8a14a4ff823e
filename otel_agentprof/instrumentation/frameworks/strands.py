"""Strands: it traces itself, by one tracer that all agents share."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from otel_agentprof.instrumentation.framework import FrameworkSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_agentprof.instrumentation.framework import Attachment


def attach(attachment: Attachment) -> Callable[[], None]:
    """Point the tracer at our provider and keep content off its spans, unless the user chose what to keep."""
    tracer = import_module("strands.telemetry").get_tracer()
    before = dict(vars(tracer))
    if not attachment.captures_content:
        # The same as the token ``gen_ai_unredacted_attributes=``, which is only read when the tracer is made.
        tracer._redaction_enabled = True  # noqa: SLF001 - the documented way cannot be taken back
    tracer.tracer_provider = attachment.tracer_provider
    tracer.tracer = attachment.tracer_provider.get_tracer(tracer.service_name)

    def detach() -> None:
        vars(tracer).update(before)

    return detach


SPEC: Final = FrameworkSpec(
    name="strands",
    distribution="strands-agents>=1.52",
    attach=attach,
    note="traces itself: its own spans are used",
)
