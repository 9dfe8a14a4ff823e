"""The calls of models in a turn of Claude's program: gathered from its messages, written at its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

from otel_agentprof import semconv
from otel_agentprof.instrumentation import figures
from otel_agentprof.instrumentation.frameworks import claude_totals
from otel_agentprof.instrumentation.open_span import OpenSpan
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer

    from otel_agentprof.instrumentation.frameworks.claude_totals import Settled, Total


@dataclass(slots=True)
class Call:
    """A call of a model, as its messages come in."""

    model: str
    parent: Context | None
    start_ns: int
    end_ns: int
    first_ns: int | None = None  # only where the user asked for pieces
    usage: TokenUsage = field(default_factory=TokenUsage)
    has_output: bool = False
    written: int = 0
    tool_call_ids: list[str] = field(default_factory=list)
    finish_reason: str | None = None
    error: str | None = None

    def end(self, now: int) -> None:
        """Note a sign of life; with its first tool a call is over for those who wait.

        What it writes after that is hidden behind the tool, which has begun.
        """
        if not self.tool_call_ids:
            self.end_ns = now


def write(
    tracer: Tracer, calls: Mapping[str, Call], totals: Mapping[str, Total], agent: Context | None
) -> None:
    """Write the spans of a turn's calls.

    Args:
        tracer: Where the spans come from.
        calls: The calls, by the ids of their messages.
        totals: What the turn took per model.
        agent: The context of the turn.
    """
    told = [
        claude_totals.Call(call.model, call.usage, call.has_output, call.written) for call in calls.values()
    ]
    settled, unseen = claude_totals.settle(told, totals)
    for (key, call), share in zip(calls.items(), settled, strict=True):
        facts = _facts(call.model, share) | {semconv.RESPONSE_ID: key}
        if call.first_ns is not None:
            facts[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] = (call.first_ns - call.start_ns) / 1e9
        if call.tool_call_ids:
            facts[semconv.TOOL_CALL_IDS] = tuple(call.tool_call_ids)
        if call.finish_reason:
            facts[semconv.RESPONSE_FINISH_REASONS] = (call.finish_reason,)
        _span(tracer, facts, call.parent, call.start_ns, call.end_ns, call.error)
    now = time_ns()
    for model, share in unseen.items():
        # Calls that no message shows: when they were made is not known, so they take no time.
        facts = _facts(model, share) | {semconv.CALLS_UNSEEN: True}
        _span(tracer, facts, agent, now, now, None)


def _span(
    tracer: Tracer,
    facts: dict[str, Any],
    parent: Context | None,
    start_ns: int,
    end_ns: int,
    error: str | None,
) -> None:
    span = OpenSpan(
        f"chat {facts[semconv.REQUEST_MODEL]}",
        facts,
        tracer,
        parent=parent,
        start_ns=start_ns,
        span_kind=SpanKind.CLIENT,
    )
    elsewhere(span, str(facts.get(semconv.RESPONSE_ID, facts[semconv.REQUEST_MODEL])))
    if error is not None:
        span.fail(error)
    span.end(end_ns=end_ns)


def elsewhere(span: OpenSpan, lane: str) -> OpenSpan:
    """Return a span whose work is done in the program: what overlaps there does not wait for each other."""
    span.set_attribute(semconv.LANE, f"claude/{lane}")
    return span


def _facts(model: str, share: Settled) -> dict[str, Any]:
    facts: dict[str, Any] = {
        semconv.OPERATION_NAME: "chat",
        semconv.ROLE: "llm",
        semconv.PROVIDER_NAME: "anthropic",
        semconv.REQUEST_MODEL: model,
        semconv.RESPONSE_MODEL: model,
    }
    figures.write_usage(facts, share.usage, has_output=share.has_output)
    if share.is_estimated:
        facts[semconv.OUTPUT_ESTIMATED] = True
    if share.usd is not None:
        figures.write_total(facts, share.usd, "provider", is_mirrored=False)
    return facts
