"""Real frameworks against a server that keeps the books: what is counted is what was served."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest
from frameworks.comparing import counted, expected
from frameworks.running import FOLDER, RECORDED, REQUIREMENTS, play, python_of, served_of
from frameworks.runs import RUNS

if TYPE_CHECKING:
    from pathlib import Path

    from frameworks.runs import Run

OF_A_MACHINE = re.compile(r"127\.0\.0\.1|/(?:tmp|root|home|usr)/")
BY_NAME = [pytest.param(run, id=run.name) for run in RUNS]


@pytest.mark.parametrize("run", BY_NAME)
def test_a_recorded_run_is_counted_as_it_was_served(run: Run) -> None:
    truth = json.loads((RECORDED / f"{run.name}.truth.json").read_text(encoding="utf-8"))

    found = counted(RECORDED / f"{run.name}.jsonl")

    assert found == expected(served_of(truth), run)


@pytest.mark.frameworks
@pytest.mark.parametrize("run", BY_NAME)
def test_a_live_run_is_counted_as_it_was_served(run: Run, tmp_path: Path) -> None:
    if FOLDER not in os.environ:
        pytest.skip(f"{FOLDER} names no folder with environments for tests/frameworks/requirements")
    python = python_of(run)
    if python is None:
        pytest.skip(f"{FOLDER} has no environment {run.group}")

    truth = play(run, python, tmp_path / "spans.jsonl")

    assert counted(tmp_path / "spans.jsonl") == expected(served_of(truth), run)


def test_every_environment_has_a_list_of_what_it_needs_and_is_used() -> None:
    lists = {path.stem for path in REQUIREMENTS.glob("*.txt")}

    assert lists == {run.group for run in RUNS}


def test_every_recorded_trace_is_small_and_tells_nothing_of_its_machine() -> None:
    recorded = sorted(RECORDED.glob("*.jsonl"))

    assert {path.stem for path in recorded} == {run.name for run in RUNS}
    assert [path.name for path in recorded if path.stat().st_size > 60_000] == []
    assert [path.name for path in recorded if OF_A_MACHINE.search(path.read_text(encoding="utf-8"))] == []
