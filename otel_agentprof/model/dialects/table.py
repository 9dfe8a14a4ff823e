"""All dialects in one table, and for each set of attributes what of the table applies to it.

Spans of one kind have the same attributes, so what to look for is found once per set and kept: reading a
span then touches only attributes that are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, get_args

from otel_agentprof import semconv
from otel_agentprof.model.dialects.dialect import Dialect, Field, Kind
from otel_agentprof.model.dialects.frameworks import (
    ADK,
    AG2,
    AGENT_FRAMEWORK,
    ANY_AGENT,
    LITELLM,
    LOGFIRE,
    OTHER_FRAMEWORKS,
    PYDANTIC_AI,
    STRANDS,
)
from otel_agentprof.model.dialects.openinference import (
    BROWSER_USE,
    CLAUDE_AGENT,
    OPENINFERENCE,
    OPENINFERENCE_LANGCHAIN,
    SMOLAGENTS,
)
from otel_agentprof.model.dialects.openllmetry import (
    OPENLIT,
    OPENLIT_LANGGRAPH,
    OPENLLMETRY,
    OPENLLMETRY_CREWAI,
)
from otel_agentprof.model.dialects.otel import MCP, OTEL, OURS
from otel_agentprof.model.dialects.platforms import LANGFUSE, LANGSMITH, MLFLOW
from otel_agentprof.model.dialects.vercel import VERCEL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# In this order the role is looked for. LangSmith says "chat" on prompt runs too, so it stands before OTel.
_BY_ROLE: Final = (OURS, OPENINFERENCE, LANGFUSE, LANGSMITH, MLFLOW, VERCEL, OTEL, OPENLLMETRY, MCP)
_FRAMEWORKS: Final = (PYDANTIC_AI, LOGFIRE, STRANDS, ADK, AGENT_FRAMEWORK, AG2, ANY_AGENT, LITELLM)
_SAME_WORDS: Final = (
    OPENINFERENCE_LANGCHAIN,
    SMOLAGENTS,
    CLAUDE_AGENT,
    BROWSER_USE,
    OPENLLMETRY_CREWAI,
    OPENLIT,
    OPENLIT_LANGGRAPH,
)
DIALECTS: Final = (*_BY_ROLE, *_FRAMEWORKS, *_SAME_WORDS)
# In this order the fields are: who writes the conventions' names means them.
_BY_FIELD: Final = (OURS, OTEL, *(dialect for dialect in DIALECTS if dialect not in (OURS, OTEL)))

KEYS: Final[Mapping[Field, tuple[str, ...]]] = {
    field: tuple(chain.from_iterable(dialect.keys.get(field, ()) for dialect in _BY_FIELD))
    for field in get_args(Field)
}
ROLE_KEYS: Final = tuple((key, roles) for dialect in _BY_ROLE for key, roles in dialect.roles.items())
_DOCUMENTS: Final = {key: part for dialect in DIALECTS for key, part in dialect.documents.items()}
_COSTS: Final = {key: part for dialect in DIALECTS for key, part in dialect.costs.items()}
_COST_PARTS: Final = tuple(chain.from_iterable(dialect.cost_parts for dialect in DIALECTS))
_MARKS: Final = {mark: dialect for dialect in _BY_ROLE for mark in dialect.marks}
_SCOPES: Final = sorted(
    ((scope, dialect) for dialect in DIALECTS for scope in dialect.scopes), key=lambda row: -len(row[0])
)
BY_FRAMEWORK: Final = {word: dialect for dialect in DIALECTS for word in dialect.frameworks}
NOT_VENDORS: Final = OTHER_FRAMEWORKS.union(BY_FRAMEWORK)
FIRST_CHUNK_EVENTS: Final = tuple({d.first_chunk_event for d in DIALECTS if d.first_chunk_event})

SDK_NAME: Final = "telemetry.sdk.name"
LITELLM_CALL: Final = "litellm.call_id"
LOGFIRE_KIND: Final = "logfire.span_type"
AGGREGATED_INPUT: Final = "gen_ai.aggregated_usage.input_tokens"
AGGREGATED_OUTPUT: Final = "gen_ai.aggregated_usage.output_tokens"
FEW: Final = 64  # attributes
KNOWN: Final = frozenset(
    chain(
        *KEYS.values(),
        (key for key, _ in ROLE_KEYS),
        _DOCUMENTS,
        _COSTS,
        *_COST_PARTS,
        (SDK_NAME, LITELLM_CALL, LOGFIRE_KIND, AGGREGATED_INPUT),
    )
)
# LiteLLM writes these on whatever span is open: they say nothing about that span.
_WRITTEN_BY_GATEWAYS: Final = frozenset({semconv.OPERATION_NAME, "llm.request.type"})


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What to read of a span with a certain set of known attributes; all keys are there, the best first.

    Attributes:
        words: Takes out of a span's attributes all by which spans with this plan differ in kind.
        word_keys: What these words stand under, in their order.
        figures: Takes out the best figure of each kind of tokens that there is; None where it takes more.
        places: Puts these figures and a 0 in the order of input, output and ``DETAILS``.
        is_plain: No tokens, no money and no response: all of a span is told by its words and its name.
    """

    role_keys: tuple[tuple[str, Mapping[str, Kind]], ...]
    own_role_keys: tuple[tuple[str, Mapping[str, Kind]], ...]
    dialect: Dialect | None
    words: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    word_keys: tuple[str, ...]
    model: tuple[str, ...]
    provider: tuple[str, ...]
    input: tuple[str, ...]
    output: tuple[str, ...]
    details: tuple[tuple[int, tuple[str, ...]], ...]  # with their places in DETAILS
    documents: tuple[tuple[str, str], ...]
    figures: Callable[[Mapping[str, Any]], tuple[Any, ...]] | None
    places: Callable[[Sequence[int]], tuple[int, ...]]
    cost: tuple[str, ...]
    cost_documents: tuple[tuple[str, str], ...]
    cost_parts: tuple[tuple[str, ...], ...]
    response: tuple[str, ...]
    has_usage: bool
    has_cost: bool
    is_plain: bool
    is_old: bool
    is_polluted: bool
    is_log: bool
    names_agent: bool
    has_sums: bool


# The parts of the totals, in the order of TokenUsage after input and output; last the total itself.
DETAILS: Final[tuple[Field, ...]] = (
    "cache_read",
    "cache_write",
    "reasoning",
    "cache_write_1h",
    "audio_input",
    "audio_output",
    "audio_cache_read",
    "image_input",
    "image_output",
    "image_cache_read",
    "video_input",
    "video_output",
    "total",
)
_FIGURES: Final[tuple[Field, ...]] = ("input", "output", *DETAILS)


@lru_cache(maxsize=1024)
def plan_of_few(keys: tuple[str, ...]) -> Plan | None:
    """Return what to read of a span with these attributes, ``FEW`` at most so that the cache stays small.

    By the names as they come: to find the known ones among them takes longer than to find their plan.
    """
    return plan_of(KNOWN.intersection(keys))


@lru_cache(maxsize=1024)
def plan_of(known: frozenset[str]) -> Plan | None:
    """Return what to read of a span that has these of the known attributes, None where it has none."""
    if not known:
        return None

    def there(field: Field) -> tuple[str, ...]:
        return tuple(key for key in KEYS[field] if key in known)

    details = tuple((place, keys) for place, field in enumerate(DETAILS) if (keys := there(field)))
    taken, made = there("input"), there("output")
    role_keys = tuple(row for row in ROLE_KEYS if row[0] in known)
    documents = tuple((key, part) for key, part in _DOCUMENTS.items() if key in known)
    cost_documents = tuple((key, part) for key, part in _COSTS.items() if key in known)
    cost_parts = tuple(keys for keys in _COST_PARTS if known.issuperset(keys))
    words = (*(key for key, _ in role_keys), *there("provider"), *there("model"))
    words += tuple(key for key in (SDK_NAME, LOGFIRE_KIND) if key in known)
    has_usage = bool(taken or made or documents)
    has_cost = bool(there("cost") or cost_documents or cost_parts)
    figures, places = _figures(list(map(there, _FIGURES)) if not documents and (taken or made) else ())
    return Plan(
        role_keys=role_keys,
        own_role_keys=tuple(row for row in role_keys if row[0] not in _WRITTEN_BY_GATEWAYS),
        dialect=next((dialect for mark, dialect in _MARKS.items() if mark in known), None),
        words=_getter(words),
        word_keys=words,
        model=there("model"),
        provider=there("provider"),
        input=taken,
        output=made,
        details=details,
        documents=documents,
        figures=figures,
        places=places,
        cost=there("cost"),
        cost_documents=cost_documents,
        cost_parts=cost_parts,
        response=there("response"),
        has_usage=has_usage,
        has_cost=has_cost,
        is_plain=not (has_usage or has_cost or there("response")),
        is_old=semconv.SYSTEM in known and semconv.REQUEST_MODEL in known,
        is_polluted=LITELLM_CALL in known,
        is_log=LOGFIRE_KIND in known,
        names_agent=semconv.AGENT_NAME in known,
        has_sums=AGGREGATED_INPUT in known or (any(there("total")) and not (taken or made)),
    )


def _getter(keys: Sequence[Any]) -> Any:
    """Return what takes the values of some keys; a single one is taken twice, so that there is a tuple."""
    return itemgetter(*(keys if len(keys) > 1 else (*keys, *keys))) if keys else _no_words


def _no_words(_attributes: Mapping[str, Any]) -> tuple[Any, ...]:
    return ()


def _figures(keys: Sequence[tuple[str, ...]]) -> tuple[Any, Any]:
    """Return ``Plan.figures`` and ``Plan.places`` for the keys of each kind of tokens."""
    best = [several[0] for several in keys if several]
    if not best:
        return None, tuple
    places = [best.index(several[0]) if several else -1 for several in keys]
    return _getter(best), itemgetter(*places)


@lru_cache(maxsize=256)
def dialect_of_scope(scope: str) -> Dialect | None:
    """Return the dialect of an instrumentation scope, None for one that is in no table."""
    for prefix, dialect in _SCOPES:
        if scope.startswith(prefix) and not scope[len(prefix) : len(prefix) + 1].isalnum():
            return dialect
    return None
