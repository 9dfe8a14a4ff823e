"""Keys of requests: equal for what is equal, of another for anything else, in every process."""

from __future__ import annotations

import datetime as dt
import enum
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import openai
import pytest
from anthropic.types import TextBlock
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionMessage

from otel_agentprof.optimize.request_key import LOCAL, request_key

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def key(value: Any) -> str | None:
    return request_key(("s",), {"value": value})


class Colour(enum.Enum):
    RED = 1


@dataclass
class Point:
    x: int
    y: int = 0


@dataclass
class Vector(Point):
    """Another class with the same fields."""


def test_the_order_of_names_makes_no_difference() -> None:
    assert request_key((), {"a": 1, "b": {"c": 1, "d": 2}}) == request_key(
        (), {"b": {"d": 2, "c": 1}, "a": 1}
    )


@pytest.mark.parametrize("absent", [openai.NOT_GIVEN, openai.omit, ...])
def test_what_is_not_given_makes_no_difference(absent: Any) -> None:
    assert request_key((), {"a": 1, "b": absent}) == request_key((), {"a": 1})


@given(_JSON, _JSON)
def test_two_values_have_one_key_only_if_they_are_the_same_json(one: Any, other: Any) -> None:
    assert (key(one) == key(other)) is (repr(_sorted(one)) == repr(_sorted(other)))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


VALUES = [
    b"\x01",
    bytearray(b"\x02"),
    {1, 2},
    frozenset({1, 3}),
    Colour.RED,
    Point(1),
    Vector(1),
    dt.date(2026, 11, 29),
    dt.timedelta(seconds=1),
    ChatCompletionMessage(role="assistant", content="a"),
    ChatCompletionMessage(role="assistant", content="b"),
    TextBlock(type="text", text="a"),
    {"\0": "class"},
    '"\\u0000":"class"',
]


def test_values_that_json_has_no_word_for_are_told_apart() -> None:
    keys = [key(value) for value in VALUES]

    assert None not in keys
    assert len(set(keys)) == len(VALUES)
    assert keys == [key(value) for value in VALUES]


@pytest.mark.parametrize("value", [object(), iter("a"), open, lambda: 1, {object(): 1}, 1j])
def test_what_cannot_be_told_by_its_value_has_no_key(value: Any) -> None:
    assert key(value) is None


def test_what_contains_itself_has_no_key() -> None:
    endless: list[Any] = []
    endless.append(endless)

    assert key(endless) is None


def test_a_class_is_only_known_in_this_process() -> None:
    one, other = key(Point), key(Vector)

    assert one is not None
    assert one.startswith(LOCAL)
    assert one != other
    assert one == key(Point)
    assert not str(key('"\\u0000":"class"')).startswith(LOCAL)


def test_a_key_is_the_same_in_every_process() -> None:
    value = {"b": [1, "é\ud800", None], "a": {3, 1, 2}, "c": dt.date(2026, 11, 29)}
    code = (
        "import datetime as dt; from otel_agentprof.optimize.request_key import request_key;"
        "value = {'c': dt.date(2026, 11, 29), 'a': {2, 3, 1}, 'b': [1, 'é\\ud800', None]};"
        "print(request_key(('s',), {'value': value}))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )

    assert done.stdout.strip() == key(value)
