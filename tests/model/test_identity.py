"""Words for objects: one each, as long as they live."""

from __future__ import annotations

from typing import Any

import pytest

from otel_agentprof.model import identity
from otel_agentprof.model.identity import identity_of


def test_an_object_has_a_word_as_long_as_it_lives() -> None:
    def made() -> Any:
        return None

    word = identity_of(made)

    assert word == identity_of(made)
    del made
    assert word not in {each for _, each in identity._words.values()}


def test_two_objects_have_two_words() -> None:
    class One: ...

    class Other: ...

    assert identity_of(One) != identity_of(Other)


def test_what_cannot_be_watched_to_its_end_has_none() -> None:
    with pytest.raises(TypeError):
        identity_of(7)
