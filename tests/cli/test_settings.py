from __future__ import annotations

import os

import pytest

from otel_agentprof import environment


@pytest.mark.parametrize(
    ("no_color", "force_color", "term", "is_terminal", "wanted"),
    [
        (None, None, "xterm", True, True),
        (None, None, "xterm", False, False),
        (None, None, "dumb", True, False),
        ("1", None, "xterm", True, False),
        ("", None, "xterm", True, True),
        ("1", "1", "xterm", True, False),
        (None, "1", "dumb", False, True),
        (None, "0", "xterm", True, False),
        (None, "", "xterm", True, False),
    ],
)
def test_colour_is_as_the_variables_and_the_place_say(
    monkeypatch: pytest.MonkeyPatch,
    no_color: str | None,
    force_color: str | None,
    term: str,
    *,
    is_terminal: bool,
    wanted: bool,
) -> None:
    for name, value in (("NO_COLOR", no_color), ("FORCE_COLOR", force_color), ("TERM", term)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)

    assert environment.is_color_wanted(is_terminal=is_terminal) is wanted


@pytest.mark.parametrize(
    ("text", "width"), [("120", 120), ("0", None), ("-5", None), ("wide", None), ("", None)]
)
def test_columns_is_a_number_or_nothing(
    monkeypatch: pytest.MonkeyPatch, text: str, width: int | None
) -> None:
    monkeypatch.setenv("COLUMNS", text)

    assert environment.columns() == width


@pytest.mark.parametrize("before", [None, "/theirs", os.pathsep.join(["/a", "/b"])])
def test_what_a_recorded_interpreter_is_told_leaves_no_trace_in_it(
    monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    if before is None:
        monkeypatch.delenv("PYTHONPATH", raising=False)
    else:
        monkeypatch.setenv("PYTHONPATH", before)
    original = dict(os.environ)
    inside = environment.recording_environment("/launch", "/spans")
    for name, value in inside.items():
        monkeypatch.setenv(name, value)

    assert environment.take_recording("/launch") == "/spans"

    assert dict(os.environ) == original
    assert environment.take_recording("/launch") is None
