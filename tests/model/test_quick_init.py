"""The faster ``__init__`` of frozen dataclasses: it takes, sets and refuses what theirs does."""

from __future__ import annotations

import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from typing import Any

import pytest

from otel_agentprof.model import Span, SpanTree
from otel_agentprof.model.quick_init import quick_init


@dataclass(frozen=True, slots=True)
class Slow:
    name: str
    size: int = 3
    tags: list[str] = field(default_factory=list)
    note: str = field(default="", kw_only=True)
    rest: tuple[int, ...] = ()


@quick_init
@dataclass(frozen=True, slots=True)
class Slotted:
    name: str
    size: int = 3
    tags: list[str] = field(default_factory=list)
    note: str = field(default="", kw_only=True)
    rest: tuple[int, ...] = ()


@quick_init
@dataclass(frozen=True)
class Open:
    name: str
    size: int = 3
    tags: list[str] = field(default_factory=list)
    note: str = field(default="", kw_only=True)
    rest: tuple[int, ...] = ()


@pytest.mark.parametrize("made", [Slotted, Open])
@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("a",), {}),
        (("a", 5, ["x"], (1,)), {"note": "n"}),
        ((), {"name": "a", "rest": (2,), "tags": ["y"]}),
    ],
)
def test_it_sets_what_the_dataclass_would_set(made: Any, given: Any, named: Any) -> None:
    slow, quick = Slow(*given, **named), made(*given, **named)

    assert [getattr(quick, one.name) for one in fields(made)] == [
        getattr(slow, one.name) for one in fields(Slow)
    ]
    assert inspect.signature(made) == inspect.signature(Slow)


@pytest.mark.parametrize("made", [Slotted, Open])
def test_each_instance_has_a_list_of_its_own(made: Any) -> None:
    assert made("a").tags is not made("a").tags


@pytest.mark.parametrize("made", [Slotted, Open])
@pytest.mark.parametrize(("given", "named"), [((), {}), (("a", 1, [], (), "n"), {}), (("a",), {"odd": 1})])
def test_it_refuses_what_the_dataclass_refuses_in_the_same_words(made: Any, given: Any, named: Any) -> None:
    with pytest.raises(TypeError) as slow:
        Slow(*given, **named)

    with pytest.raises(TypeError) as quick:
        made(*given, **named)

    assert str(quick.value) == str(slow.value).replace("Slow", made.__name__)


@pytest.mark.parametrize("made", [Slotted, Open])
def test_an_instance_stays_frozen_comparable_and_copyable(made: Any) -> None:
    one = made("a", note="n")

    with pytest.raises(FrozenInstanceError):
        one.name = "b"

    assert one == made("a", note="n")
    assert replace(one, size=4) == made("a", 4, note="n")
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301 - our own bytes
    assert repr(one) == repr(Slow("a", note="n")).replace("Slow", made.__name__)


def test_spans_and_trees_are_made_so() -> None:
    assert hasattr(Span.__init__, "__wrapped__")
    assert hasattr(SpanTree.__init__, "__wrapped__")
