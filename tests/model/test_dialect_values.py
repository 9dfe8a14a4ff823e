"""Traps in values: units, texts that hold documents, words for booleans, and nonsense."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentprof import semconv
from otel_agentprof.model import Event, Span, SpanTree, TokenUsage, dialects
from otel_agentprof.model.counting import count
from otel_agentprof.model.dialects import values
from otel_agentprof.model.dialects.table import KNOWN
from otel_agentprof.model.dialects.usage import usage_in

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND = 1_000_000_000


def span(attributes: dict[str, Any], *, end_ns: int | None = SECOND, **fields: Any) -> Span:
    return Span("1", "a", None, "chat m", 0, end_ns, attributes=attributes, **fields)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"a": 1}, {"a": 1}),
        ('{"a": 1}', {"a": 1}),
        ("{'a': 1, 'b': None}", {"a": 1, "b": None}),
        ("{'cost': 1e-05, '1h': 3}", {"cost": 1e-05, "1h": 3}),
        ("[1]", None),
        ("Usage(a=1)", None),
        ("{'a': 1or 2}", None),
        ("{'a': '\\d'}", None),
        ("{" * 10_000, None),
        ("'" * 5 + " " * 20_000, None),
        (" " * 5_000_000, None),
        (7, None),
    ],
)
def test_a_document_is_a_mapping_or_a_text_of_one(value: Any, found: Any) -> None:
    assert values.document(value) == found


@pytest.mark.parametrize(
    ("document", "usage"),
    [
        # A vendor's own figures: OpenAI; Anthropic, cached tokens beside the input; Gemini, thoughts beside.
        (
            {"prompt_tokens": 100, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 60}},
            TokenUsage(100, 9, 60),
        ),
        (
            {
                "input_tokens": 100,
                "output_tokens": 9,
                "cache_read_input_tokens": 60,
                "cache_creation_input_tokens": 30,
                "cache_creation": {"ephemeral_1h_input_tokens": 20},
            },
            TokenUsage(190, 9, 60, 30, cache_write_1h=20),
        ),
        (
            {"prompt_token_count": 100, "candidates_token_count": 9, "thoughts_token_count": 5},
            TokenUsage(100, 14, reasoning=5),
        ),
        ({"inputTokens": 100, "outputTokens": 9, "cacheReadInputTokens": 60}, TokenUsage(160, 9, 60)),
        # Langfuse: every part beside the others
        (
            {
                "input": 10,
                "input_cache_read": 60,
                "input_cache_creation": 5,
                "output": 9,
                "output_reasoning": 1,
            },
            TokenUsage(75, 10, 60, 5, 1),
        ),
        ({"prompt_tokens": "5"}, None),
        ({"total_tokens": 5}, None),
        ("no document", None),
    ],
)
def test_a_vendors_usage_is_brought_into_one_convention(document: Any, usage: TokenUsage | None) -> None:
    assert usage_in(document) == usage


def test_a_plain_attribute_comes_before_a_document_and_keeps_its_own_convention() -> None:
    attributes = {
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.raw": '{"input_tokens": 30, "output_tokens": 9, "cache_read_input_tokens": 70}',
        "gen_ai.usage.cache_read.input_tokens": 69,
    }

    assert dialects.usage_of(span(attributes)) == TokenUsage(100, 0, 69)


def test_a_document_that_is_none_takes_nothing_away() -> None:
    assert dialects.usage_of(span({"gen_ai.usage.raw": "?", "gen_ai.usage.input_tokens": 3})) == TokenUsage(3)


@pytest.mark.parametrize(
    ("attributes", "cost"),
    [
        ({"langfuse.observation.cost_details": "?"}, None),
        ({"llm.cost.prompt": 0.25, "llm.cost.completion": 0.5}, 0.75),
        ({"llm.cost.prompt": 0.25, "llm.cost.completion": "?"}, None),
        ({"gen_ai.usage.cost": 0.0}, 0.0),
        ({"gen_ai.usage.cost": 0.0, "gen_ai.usage.input_tokens": 0}, 0.0),
        ({"gen_ai.usage.cost": 0.0, "gen_ai.usage.input_tokens": 5}, None),  # nobody knew
    ],
)
def test_a_cost_is_read_wherever_it_stands(attributes: dict[str, Any], cost: float | None) -> None:
    assert dialects.reported_cost_of(span(attributes)) == cost


OPENLIT = {"telemetry.sdk.name": "openlit"}
STRANDS = {"gen_ai.system": "strands-agents"}


@pytest.mark.parametrize(
    ("attributes", "seconds"),
    [
        ({"gen_ai.response.time_to_first_chunk": 0.5}, 0.5),
        ({"gen_ai.response.time_to_first_chunk": 500.0}, 0.5),  # longer than the call: it was milliseconds
        ({"gen_ai.response.time_to_first_chunk": 5000.0}, None),  # longer than the call either way
        ({"gen_ai.response.time_to_first_chunk": 0}, None),
        ({"gen_ai.response.time_to_first_chunk": "0.5"}, None),
        ({"gen_ai.response.time_to_first_chunk": float("nan")}, None),
        ({"gen_ai.server.time_to_first_token": 0.5}, 0.5),
        ({"gen_ai.server.time_to_first_token": 500} | STRANDS, 0.5),
        ({"gen_ai.server.time_to_first_token": 0.5} | STRANDS, 0.0005),
        ({"gen_ai.server.time_to_first_token": 0.5, "gen_ai.request.stream": True} | OPENLIT, 0.5),
        ({"gen_ai.server.time_to_first_token": 1.0, "gen_ai.request.stream": False} | OPENLIT, None),
        ({"gen_ai.server.time_to_first_token": 1.0} | OPENLIT, None),
        ({"ai.response.msToFirstChunk": 500}, 0.5),
        ({"langfuse.observation.completion_start_time": "1970-01-01T00:00:00.5+00:00"}, 0.5),
        ({"langfuse.observation.completion_start_time": '"soon"'}, None),
        ({}, None),
    ],
)
def test_the_time_to_the_first_token_is_in_seconds(attributes: dict[str, Any], seconds: float | None) -> None:
    assert dialects.first_token_s_of(span(attributes)) == seconds


@pytest.mark.parametrize(
    "name",
    ["First Token Stream Event", "gen_ai.content.completion.chunk", "llm.content.completion.chunk"],
)
def test_an_event_marks_the_first_token(name: str) -> None:
    events = (Event("other", 1), Event(name, 700_000_000), Event(name, 500_000_000))

    assert dialects.first_token_s_of(span({}, events=events)) == 0.5


def test_an_event_before_the_start_marks_nothing() -> None:
    assert dialects.first_token_s_of(span({}, events=(Event("First Token Stream Event", -5),))) is None


def test_an_open_span_keeps_the_time_that_it_says() -> None:
    assert dialects.first_token_s_of(span({"gen_ai.response.time_to_first_chunk": 500.0}, end_ns=None)) == 500


@pytest.mark.parametrize(
    ("value", "is_streamed"),
    [(True, True), ("True", True), ("false", False), ("perhaps", None), (1, None)],
)
def test_a_flag_is_a_boolean_or_a_word_for_one(value: Any, is_streamed: bool | None) -> None:  # noqa: FBT001 - a case
    assert dialects.is_streamed(span({"llm.is_streaming": value})) is is_streamed


@pytest.mark.parametrize(
    ("value", "reasons"),
    [
        (("stop",), ("stop",)),
        (["stop", 7, "length"], ("stop", "length")),
        ('["stop"]', ("stop",)),
        ('"stop"', ("stop",)),
        ("stop", ("stop",)),
        ("[stop", ()),
        (7, ()),
    ],
)
def test_finish_reasons_are_a_list_however_they_are_written(value: Any, reasons: tuple[str, ...]) -> None:
    assert dialects.finish_reasons_of(span({"gen_ai.response.finish_reasons": value})) == reasons


@pytest.mark.parametrize(
    ("taken", "total", "input_tokens"),
    [
        (60, 70, 60),  # cached tokens are in the input
        (60, 110, 100),  # they are not: only with them the total comes out
        (30, 40, 70),  # they cannot be, whatever the total says
    ],
)
def test_the_total_decides_what_the_input_holds(taken: int, total: int, input_tokens: int) -> None:
    attributes = {
        "llm.token_count.prompt": taken,
        "llm.token_count.completion": 10,
        "llm.token_count.total": total,
        "llm.token_count.prompt_details.cache_read": 40,
    }

    usage = dialects.usage_of(span(attributes))

    assert usage == TokenUsage(input_tokens, 10, 40)


def test_a_text_of_nothing_but_quotes_gives_way_to_the_next() -> None:
    assert values.first_text({"a": '""', "b": "x"}, ("a", "b")) == "x"
    assert values.first_text({"a": '""'}, ("a",)) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["input", "output", "total", "input_tokens", "prompt_tokens_details", "id", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
WILD_VALUES = (
    JSON
    | JSON.map(str)
    | JSON.map(json.dumps)
    | st.sampled_from(
        ["LLM", "chat", "agent", "log", "litellm", "{'input_tokens': 5}", '{"input": 3}', "1.5"]
    )
    | st.text(alphabet="{}[]()'\"0123456789.,:-+eEjxobatrue \n", max_size=24)
)
WILD_ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        [*sorted(KNOWN), "llm.openai.usage", "gen_ai.input.messages", "gen_ai.output.messages", "a", "llm"]
    ),
    WILD_VALUES,
    max_size=12,
)
READERS: list[Callable[[Span], Any]] = [
    getattr(dialects, name)
    for name in dialects.__all__
    if name not in {"TELLING", "Chain", "Dialect", "Reading", "Request", "operation_of", "request_of"}
]


@given(
    attributes=WILD_ATTRIBUTES,
    scope=st.sampled_from(["", "ai", "litellm", "strands", "pydantic-ai", "wild"]),
    name=st.sampled_from(["", "chat m", "agent run", "raw_gen_ai_request"]),
)
@settings(max_examples=400, deadline=None)
def test_no_attribute_makes_reading_fail(attributes: dict[str, Any], scope: str, name: str) -> None:
    wild = Span("1", "a", None, name, 0, 1, attributes=attributes, scope=scope)

    for reader in READERS:
        reader(wild)
    for role in semconv.ROLES:
        dialects.request_of(wild, role)


@given(
    rows=st.lists(
        st.tuples(
            WILD_ATTRIBUTES,
            st.integers(-1, 7),
            st.sampled_from(["", "ai", "litellm", "strands", "pydantic-ai"]),
            st.sampled_from(["", "agent run", "raw_gen_ai_request"]),
        ),
        max_size=8,
    )
)
@settings(max_examples=300, deadline=None)
def test_no_attribute_makes_counting_fail(rows: list[tuple[dict[str, Any], int, str, str]]) -> None:
    spans = [
        Span("1", str(i), str(parent), name, i, 9 - i, attributes=attributes, scope=scope)
        for i, (attributes, parent, scope, name) in enumerate(rows)
    ]

    ledger = count(SpanTree.from_spans(spans))

    for usage in ledger.usage:
        assert usage is None or min(usage) >= 0


def _adk(provider: str, model: str, output: int, thoughts: int) -> dialects.Reading:
    attributes = {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": output,
        "gen_ai.usage.reasoning.output_tokens": thoughts,
    }
    return dialects.read(Span("1", "a", None, "x", 0, 1, scope="gcp.vertex.agent", attributes=attributes))


@pytest.mark.parametrize(
    ("provider", "model", "output", "counted"),
    [
        ("openai", "openai/gpt-5-mini", 65, 57),  # through LiteLLM: 57 with 8 of thinking, and 8 again
        ("openai", "openai/gpt-5-mini", 12, 12),  # cannot have 8 twice
        ("gcp.gen_ai", "gemini-2.5-pro", 65, 65),  # 57 and 8
    ],
)
def test_adks_thinking_is_in_the_output_once(provider: str, model: str, output: int, counted: int) -> None:
    usage = _adk(provider, model, output, thoughts=8).usage

    assert usage == TokenUsage(100, counted, reasoning=8)


@pytest.mark.parametrize(
    ("provider", "model", "read"),
    [
        ("openai", "openai/gpt-5-mini", "gpt-5-mini"),
        ("openrouter", "openai/gpt-5-mini", "openai/gpt-5-mini"),  # what a router sells under that name
        ("openai", "gpt-5-mini", "gpt-5-mini"),
    ],
)
def test_a_vendor_in_front_of_its_own_models_name_is_left_off(provider: str, model: str, read: str) -> None:
    assert _adk(provider, model, output=20, thoughts=0).model == read


def test_the_vendor_in_front_of_a_model_stays_where_nobody_else_names_it() -> None:
    span = Span("1", "a", None, "x", 0, 1, attributes={"gen_ai.request.model": "openai/gpt-5-mini"})

    assert dialects.model_of(span) == "openai/gpt-5-mini"


def test_a_vendor_is_left_off_in_every_dialect_and_without_tokens_too() -> None:
    attributes = {"gen_ai.provider.name": "openai", "gen_ai.request.model": "openai/gpt-5-mini"}
    named = Span("1", "a", None, "x", 0, 1, attributes=attributes)
    adk = Span("1", "a", None, "x", 0, 1, attributes=attributes, scope="gcp.vertex.agent")

    assert (dialects.model_of(named), dialects.model_of(adk)) == ("gpt-5-mini", "gpt-5-mini")
