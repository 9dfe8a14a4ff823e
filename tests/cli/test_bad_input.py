from __future__ import annotations

import gzip
import io
import json
import sys
from typing import TYPE_CHECKING

import pytest
from otlp_text import line, span
from programs import agentprof

from otel_agentprof.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"no json at all\n",
        b"\x00\x01\xff\xfe\x80" * 1000,
        b"\x1f\x8b\x08broken gzip",
        gzip.compress(line(span(1)).encode(), mtime=0)[:30],
        line(span(1)).encode()[:80],
        b"[]",
        b"17",
        b'{"data": 3}',
        b'{"resourceSpans": "x"}',
        b'{"resourceLogs": []}',
        b'{"data": [{"spans": [{"traceID": {}}]}]}',
        line(span(1, traceId="xyz")).encode(),
        line(span(1, traceId="ab", spanId="")).encode(),
        line(span(1, startTimeUnixNano={"a": 1}, endTimeUnixNano=None)).encode(),
        b"[" * 100_000,
        b'{"a": "' + b"x" * 3_000_000,
        b"\x1b[31mred\x1b]0;title\x07",
    ],
)
def test_what_holds_no_trace_is_one_line_and_exit_code_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    path = tmp_path / "bad"
    path.write_bytes(data)

    code = main(["report", str(path)])

    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert err.startswith("agentprof: ")
    assert len(err) < 600
    assert "\x1b" not in err


@pytest.mark.parametrize(
    "name", ["", ".", "nowhere.json", "nul\0byte", "esc\x1b[31m", "jaeger+http://localhost/x"]
)
def test_a_place_that_cannot_be_read_is_one_line_and_exit_code_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)

    code = main(["report", name])

    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            line(span(1)) + "{broken\n" + line(span(2, parent=1)),
            "1 line left out: no JSON; first at line 2",
        ),
        (line(span(1), {"name": 3}), "1 span left out"),
        (line(span(1), span(2, trace="ef", parent=1)), "1 id too short, padded"),
    ],
)
def test_what_is_partly_broken_is_reported_and_the_loss_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    path = tmp_path / "partly.jsonl"
    path.write_text(text)

    code = main(["report", str(path), "--format", "json"])

    out, err = capsys.readouterr()
    assert code == 0
    assert told in err
    report = json.loads(out)
    notes = (report if isinstance(report, dict) else report[0])["data_quality"]
    assert any(told in note["message"] for note in notes)


def test_cycles_become_a_report_with_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cycle.json"
    path.write_text(line(span(1, parent=2), span(2, parent=1), span(3, parent=3)))

    assert main(["report", str(path), "--format", "json"]) == 0

    report = json.loads(capsys.readouterr().out)
    assert report["span_count"] == 3
    assert report["data_quality"]


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html", "folded", "perfetto", "speedscope"])
def test_no_escape_sequence_gets_out_in_any_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    path = tmp_path / "wild\x1b[2J.jsonl"
    evil = "\x1b]0;owned\x07\x1b[2J\u202e;\r\nrm -rf\x9b31m"
    path.write_text(line(span(1, name=evil), span(2, name="ok", parent=1), {"name": evil}))

    code = main(["report", str(path), "--format", form])

    out, err = capsys.readouterr()
    assert code == 0
    for sign in "\x1b\x07\x9b\u202e\r":
        assert sign not in out + err


def test_stdin_and_gzip_are_read(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(line(span(1)).encode()))))

    assert main(["report", "-", "--format", "json"]) == 0

    assert json.loads(capsys.readouterr().out)["span_count"] == 1


def test_a_line_of_sixty_megabytes_is_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    with path.open("w") as file:
        file.write(line(span(1)))
        file.write('{"x": "' + "y" * 60_000_000 + "\n")

    ours = agentprof("report", str(path))

    assert ours.returncode == 0
    assert "1 line left out: no JSON" in ours.stderr
    assert len(ours.stderr) < 600
