"""The table of README: what the recorded run of each framework told, beside what the server served.

PYTHONPATH=.:tests python -m frameworks.support_table    writes it into README.md
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from frameworks.comparing import counted, expected
from frameworks.running import RECORDED, served_of
from frameworks.runs import RUNS
from packaging.requirements import Requirement

from otel_agentprof.instrumentation import libraries
from otel_agentprof.instrumentation.framework import FrameworkSpec

if TYPE_CHECKING:
    from frameworks.runs import Run

README: Final = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- framework table: begin -->\n", "<!-- framework table: end -->\n"
_ENDINGS: Final = ("_agentprof", "_switched", "")  # runs with us on come first


def render() -> str:
    """Return one row per framework."""
    lines = [
        "| framework | from | tested | how | calls, tools | tokens in, out |",
        "|---|---|---|---|---|---|",
    ]
    for library in libraries.known().values():
        spec = library.load() if library.kind == "framework" else None
        if isinstance(spec, FrameworkSpec):
            lines.append(_row(spec, _run_of(spec.name)))
    return "".join(f"{line}\n" for line in lines)


def _run_of(name: str) -> Run:
    runs = {run.name: run for run in RUNS}
    return next(runs[f"{name}{ending}"] for ending in _ENDINGS if f"{name}{ending}" in runs)


def _row(spec: FrameworkSpec, run: Run) -> str:
    truth = json.loads((RECORDED / f"{run.name}.truth.json").read_text(encoding="utf-8"))
    found, served = counted(RECORDED / f"{run.name}.jsonl"), expected(served_of(truth), run)
    package = Requirement(spec.distribution).name
    version = truth["versions"].get(package) or next(iter(truth["versions"].values()))
    told = [
        f"{mine:,}" if mine == theirs else f"{mine:,} of {theirs:,}"
        for mine, theirs in zip(found, served, strict=True)
        if isinstance(mine, int) and isinstance(theirs, int)
    ]
    calls, tools, taken, made = told[:4]
    start = spec.distribution.partition(">=")[2]
    return f"| `{package}` | {start} | {version} | {spec.note} | {calls}, {tools} | {taken}, {made} |"


def main() -> None:
    """Write the table into README."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    README.write_text(before + BEGIN + render() + END + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
