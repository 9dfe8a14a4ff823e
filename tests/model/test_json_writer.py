"""JSON by the encoder in C: what the standard library's own function writes, with C and without."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agentprof.model.json_writer import json_writer

SEPARATORS = [(",", ":"), (", ", ": ")]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.complex_numbers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(value=VALUES, separators=st.sampled_from(SEPARATORS))
def test_it_writes_what_json_writes_with_c_and_without(value: Any, separators: tuple[str, str]) -> None:
    expected = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=separators, default=repr)

    with_c = json_writer(separators=separators, default=repr)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json.encoder, "c_make_encoder", None)
        without_c = json_writer(separators=separators, default=repr)

    assert "".join(with_c(value, 0)) == "".join(without_c(value, 0)) == expected


@pytest.mark.parametrize("has_c", [True, False])
def test_what_json_has_no_words_for_is_an_error(monkeypatch: pytest.MonkeyPatch, *, has_c: bool) -> None:
    endless: list[Any] = []
    endless.append(endless)
    if not has_c:
        monkeypatch.setattr(json.encoder, "c_make_encoder", None)

    write = json_writer()

    with pytest.raises(TypeError):
        "".join(write([object()], 0))
    with pytest.raises(RecursionError):
        "".join(write(endless, 0))
