"""What a dialect is: the words by which one family of tracers says what every tracer says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.semconv import Role

Sums = Literal["inclusive", "own", "partial"]
Kind = Literal[
    "llm", "tool", "agent", "retrieval", "rerank", "embedding", "step", "other"
]  # a role, or rerank
Field = Literal[
    "model",
    "provider",
    "input",
    "output",
    "total",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "reasoning",
    "audio_input",
    "audio_output",
    "audio_cache_read",
    "image_input",
    "image_output",
    "image_cache_read",
    "video_input",
    "video_output",
    "cost",
    "response",
    "tool",
    "call",
    "agent",
    "finish",
    "stream",
    "first_token_s",
    "first_token_ms",
    "first_token_at",
]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One family of tracers, as data.

    Attributes:
        name: As people call it.
        scopes: Its instrumentation scopes; those whose name goes on after a dot or a dash are its own too.
        marks: Attributes that only this dialect writes.
        frameworks: What it writes where the vendor, or the name of OpenTelemetry's SDK, should stand.
        roles: Per attribute that tells a role: which word means which. A rerank is a retrieval that is a call
            of a model.
        keys: Per field the attributes that hold it, the best first; the same number under two names is never
            added up.
        documents: Attributes that hold usage as a JSON text or a Python repr, and what the text is a part of.
        costs: Likewise for money: the attribute, and the entry of it that is the total.
        cost_parts: Attributes that together are the cost.
        not_calls: How the names of spans begin or end that claim a role and are no call.
        copies: How the names of spans begin whose tokens repeat those of a call that has a span of its own.
        sums: What tokens mean on a span that is no call: all calls below it, those of this agent without
            nested agents, or a copy of some call's.
        loose_sums: How names of spans begin whose sum covers no certain set of calls.
        cumulative: Roles on which tokens are a counter that runs on over several runs.
        is_gateway: True where its span stands in front of another library's span for the same call.
        is_billed: True where the money on a run is what the vendor's own program says.
        counts_ms: True where a time to first token without a unit in its name is in milliseconds.
        adds_thoughts: True where thinking is added to an output that has it already, for calls that go
            through LiteLLM.
        fakes_first_token: True where it writes one for calls that were not streamed.
        first_chunk_event: The event at the first piece of a streamed answer.
    """

    name: str
    scopes: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = ()
    roles: Mapping[str, Mapping[str, Kind]] = field(default_factory=dict)
    keys: Mapping[Field, tuple[str, ...]] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)
    costs: Mapping[str, str] = field(default_factory=dict)
    cost_parts: tuple[tuple[str, ...], ...] = ()
    not_calls: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    sums: Sums = "inclusive"
    loose_sums: tuple[str, ...] = ()
    cumulative: frozenset[Role] = frozenset()
    is_gateway: bool = False
    is_billed: bool = False
    counts_ms: bool = False
    adds_thoughts: bool = False
    fakes_first_token: bool = False
    first_chunk_event: str = ""
