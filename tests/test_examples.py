from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

EXAMPLES: Final = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
_LLM_CALLS: Final = {
    "anthropic_tool_loop": 2,
    "existing_pipeline": 3,
    "live_budget": 9,
    "manual_spans": 0,
    "model_selection": 6,
    "parallel_tools": 6,
    "prompt_cache": 10,
    "research_agent": 3,
    "streaming": 4,
}


def _environment() -> dict[str, str]:
    """An environment without keys, behind a proxy that does not answer: nothing can get out."""
    mine = ("OPENAI_", "ANTHROPIC_", "OTEL_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    return {**kept, "NO_COLOR": "1", "HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=_environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_as_it_is(example: Path) -> None:
    done = _run(str(example))

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_under_the_command_line(example: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"

    done = _run("-m", "otel_agentprof", "run", "--report", str(report), str(example))

    assert done.returncode == 0, done.stderr
    read = json.loads(report.read_text())
    assert read["root"]["name"] == f"run {example.name}"
    assert read["by_role"]["llm"]["count"] == _LLM_CALLS[example.stem]
    assert read["cost"]["unpriced_models"] == []
    assert (read["cost"]["total_usd"] > 0) is (_LLM_CALLS[example.stem] > 0)


def test_the_drop_in_example_shows_the_analysis_span() -> None:
    example = next(path for path in EXAMPLES if path.stem == "existing_pipeline")

    done = _run(str(example))

    assert done.stdout.count("chat gpt-4o-mini") == 4  # three calls, and the finding about them
    assert done.stdout.splitlines()[-1].startswith("agentprof.analysis")


def test_the_example_of_the_cache_saves_what_its_report_promised() -> None:
    example = next(path for path in EXAMPLES if path.stem == "prompt_cache")

    before, requests, tools, after, hits = _run(str(example)).stdout.splitlines()

    assert requests.startswith("- chat gpt-4o-mini was called 5 times with only 2 different requests:")
    assert tools.startswith("- look_up was called 5 times with only 2 different sets of arguments:")
    promised = Decimal(requests.rpartition("$")[2].removesuffix(" to save"))
    assert Decimal(after.rpartition("$")[2]) == Decimal(before.rpartition("$")[2]) - promised > 0
    assert hits == "- 6 of 10 calls answered by the cache"
