from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from drawing import draw_spans
from otlp_text import OTHER, TRACE, line, span
from programs import AGENTPROF, agentprof, environment

from otel_agentprof.cli import main
from otel_agentprof.report.otlp_lines import render

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def one(tmp_path: Path) -> str:
    path = tmp_path / "one.jsonl"
    path.write_text(line(span(1), span(2, parent=1)))
    return str(path)


@pytest.fixture
def two(tmp_path: Path) -> str:
    path = tmp_path / "two.jsonl"
    path.write_text(line(span(1), span(2, parent=1)) + line(span(3, trace=OTHER)))
    return str(path)


def test_one_trace_gives_its_report(one: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", one]) == 0

    out, err = capsys.readouterr()
    assert out.startswith("span 1 ")
    assert err == ""


def test_several_traces_give_their_aggregate_and_a_table_that_says_how_to_go_on(
    two: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", two]) == 0

    out = capsys.readouterr().out
    assert "2 traces of span #" in out
    assert "p95" in out
    assert TRACE[:8] in out
    assert OTHER[:8] in out
    assert "--trace ID" in out


def test_a_trace_may_be_spread_over_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    here.write_text(line(span(1), span(2, parent=1)))
    there.write_text("{torn\n" + line(span(3, parent=2)))

    assert main(["report", str(here), str(there), "--format", "json"]) == 0

    out, err = capsys.readouterr()
    report = json.loads(out)
    assert report["span_count"] == 3
    assert [note["code"] for note in report["data_quality"]] == ["bad_line"]
    assert f"{str(there)!r}: 1 line left out" in err
    assert str(here) not in err


def test_a_call_that_two_traces_count_is_told_in_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = "role=llm model=gpt-4o in=100 out=9"
    spans = draw_spans(f"""
        agent     |---------|    role=agent scope=framework
          model     |-----|      scope=framework {call}
        chat         |---|       trace=2 scope=client {call}
        other     |---------|    trace=3 scope=client role=agent
    """)
    path = tmp_path / "run.jsonl"
    path.write_text("".join(render(spans)))

    assert main(["report", str(path), "--format", "json"]) == 0
    agent, chat, other = json.loads(capsys.readouterr().out)
    assert main(["report", str(path), "--trace", chat["trace_id"], "--format", "json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert main(["report", str(path)]) == 0
    many = " ".join(capsys.readouterr().out.split())

    assert [note["code"] for note in agent["data_quality"]] == ["counted_in_two_traces"]
    assert chat["data_quality"] == agent["data_quality"]
    assert alone == chat
    assert other["data_quality"] == []
    assert "in 2 of 3 runs, such as: 1 call is probably counted in two traces: chat (client" in many
    assert agent["tokens"]["input"] == chat["tokens"]["input"] == 100


@pytest.mark.parametrize(("asked", "root"), [("cd", "span 3"), (TRACE.upper(), "span 1")])
def test_trace_picks_one_by_its_first_digits(
    two: str, capsys: pytest.CaptureFixture[str], asked: str, root: str
) -> None:
    assert main(["report", two, "--trace", asked, "--format", "json"]) == 0

    assert json.loads(capsys.readouterr().out)["root"]["name"] == root


def test_trace_takes_a_jaeger_id_without_its_leading_zeros(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "short.jsonl"
    path.write_text(line(span(1, trace="00" * 14 + "beef"), span(2, trace=OTHER)))

    assert main(["report", str(path), "--trace", "beef"]) == 0

    assert capsys.readouterr().out.startswith("span 1 ")


@pytest.mark.parametrize("form", ["text", "markdown"])
@pytest.mark.parametrize(
    "trace_ids",
    [
        pytest.param([f"6753a5f0{n:024x}" for n in range(3)], id="X-Ray: of one second"),
        pytest.param([f"{'0' * 16}{n}d3f{'1' * 12}" for n in range(3)], id="64 bits"),
        pytest.param([f"{n:032x}" for n in range(1, 4)], id="counted"),
    ],
)
def test_a_trace_can_be_chosen_by_what_is_shown_of_it(
    trace_ids: list[str], form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text(line(*(span(n, trace=trace_id) for n, trace_id in enumerate(trace_ids, start=1))))
    main(["report", str(path), "--format", form])
    shown = re.findall(r"([0-9a-f]{8,}) +span \d", capsys.readouterr().out)

    for asked, trace_id in zip(shown, trace_ids, strict=True):
        assert main(["report", str(path), "--trace", asked, "--format", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["trace_id"] == trace_id


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("", "fits 2 traces, give more digits: abababab, cdcdcdcd"),
        ("9", "there is no trace '9'; there are abab"),
    ],
)
def test_a_trace_that_is_not_one_is_told(
    two: str, capsys: pytest.CaptureFixture[str], asked: str, told: str
) -> None:
    assert main(["report", two, "--trace", asked]) == 2

    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1


def test_of_many_traces_only_some_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text(line(*(span(1, trace=f"{'a' * 30}{n:02x}") for n in range(9))))

    assert main(["report", str(path), "--trace", "b"]) == 2

    assert f"{'a' * 30}04 and 4 more" in capsys.readouterr().err


def test_json_of_one_trace_is_an_object_and_of_several_a_list(
    one: str, two: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["report", one, "--format", "json"])
    single: dict[str, Any] = json.loads(capsys.readouterr().out)
    main(["report", two, "--format", "json"])
    several: list[dict[str, Any]] = json.loads(capsys.readouterr().out)

    assert single == several[0]
    assert [report["trace_id"] for report in several] == [TRACE, OTHER]


def test_folded_of_several_traces_is_the_sum_of_their_critical_paths(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "same.jsonl"
    path.write_text(
        line(span(1), span(2, parent=1)) + line(span(1, trace=OTHER), span(2, parent=1, trace=OTHER))
    )
    main(["report", str(path), "--format", "folded", "--trace", "ab"])
    single = capsys.readouterr().out

    assert main(["report", str(path), "--format", "folded"]) == 0

    weights = {
        text: dict(one.rsplit(" ", 1) for one in text.splitlines())
        for text in (single, capsys.readouterr().out)
    }
    first, both = weights.values()
    assert {stack: 2 * int(weight) for stack, weight in first.items()} == {
        stack: int(weight) for stack, weight in both.items()
    }


def test_markdown_of_several_traces_is_their_aggregate(two: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", two, "--format", "markdown"]) == 0
    assert capsys.readouterr().out.startswith("## 2 traces of span `#`\n")


def test_aggregate_gives_one_object_even_of_one_trace(
    one: str, two: str, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = []
    for source in (one, two):
        assert main(["report", source, "--aggregate", "--format", "json"]) == 0
        data = json.loads(capsys.readouterr().out)
        counts.append((data["schema"], data["runs"]))

    assert main(["report", one, "--aggregate"]) == 0
    assert capsys.readouterr().out.startswith("1 trace of span # ")
    assert counts == [("agentprof.aggregate/1", 1), ("agentprof.aggregate/1", 2)]


def test_a_page_shows_no_aggregate(one: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", one, "--aggregate", "--format", "html"]) == 2
    assert "one page shows one trace" in capsys.readouterr().err


def test_the_aggregate_does_not_depend_on_the_order_of_the_traces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line(span(1, trace=f"{n:032x}"), span(n + 2, parent=1, trace=f"{n:032x}")) for n in range(1, 20)]
    forward, backward = tmp_path / "forward.jsonl", tmp_path / "backward.jsonl"
    forward.write_text("".join(lines))
    backward.write_text("".join(reversed(lines)))

    written = []
    for path in (forward, backward):
        assert main(["report", str(path)]) == 0
        written.append(capsys.readouterr().out)

    assert written[0] == written[1]


def test_one_page_is_for_one_trace(two: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", two, "--format", "html"]) == 2
    assert "choose one with --trace ID: abababab, cdcdcdcd" in capsys.readouterr().err


def test_several_traces_are_several_processes_or_profiles(
    two: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", two, "--format", "perfetto"]) == 0
    events = json.loads(capsys.readouterr().out)["traceEvents"]
    assert main(["report", two, "--format", "speedscope"]) == 0
    profiles = json.loads(capsys.readouterr().out)["profiles"]

    assert [event["args"]["name"] for event in events if event["name"] == "process_name"] == [
        f"span 1 (trace {TRACE})",
        f"span 3 (trace {OTHER})",
    ]
    assert [profile["name"] for profile in profiles] == [
        f"span 1 {TRACE[:8]}: critical path",
        f"span 3 {OTHER[:8]}: critical path",
    ]


@pytest.mark.parametrize("form", ["perfetto", "speedscope", "folded"])
def test_one_of_several_traces_is_drawn_alone(
    two: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", two, "--format", form, "--trace", "ab"]) == 0

    out = capsys.readouterr().out
    assert "span 1" in out
    assert "span 3" not in out


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html", "folded", "perfetto", "speedscope"])
def test_no_format_tells_what_was_said(tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = [
        {"key": key, "value": {"stringValue": "CANARY"}}
        for key in (
            "gen_ai.input.messages",
            "gen_ai.output.messages",
            "gen_ai.system_instructions",
            "gen_ai.tool.call.arguments",
            "gen_ai.tool.call.result",
            "input.value",
            "output.value",
            "llm.input_messages.0.message.content",
            "gen_ai.prompt.0.content",
            "traceloop.entity.input",
            "exception.message",
        )
    ]
    call = [{"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}, *said]
    events = [{"timeUnixNano": "1", "name": "gen_ai.client.inference", "attributes": said}]
    status = {"code": 2, "message": "CANARY"}
    path = tmp_path / "said.jsonl"
    path.write_text(line(span(1), span(2, parent=1, attributes=call, events=events, status=status)))

    assert main(["report", str(path), "--format", form]) == 0

    out = capsys.readouterr().out
    assert "span 2" in out
    assert "CANARY" not in out


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("x.html", "<!doctype html>"),
        ("x.json", "{"),
        ("x.md", "#"),
        ("x.folded", "span 1"),
        ("x.perfetto.json", '{"displaytimeunit":'),
        ("x.Speedscope.JSON", '{"$schema":'),
        ("x.txt", "span 1 "),
    ],
)
def test_the_files_ending_chooses_the_format(one: str, tmp_path: Path, name: str, start: str) -> None:
    assert main(["report", one, "-o", str(tmp_path / name)]) == 0

    assert (tmp_path / name).read_text().lower().startswith(start)


def test_a_file_that_cannot_be_written_is_told(one: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", one, "-o", "/nowhere/x"]) == 2
    assert capsys.readouterr().err == "agentprof: cannot write '/nowhere/x': no such file or directory\n"


def test_the_width_is_that_of_the_argument_else_of_columns_else_100(
    one: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def widest(*arguments: str) -> int:
        main(["report", one, *arguments])
        return max(map(len, capsys.readouterr().out.splitlines()))

    monkeypatch.delenv("COLUMNS", raising=False)
    assert widest() == 100
    monkeypatch.setenv("COLUMNS", "60")
    assert widest() == 60
    assert widest("--width", "80") == 80


def test_colour_is_for_terminals_and_who_forces_it(
    one: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_colorful() -> bool:
        main(["report", one])
        return "\x1b[" in capsys.readouterr().out

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert not is_colorful()
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert is_colorful()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not is_colorful()


def test_a_terminal_gets_colour_and_its_own_width(one: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for variable in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM"):
        monkeypatch.delenv(variable, raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)

    assert main(["report", one]) == 0

    assert "\x1b[" in terminal.getvalue()


def test_a_stream_that_cannot_draw_gets_ascii(one: str) -> None:
    plain = agentprof("report", one, PYTHONIOENCODING="ascii")
    page = agentprof("report", one, "--format", "json", PYTHONIOENCODING="ascii")
    asked = agentprof("report", one, "--ascii")

    assert plain.stdout.isascii()
    assert plain.stdout == asked.stdout
    assert json.loads(page.stdout)["span_count"] == 2


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    path.write_text(line(*(span(n, trace=f"{n:032x}") for n in range(1, 3000))))
    with subprocess.Popen(
        [*AGENTPROF, "report", str(path)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as ours:
        assert ours.stdout is not None
        assert ours.stderr is not None
        ours.stdout.readline()
        ours.stdout.close()
        told = ours.stderr.read()

    assert (ours.wait(30), told) == (0, "")


def test_a_pipe_that_is_closed_is_no_error(one: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)

        assert main(["report", one]) == 0


def test_prices_of_your_own_count_and_broken_ones_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "call.jsonl"
    attributes = [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
        {"key": "gen_ai.request.model", "value": {"stringValue": "house"}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "1000000"}},
        {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "1"}},
    ]
    path.write_text(line(span(1, attributes=attributes)))
    prices = tmp_path / "prices.json"
    monkeypatch.setenv("OTEL_AGENTPROF_PRICES", str(prices))

    prices.write_text(json.dumps({"house": {"input": 3, "output": 0}}))
    assert main(["report", str(path), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["cost"]["total_usd"] == 3.0

    prices.write_text("{")
    assert main(["report", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
