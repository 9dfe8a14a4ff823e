"""Traces of agents as they are found: spans with 6 to 20 attributes, one in four of them a model call."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from otel_agentprof.model import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MS = 1_000_000
_TOOLS = ("search", "fetch", "query_database", "read_file")
_SCOPES = {
    "ours": "otel_agentprof",
    "semconv": "opentelemetry.instrumentation.openai_v2",
    "openinference": "openinference.instrumentation.langchain",
}
_LEAST = 8  # attributes of a span of another tracer

Attributes = dict[str, Any]


def agent_trace(number: int, size: int, *, dialect: str = "ours", has_lanes: bool = False) -> list[Span]:
    """Return one run of an agent: model call, the two tools that it asked for side by side, HTTP request.

    Args:
        number: Makes the ids; equal numbers give equal traces.
        size: How many spans.
        dialect: ``ours``, as our engine writes them, ``semconv``, as standard tracers do, or
            ``openinference``.
        has_lanes: Whether thread and task were recorded.
    """
    chance = random.Random(number)  # noqa: S311 - the same spans each time, no secrets
    trace_id = f"{number + 1:032x}"
    attributes_of = _WRITERS[dialect]
    scope = _SCOPES[dialect]
    resource = {"service.name": "research", "telemetry.sdk.name": "opentelemetry"}
    rows = list(_rows(size, chance))
    return [
        Span(
            trace_id,
            f"{place + 1:016x}",
            None if parent is None else f"{parent + 1:016x}",
            name,
            start,
            end,
            "CLIENT" if kind in ("llm", "http") else "INTERNAL",
            attributes=attributes_of(kind, name, place, chance),
            scope=scope,
            resource=resource,
            lane=lane if has_lanes else None,
        )
        for place, (kind, name, parent, start, end, lane) in enumerate(rows)
    ]


def _rows(size: int, chance: random.Random) -> Iterator[tuple[str, str, int | None, int, int, str]]:
    """Yield (kind, name, place of the parent, start, end, lane), turn after turn."""
    turns = -(-(size - 1) // 4)
    yield "agent", "invoke_agent researcher", None, 0, turns * 1_000 * _MS, "1/main"
    now, made = 5 * _MS, 1
    while made < size:
        ends = [now + chance.randrange(300, 600) * _MS]
        yield "llm", "chat gpt-4o", 0, now, ends[0], "1/main"
        begun = ends[0] + chance.randrange(1, 5) * _MS
        for place in range(min(2, size - made - 1)):
            name = chance.choice(_TOOLS)
            ends.append(begun + chance.randrange(50, 300) * _MS)
            yield "tool", f"execute_tool {name}", 0, begun, ends[-1], f"1/{made + place}"
        if made + 3 < size:
            yield "http", "GET", made + 1, begun + _MS, ends[1] - _MS, f"1/{made}"
        made += 4
        now = max(ends) + chance.randrange(1, 10) * _MS


def _ours(kind: str, name: str, place: int, chance: random.Random) -> Attributes:
    if kind == "llm":
        taken, made = chance.randrange(500, 8_000), chance.randrange(20, 800)
        return {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.model": "gpt-4o-2024-08-06",
            "gen_ai.response.id": f"chatcmpl-{chance.randrange(1 << 60):x}",
            "gen_ai.response.finish_reasons": ("tool_calls",),
            "gen_ai.usage.input_tokens": taken,
            "gen_ai.usage.output_tokens": made,
            "gen_ai.usage.cache_read.input_tokens": taken // 2,
            "gen_ai.usage.reasoning.output_tokens": 0,
            "server.address": "api.openai.com",
            "server.port": 443,
            "openai.api.type": "chat_completions",
            "agentprof.role": "llm",
            "agentprof.tool_call.ids": (f"call_{place + 1}", f"call_{place + 2}"),
            "agentprof.tool_result.ids": (f"call_{place - 3}", f"call_{place - 2}"),
            "agentprof.request.fingerprint": f"{place:032x}",
            "agentprof.prompt.chain": " ".join(f"{part:016x}" for part in _parts(place)),
            "agentprof.prompt.sizes": " ".join(str(2_000 * (part + 1)) for part in _parts(place)),
            "agentprof.cost.total": (taken * 2.5 + made * 10) / 1e6,
            "agentprof.cost.currency": "USD",
            "agentprof.cost.source": "local",
        }
    if kind == "tool":
        return {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name.partition(" ")[2],
            "gen_ai.tool.call.id": f"call_{place}",
            "gen_ai.tool.type": "function",
            "agentprof.role": "tool",
            "agentprof.request.fingerprint": f"{place:032x}",
            "thread.name": "MainThread",
        }
    if kind == "agent":
        return {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "researcher",
            "gen_ai.conversation.id": "c1",
            "agentprof.role": "agent",
            "thread.id": 1,
            "thread.name": "MainThread",
        }
    return {
        "http.request.method": "GET",
        "url.full": "https://example.org/",
        "server.address": "example.org",
        "server.port": 443,
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
    }


def _parts(place: int) -> list[int]:
    """Return which parts of a prompt that grows turn by turn are written: the first 8 and the last 24."""
    parts = range(2 + place // 4)
    return [*parts] if len(parts) <= 32 else [*parts[:8], *parts[-24:]]


def _openinference(kind: str, name: str, place: int, chance: random.Random) -> Attributes:
    if kind == "llm":
        taken, made = chance.randrange(500, 8_000), chance.randrange(20, 800)
        return {
            "openinference.span.kind": "LLM",
            "llm.model_name": "gpt-4o-2024-08-06",
            "llm.provider": "openai",
            "llm.system": "openai",
            "llm.token_count.prompt": taken,
            "llm.token_count.completion": made,
            "llm.token_count.total": taken + made,
            "llm.token_count.prompt_details.cache_read": taken // 2,
            "llm.invocation_parameters": '{"temperature": 0}',
            "llm.input_messages.0.message.role": "system",
            "llm.input_messages.0.message.content": "You are a researcher.",
            "llm.input_messages.1.message.role": "user",
            "llm.input_messages.1.message.content": f"What is new since the {place}th?",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.tool_calls.0.tool_call.id": f"call_{place + 1}",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "search",
            "llm.output_messages.0.message.tool_calls.1.tool_call.id": f"call_{place + 2}",
            "input.mime_type": "application/json",
            "output.mime_type": "application/json",
        }
    if kind in ("tool", "agent"):
        return {
            "openinference.span.kind": kind.upper(),
            "tool.name" if kind == "tool" else "agent.name": name.partition(" ")[2],
            "tool_call.id" if kind == "tool" else "session.id": f"call_{place}",
            "input.value": f'{{"query": "news of the {place}th"}}',
            "input.mime_type": "application/json",
            "output.value": "nothing",
        }
    return _ours(kind, name, place, chance)


def _semconv(kind: str, name: str, place: int, chance: random.Random) -> Attributes:
    told = _ours(kind, name, place, chance)
    told = {key: value for key, value in told.items() if not key.startswith("agentprof.")}
    return told | {f"app.x{number}": f"value {number}" for number in range(_LEAST - len(told))}


_WRITERS: dict[str, Callable[[str, str, int, random.Random], Attributes]] = {
    "ours": _ours,
    "semconv": _semconv,
    "openinference": _openinference,
}
