"""A provider is data: short files without a word of the engine's business in their code."""

from __future__ import annotations

import tokenize
from pathlib import Path

import pytest

from otel_agentprof.instrumentation import providers

FILES = sorted(Path(providers.__file__).parent.glob("*.py"))
WORDS = frozenset({"try", "except", "async", "await", "span", "wrapt", "__anext__", "__next__"})
MOST_LINES = 150


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_provider_is_a_short_file_of_data(path: Path) -> None:
    with path.open("rb") as file:
        names = {token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.NAME}

    assert names & WORDS == set()
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_every_provider_has_its_file_and_every_file_its_provider() -> None:
    assert {path.stem for path in FILES} - {"__init__"} == set(providers.MODULES)
