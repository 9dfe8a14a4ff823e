from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from programs import AGENTPROF, agentprof, environment

import otel_agentprof
from otel_agentprof.cli import VERBS, main
from otel_agentprof.cli.output import say
from otel_agentprof.cli.report import ReportVerb

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


def test_without_a_verb_it_tells_them_all_and_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    for verb in ("run", "report", "whatif", "diff", "doctor", "demo", "prices"):
        assert f"    {verb} " in err


def test_the_version_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"agentprof {otel_agentprof.__version__}\n"


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS])
def test_the_help_of_a_verb_is_its_docstring(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0

    out = capsys.readouterr().out
    doc = next(v for v in VERBS if v.name == verb).__doc__ or ""
    assert doc.partition("\n")[0] in out


@pytest.mark.parametrize(
    "arguments", [["whatif"], ["diff", "x"], ["report"], ["report", "x", "--width", "0"], ["--nonsense"]]
)
def test_a_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (RuntimeError("un\x1blikely"), 70)])
def test_whatever_goes_wrong_nobody_sees_a_traceback(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Any, __: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr(ReportVerb, "run", fail)

    assert main(["report", "x"]) == code

    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "\x1b" not in err


def test_the_exit_code_is_that_of_the_process() -> None:
    assert agentprof("report", "nowhere").returncode == 3
    assert agentprof("prices", "gpt-4o").returncode == 0
    assert agentprof().returncode == 2


def test_the_verbs_load_no_sdk_and_no_client_before_they_run() -> None:
    code = (
        "import sys, otel_agentprof.cli; "
        "print(*[name for name in ('opentelemetry.sdk', 'openai', 'anthropic', 'genai_prices', 'rich') "
        "if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == ""


def test_talk_gets_through_where_stderr_knows_only_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(raw, encoding="ascii", errors="strict"))

    say("cannot read 'é'")
    sys.stderr.flush()

    assert raw.getvalue() == b"agentprof: cannot read '\\xe9'\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")  # noqa: PTH110
@pytest.mark.parametrize(
    "arguments", [["report", "x.jsonl"], ["report", "x.jsonl", "--format", "json"], ["prices", "gpt-4o"]]
)
def test_an_output_that_cannot_be_written_is_told_in_one_line(tmp_path: Path, arguments: list[str]) -> None:
    span = {"traceId": "a" * 32, "spanId": "b" * 16, "name": "x", "startTimeUnixNano": "1"}
    (tmp_path / "x.jsonl").write_text(
        json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{**span, "endTimeUnixNano": "2"}]}]}]})
    )

    with open("/dev/full", "w") as full:  # noqa: PTH123 - as a shell does
        ended = subprocess.run(
            [*AGENTPROF, *arguments],
            cwd=tmp_path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert ended.returncode == 2
    assert ended.stderr == "agentprof: cannot write the output: no space left on device\n"
