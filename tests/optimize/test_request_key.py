"""Keys of requests: equal for what is equal, of another for anything else, in every process."""

from __future__ import annotations

import datetime as dt
import enum
import subprocess
import sys
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import openai
import pydantic
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


class Level(enum.IntEnum):
    LOW = 1


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


class Plain(str):  # noqa: SLOT000 - it shall hold more
    """A text by another name."""


class Pair(NamedTuple):
    one: int
    other: int


class Slotted(str):
    __slots__ = ("user",)


class Text(Point):
    """A class below a dataclass, which is none itself."""


def tagged(user: str) -> Any:
    value = Plain("q")
    value.user = user  # type: ignore[attr-defined]  # that is the point
    return value


def more_than_fields() -> Point:
    point = Point(1)
    point.user = "alice"  # type: ignore[attr-defined]  # that is the point
    return point


class Slots:
    __slots__ = ("user",)


class Below(Slotted):
    """Nothing of its own, and what its base has."""


@dataclass
class Hidden(Slots):
    x: int


class Zone(dt.tzinfo):
    """A zone that only its address tells."""


PARIS = ZoneInfo("Europe/Paris")

VALUES = [
    {1: "a"},
    {"1": "a"},
    {True: "a"},
    {1: "a", "b": 2},
    {"\0": "map", "": [[1, "a"]]},
    [1, 2],
    Pair(1, 2),
    Plain("a"),
    "a",
    1,
    1.0,
    True,
    OrderedDict(a=1, b=2),
    OrderedDict(b=2, a=1),
    {"a": 1, "b": 2},
    b"\x02",
    {1, 3},
    dt.datetime(2026, 1, 1, tzinfo=PARIS),
    dt.datetime(2026, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),
    b"\x01",
    bytearray(b"\x02"),
    {1, 2},
    frozenset({1, 3}),
    Colour.RED,
    Level.LOW,
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


ODD = [
    object(),
    iter("a"),
    open,
    lambda: 1,
    {object(): 1},
    1j,
    tagged("a"),
    Slotted("a"),
    Below("a"),
    Text(1),
    more_than_fields(),
    Hidden(1),
    defaultdict(list),
    dt.datetime(2026, 1, 1, tzinfo=Zone()),  # type: ignore[abstract]  # nobody asks it
]


@pytest.mark.parametrize("value", ODD)
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


def test_a_tuple_is_a_list_where_it_is_sent_and_another_value_where_it_is_not() -> None:
    def key_of_tool(value: Any) -> str | None:
        return request_key(["tool"], {"value": value}, is_sent=False)

    assert key((1, (2,))) == key([1, [2]])
    assert len({key_of_tool(value) for value in ([1], (1,), [(1,)], [[1]], ((1,),))}) == 5
    assert key_of_tool(Point(1)) not in (None, key(Point(1)), key_of_tool(Point(2)))
    assert key_of_tool(...) != key_of_tool(None)


class Asked(pydantic.BaseModel):
    effort: int = 1


def test_what_was_never_set_is_another_value() -> None:
    assert key(Asked()) == key(Asked())
    assert key(Asked()) != key(Asked(effort=1))


def test_classes_that_a_function_makes_are_told_apart() -> None:
    def made() -> Any:
        @dataclass
        class Local:
            x: int

        return Local(1)

    one, other = made(), made()

    assert str(key(one)).startswith(LOCAL)
    assert key(one) == key(one) != key(other)
