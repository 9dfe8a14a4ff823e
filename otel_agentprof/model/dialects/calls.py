"""What is asked of single spans only when it is needed: tools, first tokens, reasons, names."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from otel_agentprof import semconv
from otel_agentprof.model.dialects.reading import read
from otel_agentprof.model.dialects.table import AGGREGATED_INPUT, AGGREGATED_OUTPUT, FIRST_CHUNK_EVENTS, KEYS
from otel_agentprof.model.dialects.values import (
    amount,
    first_amount,
    first_count,
    first_flag,
    first_text,
    plain,
    texts,
)

if TYPE_CHECKING:
    from otel_agentprof.model.span import Span
    from otel_agentprof.semconv import Role

_NS_PER_S: Final = 1e9
_FIRST_TOKEN: Final = frozenset({*KEYS["first_token_s"], *KEYS["first_token_ms"], *KEYS["first_token_at"]})
_MCP_METHOD: Final = "mcp.method.name"
_MCP_CALL: Final = "tools/call "
_BEST_TOOL, _BEST_CALL = KEYS["tool"][0], KEYS["call"][0]
_WITHOUT_UNIT: Final = "gen_ai.server.time_to_first_token"


def tool_of(span: Span) -> tuple[str, str | None]:
    """Return the name of the tool that a tool span ran, and the id of the call where it is known."""
    return _tool_name(span) or span.name, tool_call_id_of(span)


def tool_call_id_of(span: Span) -> str | None:
    """Return the id of the tool call that a span makes, None where it is not known."""
    attributes = span.attributes
    written = attributes.get(_BEST_CALL)
    if type(written) is str and written and written[0] != '"':  # as nearly always
        return written
    return first_text(attributes, KEYS["call"])


def operation_of(span: Span, role: Role) -> str:
    """Return the name under which calls of the same kind are added up: the tool's, else the span's."""
    if role != "tool":
        return span.name
    named = span.attributes.get(_BEST_TOOL)
    if type(named) is str and named and named[0] != '"':  # as nearly always
        return named
    return _tool_name(span) or span.name


def _tool_name(span: Span) -> str | None:
    # MCP's client says it in the span's name alone: "MCP send tools/call search".
    named = first_text(span.attributes, KEYS["tool"])
    return named or (span.name.partition(_MCP_CALL)[2] if _MCP_METHOD in span.attributes else None)


def agent_name_of(span: Span) -> str | None:
    """Return the name of the agent that a span is about."""
    return first_text(span.attributes, KEYS["agent"])


def bare_total_of(span: Span) -> int | None:
    """Return a total that does not say how much of it was input; None where there is none."""
    return first_count(span.attributes, KEYS["total"])


def aggregated_of(span: Span) -> int | None:
    """Return all tokens of a sum that is marked as one (R7), which never counts; None where there is none."""
    taken = first_count(span.attributes, (AGGREGATED_INPUT,))
    made = first_count(span.attributes, (AGGREGATED_OUTPUT,))
    return None if taken is None and made is None else (taken or 0) + (made or 0)


def finish_reasons_of(span: Span) -> tuple[str, ...]:
    """Return why the model stopped, one word per choice, as the vendor spells it."""
    for key in KEYS["finish"]:
        if reasons := texts(span.attributes.get(key)):
            return reasons
    return ()


def is_streamed(span: Span) -> bool | None:
    """Return whether the answer came in pieces; None where the span does not say."""
    flag = first_flag(span.attributes, KEYS["stream"])
    operation = span.attributes.get("ai.operationId")
    if flag is None and isinstance(operation, str):
        return ".doStream" in operation or operation.startswith("ai.stream")
    return flag


def first_token_s_of(span: Span) -> float | None:
    """Return the seconds from the start of a call to the first piece of its answer; None where unknown.

    A value that cannot be true, being longer than the call, is taken for milliseconds, else left out.
    """
    if not span.events and span.attributes.keys().isdisjoint(_FIRST_TOKEN):
        return None  # as nearly always
    found = _written_first_token(span) or _marked_first_token(span)
    if not found or span.end_ns is None:
        return found or None
    duration = (span.end_ns - span.start_ns) / _NS_PER_S
    if found > duration:
        found /= 1000
    return found if found <= duration else None


def _written_first_token(span: Span) -> float | None:
    attributes = span.attributes
    for key in KEYS["first_token_s"]:
        value = amount(attributes.get(key))
        if not value:
            continue  # 0 is what tracers write that do not know
        if key == _WITHOUT_UNIT:
            dialect = read(span).dialect
            if dialect.fakes_first_token and not is_streamed(span):
                continue
            if dialect.counts_ms:
                return value / 1000
        return value
    value = first_amount(attributes, KEYS["first_token_ms"])
    return value / 1000 if value else None


def _marked_first_token(span: Span) -> float | None:
    """Return the seconds to the moment that an event or a written time of day marks."""
    moments = [event.time_ns for event in span.events if event.name.endswith(FIRST_CHUNK_EVENTS)]
    if not moments:
        written = first_text(span.attributes, KEYS["first_token_at"])
        moments = [] if written is None else _moments(written)
    passed = min(moments, default=span.start_ns) - span.start_ns
    return passed / _NS_PER_S if passed > 0 else None


def _moments(text: str) -> list[int]:
    try:
        return [round(datetime.fromisoformat(plain(text)).timestamp() * _NS_PER_S)]
    except (ValueError, OverflowError, OSError):
        return []


def is_cache_hit(span: Span) -> bool:
    """Return whether a cache answered a call: nothing was asked, nothing was billed."""
    return span.attributes.get(semconv.CACHE_HIT) is True
