"""README's table says what a run on this machine finds."""

from __future__ import annotations

from providers.case import all_cases
from providers.support_table import BEGIN, END, README, recorded, render, rows


def test_the_table_is_what_is_found_here() -> None:
    found = rows()

    known = recorded()
    assert set(found) == {case.name for case in all_cases()}
    for name, row in found.items():
        assert {**row, "tested": ""} == {**known[name], "tested": ""}, name
    assert not [name for name, row in found.items() if "no" in row.values()]


def test_readme_has_the_table_as_it_was_found() -> None:
    text = README.read_text(encoding="utf-8")

    assert BEGIN + render(recorded().values()) + END in text
