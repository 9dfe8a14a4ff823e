"""Prints, framework by framework, what was served and what was counted; with ``--record`` keeps the runs.

PYTHONPATH=.:tests python -m frameworks.truth_table              the recorded runs
... --live [NAME ...]                                            the frameworks, where they are installed
... --record [NAME ...]                                          likewise, and keeps their traces
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from frameworks.comparing import counted, expected, figures_of
from frameworks.running import RECORDED, play, python_of, record, served_of
from frameworks.runs import RUNS

if TYPE_CHECKING:
    from frameworks.comparing import Figures
    from frameworks.runs import Run

_HEAD = (
    "run",
    "packages",
    "calls",
    "tools",
    "input",
    "output",
    "cached",
    "written",
    "reasoning",
    "usd",
    "equal?",
)


def main(arguments: list[str]) -> int:
    """Print the table; return 1 where a run does not agree."""
    is_live, is_recording = "--live" in arguments, "--record" in arguments
    names = [name for name in arguments if not name.startswith("--")]
    print(" | ".join(_HEAD))
    failures = 0
    for run in RUNS:
        if names and run.name not in names:
            continue
        if is_live or is_recording:
            failures += _show_live(run, keeps=is_recording)
        else:
            truth = json.loads((RECORDED / f"{run.name}.truth.json").read_text(encoding="utf-8"))
            failures += _show(run, truth, RECORDED / f"{run.name}.jsonl")
    return 1 if failures else 0


def _show_live(run: Run, *, keeps: bool) -> int:
    python = python_of(run)
    if python is None:
        print(f"{run.name} | no environment {run.group}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        spans = Path(folder) / "spans.jsonl"
        truth = play(run, python, spans)
        failed = _show(run, truth, spans)
        if keeps:
            record(run, spans, truth)
    return failed


def _show(run: Run, truth: dict[str, dict[str, str]], spans: Path) -> int:
    served = served_of(truth)
    found, said = counted(spans), figures_of(served)
    due = expected(served, run)
    versions = ", ".join(f"{name} {version}" for name, version in truth["versions"].items())
    if found == said or (found == due and not run.but):
        verdict = "yes"
    elif found == due:
        verdict = "but: " + "; ".join(f"{but.what} {but.why}" for but in run.but)
    else:
        verdict = f"NO: {due.models} {found.models}"
    print(" | ".join((run.name, versions, *_cells(said, found), verdict)), flush=True)
    return int(found != due)


def _cells(said: Figures, found: Figures) -> list[str]:
    """Return one number where both agree, and else "served/counted"."""
    pairs = zip(said[:-1], found[:-1], strict=True)
    return [f"{one:,}" if one == other else f"{one:,}/{other:,}" for one, other in pairs]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
