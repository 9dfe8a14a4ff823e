"""Plays a run of the table: the server here, the framework in an environment and a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frameworks.payloads import Served
from frameworks.serving import Model
from loopback import serve_as

if TYPE_CHECKING:
    from frameworks.runs import Run

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
RECORDED = HERE.parent / "traces" / "frameworks"
REQUIREMENTS = HERE / "requirements"
FOLDER = "AGENTPROF_FRAMEWORKS_DIR"
_SECONDS = 180
_KEPT_RESOURCE = frozenset({"service.name", "telemetry.sdk.name"})
_LONG = 1_000  # characters of an attribute; longer ones are prompts, told again elsewhere
_LEFT_OUT = (
    "code.filepath",
    "exception.stacktrace",
    "gen_ai.task.",
    "gen_ai.tool.definitions",
    "server.port",
)
# What a framework would fetch, send or colour if it were let.
_QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENAI_AGENTS_DISABLE_TRACING": "0",
    "OTEL_SDK_DISABLED": "false",
    "NO_COLOR": "1",
}


class ProgramFailedError(Exception):
    """A framework's program stopped with an error, or asked the server for what it does not know."""


def python_of(run: Run) -> Path | None:
    """Return the interpreter of a run's environment; None where it has not been made."""
    folder = os.environ.get(FOLDER)
    if not folder:
        return None
    python = Path(folder) / run.group / "bin" / "python"
    return python if python.exists() else None


def play(run: Run, python: Path, spans: Path) -> dict[str, Any]:
    """Run a program, leave its spans in a file, and return the truth: what was served, and by which packages.

    Raises:
        ProgramFailedError: It failed, or needs something that the server has not.
    """
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "PYTHON"))}
    with serve_as(Model) as server:
        settings = {
            **inherited,
            **_QUIET,
            **run.settings,
            "PYTHONPATH": str(REPOSITORY),
            "FRAMEWORKS_URL": server.url,
            "FRAMEWORKS_SPANS": str(spans),
            "FRAMEWORKS_MODE": run.mode,
        }
        done = subprocess.run(
            [python, HERE / "agents" / f"{run.program}.py"],
            env=settings,
            cwd=spans.parent,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    if done.returncode or not server.served:
        raise ProgramFailedError(f"{run.name}: {done.stdout[-1000:]}\n{done.stderr[-3000:]}")
    versions = json.loads(spans.with_suffix(".versions.json").read_text(encoding="utf-8"))
    return {"versions": versions, "served": [asdict(served) for served in server.served]}


def served_of(truth: dict[str, Any]) -> list[Served]:
    """Return the books of a run."""
    return [Served(**{**row, "tools": tuple(row["tools"])}) for row in truth["served"]]


def record(run: Run, spans: Path, truth: dict[str, Any]) -> None:
    """Keep a run for machines without the framework, without what tells of the machine it ran on."""
    lines = [
        json.dumps(_trimmed(json.loads(line))) for line in spans.read_text(encoding="utf-8").splitlines()
    ]
    RECORDED.mkdir(parents=True, exist_ok=True)
    (RECORDED / f"{run.name}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    text = json.dumps(truth, indent=1)
    (RECORDED / f"{run.name}.truth.json").write_text(f"{text}\n", encoding="utf-8")


def _text(line: dict[str, Any]) -> str:
    return json.dumps(line, separators=(",", ":"))


def _trimmed(line: dict[str, Any]) -> dict[str, Any]:
    for group in line["resourceSpans"]:
        kept = [entry for entry in group["resource"]["attributes"] if entry["key"] in _KEPT_RESOURCE]
        group["resource"]["attributes"] = kept
        for scope in group["scopeSpans"]:
            for span in scope["spans"]:
                span["attributes"] = _short(span["attributes"])
                for event in span.get("events", ()):
                    event["attributes"] = _short(event["attributes"])
    return line


def _short(attributes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for entry in attributes if len(json.dumps(entry)) <= _LONG and not _is_local(entry)]


def _is_local(entry: dict[str, Any]) -> bool:
    return (
        entry["key"].startswith(_LEFT_OUT)
        or "127.0.0.1" in json.dumps(entry)
        or str(Path.home()) in str(entry)
    )
