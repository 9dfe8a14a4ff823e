"""Programs in an interpreter of their own: plain ones, and the verbs as people start them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

AGENTPROF = (sys.executable, "-m", "otel_agentprof")
TOOL = """
import otel_agentprof as ap
with ap.tool("search"):
    pass
"""
CALL = """
import openai
client = openai.OpenAI()
client.chat.completions.create(model="gpt-5-mini", messages=[{"role": "user", "content": "Hi"}])
"""


def environment(**variables: str) -> dict[str, str]:
    """Return a plain environment: no colours, no telemetry variables, eighty columns."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "OPENAI_"))}
    return {**kept, "NO_COLOR": "1", "COLUMNS": "80", **variables}


def agentprof(*arguments: str, cwd: Any = None, stdin: Any = "", **variables: str) -> Any:
    """Run the command line in an interpreter of its own."""
    return subprocess.run(
        [*AGENTPROF, *arguments],
        cwd=cwd,
        env=environment(**variables),
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def program(directory: Path, text: str, name: str = "app.py") -> str:
    """Write a program; return its path."""
    path = directory / name
    path.write_text(text)
    return str(path)


def python(code: str, **environment: str) -> tuple[str, str]:
    """Run a program to its good end; return what it wrote to stdout and to stderr."""
    coverage = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PATH": "", **coverage, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr
