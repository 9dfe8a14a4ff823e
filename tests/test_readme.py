"""What README shows is run here: every Python block as it stands, every command that .ci/run does not run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from frameworks import support_table
from loopback import serve
from otlp_text import line as otlp_line
from otlp_text import span
from trace_server import Reply, serving_traces

from otel_agentprof.analysis import RULES
from otel_agentprof.instrumentation import libraries

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
COMMANDS = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]


def test_readme_opens_with_its_two_commands() -> None:
    set_up = "python3 -m venv .venv && .venv/bin/pip install"

    assert COMMANDS[0] == f'{set_up} -q ".[demo]" && .venv/bin/agentprof demo'
    assert COMMANDS[1] == f'{set_up} -q -e ".[test]" && .venv/bin/python -m pytest -q -n 2'
    assert not any(line.startswith("python3 -m venv") for line in COMMANDS[2:])


def test_the_table_of_frameworks_is_what_their_recorded_runs_tell() -> None:
    assert support_table.BEGIN + support_table.render() + support_table.END in README
    assert not re.search(r"\d of \d", support_table.render()), "what was counted is not what was served"


def test_every_tool_and_every_instrumentation_stands_in_readme() -> None:
    known = libraries.known().values()

    assert [
        library.name
        for library in known
        if library.kind in {"toolkit", "contrib"} and f"`{library.name}`" not in README
    ] == []


def test_every_finding_stands_in_readme() -> None:
    assert [rule.__name__ for rule in RULES if f"`{rule.__name__}`" not in README] == []


@pytest.mark.parametrize("block", [text for kind, text in BLOCKS if kind == "python"])
def test_a_python_block_runs_as_it_stands(block: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_the_commands_for_your_own_agent_run(tmp_path: Path) -> None:
    tools = Path(sys.executable).parent
    shutil.copy(ROOT / "examples" / "research_agent.py", tmp_path / "my_agent.py")
    environment = {**os.environ, "OPENAI_API_KEY": "none", "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}

    with serve() as server, serving_traces() as backend:
        backend.pages.update(_stored())
        for line in COMMANDS[2:]:
            # Nobody listens at Jaeger's ports here: the spans go to a server that we can look at.
            command = line.replace("http://localhost:4317", server.url)
            command = re.sub(r"localhost:(16686|3200|6006)", backend.host, command)
            done = subprocess.run(
                ["bash", "-c", command],  # noqa: S607 - as a reader types it
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
                env={
                    **environment,
                    "OPENAI_BASE_URL": f"{server.url}/v1",
                    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                    "OTEL_METRICS_EXPORTER": "none",
                    "OTEL_LOGS_EXPORTER": "none",
                    **({} if "OTEL_EXPORTER" in command else {"OTEL_TRACES_EXPORTER": "none"}),
                },
            )
            assert done.returncode == 0, f"{shlex.quote(line)}: {done.stderr}"
            assert bool(server.exports) is ("OTEL_EXPORTER" in command)
            server.exports.clear()

    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert len(backend.requests) == 5, "one for each address, and one more for the trace that TraceQL finds"


def _stored() -> dict[str, Reply]:
    """Return what Jaeger, Tempo and Phoenix answer to the commands in README."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    document = json.loads(otlp_line(span(1, trace=trace)))
    row = {"trace_id": trace, "span_id": "1" * 16, "start_time_unix_nano": 1, "end_time_unix_nano": 2}
    return {
        f"/api/v3/traces/{trace}": Reply({"result": document}),
        "/api/v3/traces": Reply({"result": document}),
        "/api/search": Reply({"traces": [{"traceID": trace}]}),
        f"/api/v2/traces/{trace}": Reply({"trace": document}),
        "/v1/projects/my-project/spans/otlpv1": Reply({"data": [row], "next_cursor": None}),
    }
