"""Which calls ask for the same: read from our own hashes, and from captured content of any tracer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agentprof import semconv
from otel_agentprof.model.dialects import Chain, request_of, written_chain_of
from otel_agentprof.model.span import Span

if TYPE_CHECKING:
    from otel_agentprof.semconv import Role

HASH = "0123456789abcdef" * 2
SYSTEM, ASKED, SAID = (
    {"role": role, "content": text}
    for role, text in (("system", "be brief"), ("user", "hi"), ("assistant", "?"))
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def span(attributes: dict[str, Any], *, dropped: int = 0) -> Span:
    return Span("a" * 32, "b" * 16, None, "call", 0, 1, attributes=attributes, dropped_attributes=dropped)


def llm(**attributes: Any) -> Span:
    return span({semconv.REQUEST_MODEL: "m", **attributes})


def fingerprint_of(call: Span, role: Role) -> str | None:
    return request_of(call, role).fingerprint


def prompt_chain_of(call: Span) -> tuple[tuple[str, int], ...]:
    chain = (
        written_chain_of(call) if semconv.PROMPT_CHAIN in call.attributes else request_of(call, "llm").chain
    )
    return tuple((part, chain.size(place)) for place, part in enumerate(chain.parts))


def flat(start: str, *messages: dict[str, str]) -> dict[str, str]:
    return {
        start.format(number) + name: value
        for number, message in enumerate(messages)
        for name, value in message.items()
    }


PROMPTS: list[Any] = [
    lambda *messages: {semconv.INPUT_MESSAGES: json.dumps(messages)},
    lambda *messages: {semconv.INPUT_MESSAGES: messages},
    lambda *messages: {"ai.prompt.messages": json.dumps(messages)},
    lambda *messages: {"gen_ai.prompt": json.dumps({"messages": messages})},
    lambda *messages: {"langfuse.observation.input": json.dumps(messages)},
    lambda *messages: {"mlflow.spanInputs": json.dumps({"messages": messages, "model": "m"})},
    lambda *messages: {"input.value": json.dumps({"messages": messages, "temperature": 1})},
    lambda *messages: {"gcp.vertex.agent.llm_request": json.dumps({"contents": messages})},
    lambda *messages: flat("llm.input_messages.{}.message.", *messages),
    lambda *messages: flat("gen_ai.prompt.{}.", *messages),
]
in_any_dialect = pytest.mark.parametrize("prompt", PROMPTS)


def test_our_own_hash_is_taken_as_it_is() -> None:
    written = span({semconv.REQUEST_FINGERPRINT: HASH, semconv.TOOL_CALL_ARGUMENTS: "{}"})

    assert fingerprint_of(written, "tool") == HASH
    assert fingerprint_of(written, "llm") == HASH


@in_any_dialect
def test_equal_content_is_the_same_request_and_other_content_is_not(prompt: Any) -> None:
    first, second = llm(**prompt(SYSTEM, ASKED)), llm(**prompt(SYSTEM, ASKED))
    longer, turned = llm(**prompt(SYSTEM, ASKED, SAID)), llm(**prompt(ASKED, SYSTEM))

    found = [fingerprint_of(each, "llm") for each in (first, longer, turned)]

    assert fingerprint_of(second, "llm") == found[0]
    assert None not in found
    assert len(set(found)) == 3


@in_any_dialect
def test_the_next_turn_goes_on_where_the_last_one_ended(prompt: Any) -> None:
    before, after = (
        prompt_chain_of(llm(**prompt(*turn))) for turn in ([SYSTEM, ASKED], [SYSTEM, ASKED, SAID, ASKED])
    )

    assert len(before) == 2
    assert after[:2] == before
    assert after[3][1] > after[2][1] > after[1][1] > 0


@pytest.mark.parametrize(
    "change",
    [
        {semconv.REQUEST_MODEL: "other"},
        {semconv.REQUEST_TEMPERATURE: 0.5},
        {semconv.SYSTEM_INSTRUCTIONS: '[{"type":"text","content":"x"}]'},
        {semconv.TOOL_DEFINITIONS: '[{"name":"search"}]'},
        {"llm.invocation_parameters": '{"seed": 1}'},
    ],
)
def test_what_changes_the_answer_changes_the_fingerprint(change: dict[str, Any]) -> None:
    messages = {semconv.INPUT_MESSAGES: json.dumps([ASKED])}

    assert fingerprint_of(llm(**messages), "llm") != fingerprint_of(llm(**{**messages, **change}), "llm")


def test_tools_and_instructions_come_before_the_messages() -> None:
    both = llm(
        **{
            semconv.INPUT_MESSAGES: json.dumps([ASKED]),
            semconv.SYSTEM_INSTRUCTIONS: '[{"type":"text","content":"x"}]',
            semconv.TOOL_DEFINITIONS: '[{"name":"search"}]',
        }
    )
    inside = llm(**{"input.value": json.dumps({"system": "x", "tools": ["search"], "messages": [ASKED]})})

    assert len(prompt_chain_of(both)) == 3
    assert len(prompt_chain_of(inside)) == 3


@pytest.mark.parametrize(
    "key",
    [
        semconv.TOOL_CALL_ARGUMENTS,
        "gen_ai.tool.args",
        "ai.toolCall.args",
        "traceloop.entity.input",
        "langfuse.observation.input",
        "mlflow.spanInputs",
        "input.value",
    ],
)
def test_a_tool_call_is_its_name_and_its_arguments(key: str) -> None:
    def call(tool: str, arguments: str) -> str | None:
        return fingerprint_of(span({semconv.TOOL_NAME: tool, key: arguments}), "tool")

    one = call("search", '{"q": "a", "n": 1}')

    assert one is not None
    assert one == call("search", '{"n": 1, "q": "a"}')
    assert one != call("search", '{"q": "b", "n": 1}')
    assert one != call("lookup", '{"q": "a", "n": 1}')


def test_arguments_of_langchain_are_told_without_the_ids_of_their_run() -> None:
    one, other = (
        fingerprint_of(
            span({"traceloop.entity.input": json.dumps({"inputs": {"q": 1}, "metadata": run})}), "tool"
        )
        for run in (1, 2)
    )

    assert one is not None
    assert one == other


def test_foreign_content_never_equals_one_of_our_hashes() -> None:
    forged = span({semconv.TOOL_CALL_ARGUMENTS: HASH})

    assert fingerprint_of(forged, "tool") != HASH
    assert str(fingerprint_of(forged, "tool")).startswith("content:")


@pytest.mark.parametrize(
    "value",
    [
        '{"q": "cut off he',
        '[{"role": "user", "content": "cut',
        "a long text that was cut...",
        "__REDACTED__",
        '[{"role": "user", "content": "__REDACTED__"}]',
        "",
        None,
    ],
)
def test_content_that_is_masked_or_cut_off_says_nothing(value: Any) -> None:
    told = span({semconv.INPUT_MESSAGES: value, semconv.TOOL_CALL_ARGUMENTS: value})

    assert fingerprint_of(told, "tool") is None
    assert fingerprint_of(told, "llm") is None
    assert prompt_chain_of(told) == ()


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user"}],
        [{"role": "user", "parts": [{"type": "text"}]}],
        [{"role": "assistant", "parts": [{"type": "tool_call", "id": "1", "name": "search"}]}],
        [ASKED, {"role": "user", "content": [{"type": "text"}]}],
        [None],
        [],
    ],
)
def test_an_outline_of_messages_says_nothing(messages: Any) -> None:
    outlined = llm(**{semconv.INPUT_MESSAGES: json.dumps(messages)})

    assert fingerprint_of(outlined, "llm") is None
    assert prompt_chain_of(outlined) == ()


def test_what_adk_writes_in_place_of_content_says_nothing() -> None:
    hidden = span({"gcp.vertex.agent.tool_call_args": "{}", "gcp.vertex.agent.llm_request": "{}"})

    assert fingerprint_of(hidden, "tool") is None
    assert fingerprint_of(hidden, "llm") is None


def test_flattened_messages_with_a_gap_say_nothing() -> None:
    whole = flat("gen_ai.prompt.{}.", SYSTEM, ASKED)
    gap = {key: value for key, value in whole.items() if ".0." not in key}
    masked = {**whole, "gen_ai.prompt.0.content": "__REDACTED__"}

    assert fingerprint_of(llm(**gap), "llm") is None
    assert fingerprint_of(llm(**masked), "llm") is None
    assert fingerprint_of(span(whole, dropped=1), "llm") is None
    assert fingerprint_of(llm(**{"gen_ai.prompt.x": "odd"}), "llm") is None


def test_embeddings_are_told_by_their_texts() -> None:
    def embedding(text: str, vector: float) -> str | None:
        start = "embedding.embeddings.0.embedding."
        return fingerprint_of(span({f"{start}text": text, f"{start}vector": (vector,)}), "embedding")

    assert embedding("a", 0.1) == embedding("a", 0.2) != embedding("b", 0.1)


@pytest.mark.parametrize("role", ["agent", "step", "retrieval", "other"])
def test_other_work_has_no_fingerprint(role: Any) -> None:
    assert fingerprint_of(llm(**{"input.value": "hi"}), role) is None


@pytest.mark.parametrize("attributes", [{}, {"a": 1}])
def test_where_nothing_is_captured_nothing_is_known(attributes: dict[str, Any]) -> None:
    assert fingerprint_of(span(attributes), "llm") is None
    assert fingerprint_of(span(attributes), "tool") is None
    assert prompt_chain_of(span(attributes)) == ()


def test_our_own_chain_is_left_on_its_span() -> None:
    told = span({semconv.REQUEST_FINGERPRINT: "f", semconv.PROMPT_CHAIN: ["a"], semconv.PROMPT_SIZES: [10]})

    left = request_of(told, "llm")

    assert (left.fingerprint, left.chain) == ("f", Chain())
    assert written_chain_of(told) == Chain(["a"], [10])


@pytest.mark.parametrize("write", [lambda parts: " ".join(map(str, parts)), list, tuple])
def test_our_own_chain_is_read_from_lists_and_from_text(write: Any) -> None:
    written = span({semconv.PROMPT_CHAIN: write(["a", "b"]), semconv.PROMPT_SIZES: write([10, 30])})

    assert prompt_chain_of(written) == (("a", 10), ("b", 30))


@pytest.mark.parametrize(
    ("chain", "sizes"),
    [
        (["a"], None),
        (["a"], [1, 2]),
        (["a"], [-1]),
        (["a"], [True]),
        ([1], [1]),
        ("a", "x"),
        ("a b", "1"),
        ("a", "-1"),
        ("a", "+1"),
        ("a", "9" * 5_000),
        ("a", [1]),
        ("", ""),
        ([], []),
        (5, [1]),
    ],
)
def test_a_chain_that_does_not_fit_its_sizes_is_none(chain: Any, sizes: Any) -> None:
    assert prompt_chain_of(span({semconv.PROMPT_CHAIN: chain, semconv.PROMPT_SIZES: sizes})) == ()


def test_a_long_chain_keeps_both_ends() -> None:
    messages = [{"role": "user", "content": str(number)} for number in range(100)]

    chain = prompt_chain_of(llm(**{semconv.INPUT_MESSAGES: messages}))
    short = prompt_chain_of(llm(**{semconv.INPUT_MESSAGES: messages[:8]}))

    assert len(chain) == 32
    assert chain[:8] == short


def test_values_that_json_has_no_word_for_raise_nothing() -> None:
    endless: list[Any] = []
    endless.append(endless)
    odd = {1: "a", "b": 2}

    for value in (endless, odd, [odd], b"bytes", 1.5, {"messages": 5}):
        told = span(
            {semconv.INPUT_MESSAGES: value, semconv.TOOL_CALL_ARGUMENTS: value, semconv.REQUEST_SEED: odd}
        )
        assert fingerprint_of(told, "llm") is None
        assert isinstance(fingerprint_of(told, "tool"), str | None)
        assert isinstance(prompt_chain_of(told), tuple)


@given(st.dictionaries(st.sampled_from([*"ab", semconv.INPUT_MESSAGES, "gen_ai.prompt.0.content"]), JSON))
def test_no_value_makes_it_raise(attributes: dict[str, Any]) -> None:
    odd = span({**attributes, semconv.TOOL_CALL_ARGUMENTS: attributes.get("a"), semconv.PROMPT_SIZES: [1]})

    assert isinstance(fingerprint_of(odd, "llm"), str | None)
    assert isinstance(fingerprint_of(odd, "tool"), str | None)
    assert isinstance(prompt_chain_of(odd), tuple)
