from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import ctrl_c
import pytest
from loopback import serve
from programs import AGENTPROF, CALL, TOOL, agentprof, environment, program

from otel_agentprof.cli import main
from otel_agentprof.cli.recorded import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loopback import Loopback


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    with serve() as loopback:
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{loopback.url}/v1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield loopback


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")


def _report(arguments: list[str], directory: Path) -> dict[str, Any]:
    """Run a program in place; return its report."""
    path = directory / "report.json"
    main(["run", "--report", str(path), *arguments])
    report: dict[str, Any] = json.loads(path.read_text())
    return report


def _names(report: dict[str, Any]) -> set[str]:
    return set(report["by_name"])


@pytest.mark.parametrize(
    "text",
    [
        "import sys; print(sys.argv, __name__, __file__, sys.path[0], __spec__, sys.flags)",
        "import sys; print(sys.path, sorted(sys.modules['__main__'].__dict__))",
        "import os; print(sorted(set(os.environ) - {'_', 'ANTHROPIC_OPEN_TELEMETRY'}), os.getcwd())",
        "import sys; print(input()); sys.exit('no more')",
        "import sys; sys.exit(7)",
        "import os; print('gone', flush=True); os._exit(5)",
        "1 / 0",
        "def broken(:",
        "raise SystemExit",
        "from otel_agentprof import pricing; pricing.wait(); raise KeyboardInterrupt",
        "import atexit; atexit.register(print, 'last')",
        "import opentelemetry.trace as t; print(isinstance(t.get_tracer_provider(), t.ProxyTracerProvider))",
    ],
)
def test_a_program_behaves_as_under_python(tmp_path: Path, text: str) -> None:
    path = program(tmp_path, text)
    arguments = [path, "-o", "x", "--quiet", "é"]
    bare = subprocess.run(
        [sys.executable, *arguments],
        env=environment(),
        input="hello\n",
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )

    ours = agentprof("run", "--quiet", *arguments, stdin="hello\n")

    assert ours.stdout == bare.stdout
    assert ours.stderr == bare.stderr
    assert ours.returncode == (bare.returncode if bare.returncode >= 0 else 128 - bare.returncode)


def test_a_module_runs_as_under_python_m(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    program(tmp_path / "pack", "import sys; print(__spec__.name, __package__, sys.argv[1:])", "__main__.py")

    ours = agentprof("run", "--quiet", "-m", "pack", "-m", "1", cwd=tmp_path)

    assert ours.stdout == "pack.__main__ pack ['-m', '1']\n"
    assert ours.returncode == 0


def test_a_missing_script_is_told_as_python_tells_it(tmp_path: Path) -> None:
    ours = agentprof("run", "nowhere.py", cwd=tmp_path)

    assert ours.returncode == 2
    assert ours.stderr.count("\n") == 1
    assert "can't open file" in ours.stderr


def test_no_script_at_all_is_a_usage_error(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--"]) == 2
    assert capfd.readouterr().err.startswith("agentprof: run what?")


def test_the_report_goes_to_stderr_and_stdout_is_the_programs(tmp_path: Path) -> None:
    ours = agentprof("run", program(tmp_path, TOOL + "print('mine')"))

    assert ours.stdout == "mine\n"
    assert ours.stderr.startswith("run app.py ")
    assert "└ search" in ours.stderr
    assert "\x1b" not in ours.stderr


def test_the_report_comes_also_after_an_exception(tmp_path: Path) -> None:
    ours = agentprof("run", program(tmp_path, TOOL + "raise ValueError('boom')"))

    assert ours.returncode == 1
    assert ours.stderr.index("ValueError: boom") < ours.stderr.index("run app.py ")
    assert "otel_agentprof" not in ours.stderr.partition("run app.py ")[0]


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """A shell's background job ignores ctrl-C, and so would the programs that it starts."""
    with ctrl_c.heard():
        yield


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_reaches_the_program_and_the_report_comes(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    path = program(tmp_path, TOOL + "import time\ntime.sleep(1)\nprint('up', flush=True)\ntime.sleep(60)")
    with subprocess.Popen(
        [*AGENTPROF, "run", path],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as ours:
        assert ours.stdout is not None
        assert ours.stdout.readline() == "up\n"
        ours.send_signal(number)
        _, told = ours.communicate(timeout=30)

    assert ours.returncode == code
    assert "run app.py " in told
    assert ("KeyboardInterrupt" in told) is (number == signal.SIGINT)


def test_what_was_open_when_the_program_was_killed_is_in_the_report(tmp_path: Path) -> None:
    text = """
import os, signal, time
import otel_agentprof as ap
with ap.agent("planner"):
    with ap.tool("search"):
        pass
    time.sleep(2.2)  # the recorder writes twice a second
    os.kill(os.getpid(), signal.SIGKILL)
"""
    spans = tmp_path / "run.jsonl"

    assert main(["run", "--quiet", "-o", str(spans), program(tmp_path, text)]) == 137

    report = tmp_path / "again.json"
    assert main(["report", str(spans), "-o", str(report)]) == 0
    read = json.loads(report.read_text())
    assert {"invoke_agent planner", "execute_tool search"} <= _names(read)


def test_a_program_killed_before_its_first_span_has_ended_is_in_the_report(tmp_path: Path) -> None:
    text = """
import gc, os, signal, time
import otel_agentprof as ap
from otel_agentprof.cli.recorder import Recorder
recorder = next(thing for thing in gc.get_objects() if isinstance(thing, Recorder))
with ap.profile("task"):
    while b"task" not in recorder._path.read_bytes():
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGKILL)
"""

    report = _report([program(tmp_path, text)], tmp_path)

    assert _names(report) == {"run app.py", "task"}
    assert "killed" in {note["code"] for note in report["data_quality"]}


FULL = "/dev/full"  # can be opened, and cannot be written
needs_full = pytest.mark.skipif(not os.path.exists(FULL), reason="this system has no /dev/full")  # noqa: PTH110
UNSAVED = "agentprof: the {} could not be saved: cannot write '/dev/full': no space left on device"


@needs_full
@pytest.mark.parametrize(("end", "code"), [("", 2), ("raise SystemExit(3)", 3)])
def test_spans_that_cannot_be_saved_cost_neither_report_nor_exit_code(
    tmp_path: Path, end: str, code: int
) -> None:
    ours = agentprof("run", "-o", FULL, program(tmp_path, f"{TOOL}{end}"))

    first, *report = ours.stderr.splitlines()
    assert ours.returncode == code
    assert first == UNSAVED.format("spans")
    assert report[0].startswith("run app.py ")


def test_a_directory_that_the_program_removes_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    text = f"{TOOL}import shutil\nshutil.rmtree('gone')\nraise SystemExit(3)"

    ours = agentprof("run", "--quiet", "-o", "gone/x.jsonl", program(tmp_path, text), cwd=tmp_path)

    assert ours.returncode == 3
    assert ours.stderr == (
        "agentprof: the spans could not be saved: cannot write 'gone/x.jsonl': no such file or directory\n"
    )


@needs_full
@pytest.mark.parametrize(("end", "code"), [("", 2), ("raise SystemExit(3)", 3)])
def test_a_report_that_cannot_be_saved_costs_no_exit_code(tmp_path: Path, end: str, code: int) -> None:
    ours = agentprof("run", "--report", FULL, program(tmp_path, f"{TOOL}{end}"))

    assert ours.returncode == code
    assert ours.stderr == f"{UNSAVED.format('report')}\n"


@needs_full
@pytest.mark.parametrize("code", [0, 3])
def test_a_stderr_that_cannot_be_written_hides_no_exit_code(tmp_path: Path, code: int) -> None:
    path = program(tmp_path, f"{TOOL}raise SystemExit({code})")

    with open(FULL, "w") as full:  # noqa: PTH123 - as a shell does
        ended = subprocess.run([*AGENTPROF, "run", path], env=environment(), stderr=full, check=False)

    assert ended.returncode == (code or 2)


def test_a_reader_of_stderr_who_has_seen_enough_hides_no_exit_code(tmp_path: Path) -> None:
    path = program(tmp_path, f"{TOOL}raise SystemExit(3)")
    read, write = os.pipe()
    os.close(read)

    ended = subprocess.run([*AGENTPROF, "run", path], env=environment(), stderr=write, check=False)
    os.close(write)

    assert ended.returncode == 3


def test_calls_are_recorded_without_a_line_in_the_program(tmp_path: Path, server: Loopback) -> None:
    report = _report([program(tmp_path, CALL + CALL)], tmp_path)

    assert report["root"]["name"] == "run app.py"
    assert report["by_role"]["llm"]["count"] == 2
    assert report["tokens"]["input"] == 2400
    assert report["cost"]["total_usd"] > 0
    assert len(server.requests) == 2


def test_traces_and_threads_are_one_report(tmp_path: Path) -> None:
    text = """
import atexit, threading, time
from concurrent.futures import ThreadPoolExecutor
import otel_agentprof as ap
work = ap.tool("search")(lambda: time.sleep(0.01))
pool = ThreadPoolExecutor(1)
pool.submit(work)
threading.Thread(target=lambda: (time.sleep(0.2), work())).start()
atexit.register(work)
"""

    report = _report([program(tmp_path, text)], tmp_path)

    assert report["by_role"]["tool"]["count"] == 3
    assert report["span_count"] == 4
    assert sum(role["critical_ns"] for role in report["by_role"].values()) == report["duration_ns"]


def test_a_first_span_after_the_main_thread_has_ended_is_in_the_report(tmp_path: Path) -> None:
    text = """
import threading
import otel_agentprof as ap
main = threading.main_thread()
threading.Thread(target=lambda: (main.join(), ap.tool("search")(lambda: 1)())).start()
"""

    report = _report([program(tmp_path, text)], tmp_path)

    assert report["by_role"]["tool"]["count"] == 1


OWN_PROVIDER = """
from opentelemetry import trace
early = trace.get_tracer("early")
@early.start_as_current_span("decorated")
def decorated():
    pass
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=lambda s: f"{s.name}\\n")))
trace.set_tracer_provider(provider)
assert trace.get_tracer_provider() is provider
decorated()
with early.start_as_current_span("by hand"):
    pass
"""


def test_a_provider_of_the_programs_own_wins(tmp_path: Path, server: Loopback) -> None:
    path = program(tmp_path, OWN_PROVIDER + CALL)

    ours = agentprof(
        "run", "--format", "json", path, OPENAI_BASE_URL=f"{server.url}/v1", OPENAI_API_KEY="none"
    )

    assert ours.stdout == "decorated\nby hand\nchat gpt-5-mini\n"
    assert _names(json.loads(ours.stderr)) == {"run app.py", "decorated", "by hand", "chat gpt-5-mini"}


def test_a_program_that_instruments_itself_gets_what_it_asked_for(tmp_path: Path, server: Loopback) -> None:
    text = f"""
import otel_agentprof as ap
reports = []
with ap.instrument(on_report=reports.append):
    {CALL.strip().replace(chr(10), chr(10) + "    ")}
print([report.span_count for report in reports])
with ap.profile("part") as run:
    client.chat.completions.create(model="gpt-5-mini", messages=[])
print(run.report.span_count)
client.chat.completions.create(model="gpt-5-mini", messages=[])
"""
    path = program(tmp_path, text)

    ours = agentprof(
        "run", "--format", "json", path, OPENAI_BASE_URL=f"{server.url}/v1", OPENAI_API_KEY="none"
    )

    assert ours.stdout == "[1]\n2\n"
    assert json.loads(ours.stderr)["by_role"]["llm"]["count"] == 3


def test_a_stream_that_nobody_read_is_recorded(tmp_path: Path, server: Loopback) -> None:
    text = CALL.replace('"Hi"}]', '"Hi"}], stream=True').replace("client.chat", "kept = client.chat")

    report = _report([program(tmp_path, text)], tmp_path)

    assert report["by_role"]["llm"]["count"] == 1
    assert len(server.requests) == 1


def test_the_spans_kept_with_o_give_the_same_report(tmp_path: Path, server: Loopback) -> None:
    spans = tmp_path / "run.jsonl"

    live = _report(["-o", str(spans), program(tmp_path, CALL + TOOL)], tmp_path)

    assert main(["report", str(spans), "-o", str(tmp_path / "again.json")]) == 0
    assert json.loads((tmp_path / "again.json").read_text()) == live
    assert server.requests


@pytest.mark.parametrize(
    ("limits", "code", "told"),
    [
        (["--budget-usd", "1"], 0, ""),
        (["--budget-usd", "0.0001"], 1, "agentprof: budget broken: $0.00"),
        (["--budget-tokens", "1000"], 1, "agentprof: budget broken: 1,285 tokens taken, 1,000 allowed"),
        (["--budget-tokens", "1,285"], 0, ""),
    ],
)
def test_a_broken_budget_is_told_in_one_line_and_ends_with_1(
    tmp_path: Path,
    server: Loopback,
    capfd: pytest.CaptureFixture[str],
    limits: list[str],
    code: int,
    told: str,
) -> None:
    assert main(["run", "--quiet", *limits, program(tmp_path, CALL)]) == code

    err = capfd.readouterr().err
    assert err.startswith(told)
    assert err.count("\n") == code
    assert len(server.requests) == 1


def test_the_programs_own_exit_code_wins_over_the_budget(
    tmp_path: Path, server: Loopback, capfd: pytest.CaptureFixture[str]
) -> None:
    path = program(tmp_path, CALL + "raise SystemExit(9)")

    assert main(["run", "--quiet", "--budget-tokens", "1", path]) == 9

    assert "budget broken" in capfd.readouterr().err
    assert server.requests


def test_a_budget_in_dollars_says_when_a_price_is_unknown(
    tmp_path: Path, server: Loopback, capfd: pytest.CaptureFixture[str]
) -> None:
    text = CALL.replace("gpt-5-mini", "our-own")
    body = json.loads(server.answer("/chat/completions", {}).data)
    server.script = [
        type(server.answer("/chat/completions", {}))(json.dumps({**body, "model": "our-own"}).encode())
    ]

    assert main(["run", "--quiet", "--budget-usd", "0.1", program(tmp_path, text)]) == 0

    assert "is not known: unknown (no price for our-own)" in capfd.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["--budget-usd", "much"], ["--budget-usd", "-1"], ["--budget-tokens", "1.5"], ["--format", "svg"]],
)
def test_an_argument_that_means_nothing_is_a_usage_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *arguments, "x.py"]) == 2
    assert "agentprof run: error:" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_told_before_the_program_runs(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = program(tmp_path, "print('ran')")

    assert main(["run", "-o", str(tmp_path / "no" / "x.jsonl"), path]) == 2

    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("agentprof: cannot write ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "it called no OpenAI or Anthropic client"),
        ({"OTEL_SDK_DISABLED": "true"}, "OTEL_SDK_DISABLED is true"),
    ],
)
def test_a_program_without_calls_is_told_in_one_line(
    tmp_path: Path, variables: dict[str, str], told: str
) -> None:
    ours = agentprof("run", program(tmp_path, "print('hi')"), **variables)

    assert ours.returncode == 0
    assert told in ours.stderr
    assert ours.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no exec of its own and no such signals")
@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("os._exit(0)", 0),
        ("os._exit(5)", 5),
        ("os.kill(os.getpid(), signal.SIGTERM)", 143),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137),
        ("os.execv(sys.executable, [sys.executable, '-c', ''])", 0),
    ],
)
def test_a_program_without_exit_handlers_is_not_said_to_have_called_nothing(
    tmp_path: Path, ending: str, code: int
) -> None:
    text = f"import os, signal, sys\nimport otel_agentprof as ap\nwith ap.tool('last'):\n    {ending}\n"

    ours = agentprof("run", program(tmp_path, text))

    assert ours.returncode == code
    assert ours.stderr == (
        "agentprof: nothing to report: it ended without its exit handlers (os._exit, exec or a signal), "
        "so its last second could not be saved\n"
    )


def test_a_sitecustomize_of_the_users_still_runs(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    program(tmp_path / "site", "print('theirs')", "sitecustomize.py")
    path = program(tmp_path, "import sitecustomize; print(sitecustomize.__file__)")

    ours = agentprof("run", "--quiet", path, PYTHONPATH=str(tmp_path / "site"))

    # Once for the command line itself, once for the program.
    assert ours.stdout == f"theirs\ntheirs\n{tmp_path / 'site' / 'sitecustomize.py'}\n"


def test_an_interpreter_that_the_program_starts_is_not_recorded(tmp_path: Path) -> None:
    inner = program(tmp_path, TOOL, "inner.py")
    text = f"import subprocess, sys\nsubprocess.run([sys.executable, {inner!r}], check=True)\n"

    report = _report([program(tmp_path, text)], tmp_path)

    assert report["span_count"] == 1


def test_a_forked_child_is_recorded_too(tmp_path: Path) -> None:
    text = """
import os
import otel_agentprof as ap
with ap.tool("parent"):
    pass
if (child := os.fork()) == 0:
    with ap.tool("child"):
        pass
    os._exit(0)
os.waitpid(child, 0)
"""

    report = _report([program(tmp_path, text)], tmp_path)

    assert {"execute_tool parent", "execute_tool child"} <= _names(report)


def test_spans_over_the_limit_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_AGENTPROF_MAX_SPANS_PER_TRACE", "2")
    text = "import otel_agentprof as ap\nfor _ in range(5):\n    with ap.tool('t'):\n        pass\n"

    report = _report([program(tmp_path, text)], tmp_path)

    assert report["by_role"]["tool"]["count"] == 2
    assert "3 spans left out" in " ".join(note["message"] for note in report["data_quality"])


def test_calls_without_fingerprint_are_told(tmp_path: Path) -> None:
    text = """
import otel_agentprof as ap
@ap.tool("ask")
def ask(connection, question):
    pass
ask(object(), "?")
ask(object(), "?")
ask(None, "?" * 5_000_000)
ask(None, "?")
"""

    report = _report([program(tmp_path, text)], tmp_path)

    assert {note["code"]: note["message"] for note in report["data_quality"]} == {
        "no_fingerprint": "3 calls have no fingerprint, so repeated work may be missed: "
        "2 with arguments that cannot be told by their value; 1 too large"
    }


def test_an_exporter_of_the_environment_gets_the_spans(tmp_path: Path) -> None:
    ours = agentprof("run", "--quiet", program(tmp_path, TOOL), OTEL_TRACES_EXPORTER="console")

    assert '"name": "execute_tool search"' in ours.stdout


def test_a_recording_that_never_began_is_no_report(tmp_path: Path) -> None:
    span = {"traceId": "a" * 32, "spanId": "b" * 16, "name": "x", "startTimeUnixNano": "1"}
    (tmp_path / "empty").write_text("")
    (tmp_path / "other").write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}))

    assert load(str(tmp_path / "empty"), name="run") is None
    assert load(str(tmp_path / "other"), name="run") is None


def test_an_interpreter_that_cannot_start_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    assert main(["run", "x.py"]) == 2
    assert capfd.readouterr().err.startswith("agentprof: cannot start /nowhere/python")
    monkeypatch.setattr(sys, "executable", "")
    assert main(["run", "x.py"]) == 2
    assert "sys.executable is empty" in capfd.readouterr().err


def test_where_signals_cannot_be_told_apart_a_ctrl_c_is_left_to_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "import os, signal\nos.kill(os.getppid(), signal.SIGINT)\nraise SystemExit(4)"
    monkeypatch.delattr(signal, "sigtimedwait")

    assert main(["run", "--quiet", program(tmp_path, text)]) == 4
