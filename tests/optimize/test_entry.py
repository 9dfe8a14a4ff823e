"""Answers as bytes: they come back as they were, and nothing else comes back."""

from __future__ import annotations

import json
import pickle
import threading
from pathlib import Path
from typing import Any

import anthropic.types
import openai.types
import openai.types.chat
import openai.types.responses
import pytest
from anthropic.types.parsed_message import ParsedMessage
from hypothesis import given
from hypothesis import strategies as st

from otel_agentprof.optimize import entry
from otel_agentprof.optimize.entry import CorruptEntryError, Held, decode, encode, hold, piece_of
from otel_agentprof.optimize.envelope import seal, unseal

WIRE = Path(__file__).parents[1] / "wire"
ANSWERS = {
    "openai_chat.json": openai.types.chat.ChatCompletion,
    "openai_chat_tool_calls.json": openai.types.chat.ChatCompletion,
    "openai_responses.json": openai.types.responses.Response,
    "openai_responses_tool_call.json": openai.types.responses.Response,
    "openai_completion.json": openai.types.Completion,
    "openai_embeddings.json": openai.types.CreateEmbeddingResponse,
    "anthropic_message.json": anthropic.types.Message,
    "anthropic_message_tool_use.json": anthropic.types.Message,
}


def stored(value: Any) -> bytes:
    piece = piece_of(value)
    assert piece is not None
    return encode([piece], is_stream=False, duration_ns=7)


@pytest.mark.parametrize(("name", "kind"), ANSWERS.items(), ids=ANSWERS)
def test_a_clients_answer_comes_back_equal(name: str, kind: Any) -> None:
    told = {**json.loads((WIRE / name).read_bytes()), "of_tomorrow": {"a": [1]}}
    answer = kind.construct(**told)
    answer._request_id = 'req_"1"'

    again, duration_ns = decode(stored(answer))

    assert again == answer
    assert type(again) is kind
    assert again.to_dict() == told
    assert again._request_id == 'req_"1"'
    assert duration_ns == 7


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=8))
def test_plain_values_come_back_equal(value: Any) -> None:
    piece = piece_of(value)

    assert piece is not None
    assert decode(encode([piece, piece], is_stream=True, duration_ns=None)) == ((value, value), None)


@pytest.mark.parametrize(
    "value",
    [
        (1, 2),
        {1: 2},
        {"a": {1}},
        [object()],
        {"\ud800"},
        ParsedMessage.construct(id="m"),
        anthropic.types.Message,
        anthropic.NOT_GIVEN,
        threading.Thread,
    ],
    ids=["tuple", "int key", "set", "object", "surrogate", "subclass", "class", "sentinel", "thread"],
)
def test_what_would_come_back_as_something_else_has_no_form_as_bytes(value: Any) -> None:
    assert piece_of(value) is None


def test_what_contains_itself_has_no_form_as_bytes() -> None:
    endless: list[Any] = []
    endless.append(endless)

    assert piece_of(endless) is None


@pytest.mark.parametrize(
    "path",
    [
        "os:system",
        "openai:OpenAI",
        "openai._models:BaseModel",
        "openai.types.chat:ChatCompletion.construct",
        "openai.types.chat.chat_completion:Literal",
        "openai.types.no_such:Thing",
        "anthropic.types..message:Message",
        "builtins:eval",
    ],
)
def test_nothing_but_a_clients_model_is_ever_built(path: str) -> None:
    data = b'{"ns":null,"of":["%b"]}\n0 {"command": "true"}' % path.encode()

    with pytest.raises(CorruptEntryError):
        decode(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]\n0 1",
        pickle.dumps({"a": 1}),
        b'{"ns":null,"of":[""]}',
        b'{"ns":null,"of":[""]}\n1 1',
        b'{"ns":null,"of":[""]}\n0 {',
        b'{"ns":null,"of":[""],"beside":1}\n0 1',
    ],
)
def test_what_is_no_entry_is_said_to_be_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptEntryError):
        decode(data)


def test_what_is_held_is_copied_each_time() -> None:
    value = {"a": {1}}

    held = hold(value, 5)

    assert held is not None
    first = decode(held)
    assert first.value == value
    assert first.value is not value
    assert first.duration_ns == 5
    assert held.size > 0
    assert hold(threading.Lock(), None) is None
    with pytest.raises(CorruptEntryError):
        decode(Held(threading.Lock(), 1, None))


def test_a_sealed_entry_holds_for_its_time() -> None:
    sealed = seal(b"A\nB", now=1000.0, ttl_s=10)

    assert unseal(sealed, now=1000.0) == b"A\nB"
    assert unseal(sealed, now=1009.9) == b"A\nB"
    assert unseal(sealed, now=1010.0) is None
    assert unseal(seal(b"A", now=1000.0, ttl_s=None), now=9e9) == b"A"


def test_a_clock_that_was_set_back_makes_no_entry_eternal() -> None:
    sealed = seal(b"A", now=1000.0, ttl_s=10)

    assert unseal(sealed, now=990.0) == b"A"
    assert unseal(sealed, now=900.0) is None


@pytest.mark.parametrize("place", [0, 5, 16, 17, 20, -1])
def test_a_byte_that_is_wrong_is_noticed(place: int) -> None:
    sealed = bytearray(seal(b"A" * 20, now=1000.0, ttl_s=None))
    sealed[place] ^= 1

    with pytest.raises(CorruptEntryError):
        unseal(bytes(sealed), now=1000.0)
    with pytest.raises(CorruptEntryError):
        unseal(bytes(sealed[:-3]), now=1000.0)


def test_a_model_that_cannot_be_written_has_no_form_as_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = anthropic.types.TextBlock.construct(type="text", text=object())

    assert piece_of(answer) is None
    assert entry._paths[anthropic.types.TextBlock]
