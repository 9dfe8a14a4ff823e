"""What the fixtures do where a backend is absent, or does not start."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from backends.running import Start, program, started

if TYPE_CHECKING:
    from pathlib import Path


def test_an_absent_backend_is_a_skip_with_a_reason_and_a_failure_where_it_is_required(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AGENTPROF_NOBODY_BIN", raising=False)
    monkeypatch.setenv("AGENTPROF_REQUIRE_BACKENDS", "jaeger")
    with pytest.raises(pytest.skip.Exception, match="AGENTPROF_NOBODY_BIN is not set"):
        program("nobody", "AGENTPROF_NOBODY_BIN")

    monkeypatch.setenv("AGENTPROF_REQUIRE_BACKENDS", "jaeger, nobody")
    with pytest.raises(pytest.fail.Exception, match="asks for nobody"):
        program("nobody", "AGENTPROF_NOBODY_BIN")


def test_a_program_that_does_not_start_is_a_failure_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such option')"]
    start = Start(command, "http://127.0.0.1:9/")

    with (
        pytest.raises(pytest.fail.Exception, match="no such option"),
        started(lambda _: start, port_count=1, log=tmp_path / "log"),
    ):
        pass
