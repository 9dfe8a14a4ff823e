"""``agentprof diff``: real files, exit codes, thresholds."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from otlp_text import OTHER, line, span

from otel_agentprof.cli import main
from otel_agentprof.report.otlp_lines import render

sys.path.append(str(Path(__file__).parent.parent / "report"))
from run_samples import run_spans


def write(path: Path, count: int, **changes: Any) -> str:
    lines = (text for number in range(count) for text in render(run_spans(number, **changes)))
    path.write_text("".join(f"{text}\n" for text in lines), encoding="utf-8")
    return str(path)


@pytest.fixture
def before(tmp_path: Path) -> str:
    return write(tmp_path / "before.jsonl", 1)


@pytest.fixture
def after(tmp_path: Path) -> str:
    return write(tmp_path / "after.jsonl", 1, seed=2, search=1.6, searches=4)


def test_two_files_give_what_changed(before: str, after: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", before, after]) == 0

    out, err = capsys.readouterr()
    assert out.startswith("research task: 1 run in A, 1 in B")
    assert "researcher > search #4" in out
    assert err == ""


def test_a_file_beside_itself_shows_no_difference(before: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", before, before, "--format", "json", "--fail-if", "duration>0%"]) == 0

    data = json.loads(capsys.readouterr().out)
    assert data["is_equal"] is True
    assert data["pairs"][0]["spans"] == data["pairs"][0]["findings"] == []


def test_a_threshold_that_holds_ends_with_1_and_says_which(
    before: str, after: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["duration>10%", "calls:search>0", "calls:search>1", "cost>$10", "critical:tool>100ms"]

    code = main(["diff", before, after, *(word for one in asked for word in ("--fail-if", one))])

    out, err = capsys.readouterr()
    assert code == 1
    assert "research task" in out
    assert [told.split(":  ")[0].split(": ")[1] for told in err.splitlines()] == [
        "--fail-if duration>10%",
        "--fail-if calls:search>0",
        "--fail-if critical:tool>100ms",
    ]
    assert "agentprof: --fail-if calls:search>0: 3 -> 4, +33%" in err


def test_sets_of_runs_say_whether_chance_explains_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write(tmp_path / "a.jsonl", 12)
    second = write(tmp_path / "b.jsonl", 12, seed=2, search=2)

    assert main(["diff", first, second, "--fail-if", "duration > 5 %", "--fail-if", "critical:llm>0%"]) == 1

    out, err = capsys.readouterr()
    assert "12 runs in A, 12 in B" in out
    duration, llm = err.splitlines()
    assert duration.endswith("(beyond the noise)")
    assert llm.endswith("(within the noise)")


def test_an_unknown_cost_fails_a_check_of_the_cost(
    tmp_path: Path, before: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "unpriced.jsonl"
    text = Path(before).read_text(encoding="utf-8")
    path.write_text(text.replace("agentprof.cost.total", "x.y").replace("gpt-4o", "nobodys-model"))

    assert main(["diff", before, str(path), "--fail-if", "cost>1000%"]) == 1

    assert "cost>1000%: cannot be checked, it is unknown in B" in capsys.readouterr().err


@pytest.mark.parametrize("asked", ["duration", "duration>10", "foo>1%", "cost>$", "calls:>1"])
def test_an_expression_that_cannot_be_read_ends_with_2_before_anything_is_read(
    asked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", "nowhere", "nowhere", "--fail-if", asked]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert f"--fail-if '{asked}'" in err
    assert "'duration>10%'" in err


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("data", [None, b"", b"no trace\n"])
def test_a_side_that_cannot_be_read_ends_with_3(
    tmp_path: Path,
    before: str,
    capsys: pytest.CaptureFixture[str],
    data: bytes | None,
    *,
    is_first: bool,
) -> None:
    bad = tmp_path / "bad"
    if data is not None:
        bad.write_bytes(data)

    code = main(["diff", *((str(bad), before) if is_first else (before, str(bad)))])

    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "bad" in err


def test_what_a_reader_leaves_out_is_told_for_its_side(
    tmp_path: Path, before: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text(line(span(1)) + "{broken\n")

    assert main(["diff", before, str(path)]) == 0

    assert f"{path}: 1 line left out" in capsys.readouterr().err


def test_runs_of_another_kind_are_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both, one = tmp_path / "both.jsonl", tmp_path / "one.jsonl"
    both.write_text(line(span(1, name="job"), span(2, trace=OTHER, name="chore")))
    one.write_text(line(span(1, name="job")))

    assert main(["diff", str(both), str(one), "--fail-if", "duration>5%"]) == 1
    out, err = capsys.readouterr()
    assert "chore: 1 run in A, none in B" in out
    assert "duration>5%: cannot be checked, B has no run of chore" in err

    assert main(["diff", str(one), str(both), "--fail-if", "duration>5%"]) == 0
    assert "chore: 1 run in B, none in A" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("x.json", '{\n  "schema": "agentprof.diff/'),
        ("x.perfetto.json", '{\n  "schema": "agentprof.diff/'),  # a format that this verb does not have
        ("x.md", "## research"),
        ("x.txt", "research"),
    ],
)
def test_the_files_ending_chooses_the_format(
    before: str, after: str, tmp_path: Path, name: str, start: str
) -> None:
    assert main(["diff", before, after, "-o", str(tmp_path / name)]) == 0

    assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)


def test_colour_and_letters_are_those_of_the_other_verbs(
    before: str, after: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    main(["diff", before, after, "--ascii", "--width", "60"])
    colorful = capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    main(["diff", before, after, "--ascii", "--width", "60"])
    plain = capsys.readouterr().out

    assert "\x1b[" in colorful
    assert "\x1b[" not in plain
    assert plain.isascii()
    assert max(map(len, plain.splitlines())) <= 60
