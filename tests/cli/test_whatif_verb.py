"""``agentprof whatif``: the table of what changes would bring."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from drawing import draw_spans

from otel_agentprof import read
from otel_agentprof.analysis import what_if
from otel_agentprof.cli import main
from otel_agentprof.report.otlp_lines import render

if TYPE_CHECKING:
    from pathlib import Path

_TRACE = """
    agent       |---------------------------------------|   role=agent
      chat      |--------|                                  role=llm op=chat model=gpt-4o in=1000 out=100
      search              |--------|                        role=tool tool=search gen_ai.tool.call.arguments=a
      search                        |--------|              role=tool tool=search gen_ai.tool.call.arguments=a
      chat                                    |----|        role=llm op=chat model=gpt-4o-mini in=1000 out=100
"""
_UNIT = 100_000_000


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "trace.jsonl"
    path.write_text("".join(render(draw_spans(_TRACE, unit=_UNIT))))
    return str(path)


def _data(source: str, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["whatif", source, "--format", "json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "saved"),
    [
        (("--scale", "tool:search=0.5"), 9),
        (("--scale", "name:search=0.5"), 9),
        (("--scale", "role:llm=0"), 14),
        (("--scale", "model:gpt-4o=0"), 9),
        (("--scale", "span:0000000000000003=0"), 9),
        (("--parallel",), 9),
        (("--dedupe",), 9),
        (("--concurrency", "1"), 0),
    ],
)
def test_each_change_saves_what_it_should(
    source: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], saved: int
) -> None:
    data = _data(source, capsys, *arguments)

    assert [change["saved_ns"] for change in data["changes"]] == [saved * _UNIT]
    assert data["together"]["saved_ns"] == saved * _UNIT


def test_savings_do_not_add_up(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    data = _data(source, capsys, "--parallel", "--dedupe", "--scale", "tool:search=0.5")

    added = sum(change["saved_ns"] for change in data["changes"])
    assert data["together"]["saved_ns"] < added


def test_several_scales_hold_together(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    data = _data(source, capsys, "--scale", "tool:search=0.5", "--scale", "tool:search=0.5")

    assert data["together"]["makespan_ns"] < data["changes"][0]["makespan_ns"]


def test_another_model_is_priced_by_the_table_and_timed_by_this_trace(
    source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = _data(source, capsys, "--model", "gpt-4o=gpt-4o-mini")

    (change,) = data["changes"]
    assert change["is_estimate"]
    assert change["saved_ns"] == 4 * _UNIT
    assert change["saved_usd"] == pytest.approx((1000 * (2.5 - 0.15) + 100 * (10 - 0.6)) / 1e6)


def test_a_model_of_unknown_speed_and_price_changes_neither(
    source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = _data(source, capsys, "--model", "gpt-4o=nobody-knows-me")

    assert (data["changes"][0]["saved_ns"], data["changes"][0]["cost_usd"]) == (0, None)


@pytest.mark.parametrize(
    ("arguments", "change"),
    [
        (("--scale", "tool:search=0.5"), {"by_tool": {"search": 0.5}}),
        (("--parallel",), {"parallel": True}),
        (("--dedupe",), {"dedupe": True}),
        (("--model", "gpt-4o=gpt-4o-mini"), {"replace_models": {"gpt-4o": "gpt-4o-mini"}}),
        (("--model", "gpt-4o=nobody"), {"replace_models": {"gpt-4o": "nobody"}}),
        (("--concurrency", "1"), {"concurrency": 1}),
        (
            ("--parallel", "--dedupe", "--model", "gpt-4o=gpt-4o-mini", "--scale", "model:gpt-4o=0.5"),
            {
                "parallel": True,
                "dedupe": True,
                "replace_models": {"gpt-4o": "gpt-4o-mini"},
                "by_model": {"gpt-4o": 0.5},
            },
        ),
    ],
)
def test_the_command_says_what_python_does(
    source: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], change: dict[str, Any]
) -> None:
    told = _data(source, capsys, *arguments)["together"]

    (tree,) = read(source)
    answer = what_if(tree, **change)
    assert told["makespan_ns"] == answer.makespan_ns
    assert told["saved_ns"] == answer.saved_ns
    assert told["saved_usd"] == (None if answer.saved_usd is None else float(answer.saved_usd))
    assert told["is_estimate"] is answer.is_estimate
    assert [tuple(span.values()) for span in told["top_spans"]] == list(answer.top_spans)
    assert [tuple(step.values()) for step in told["curve"]] == list(answer.curve)


def test_another_model_may_replace_one_of_no_known_price(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "unpriced.jsonl"
    path.write_text(
        "".join(render(draw_spans("chat  |--|  role=llm op=chat model=nobody in=1000 out=100", unit=_UNIT)))
    )

    data = _data(str(path), capsys, "--model", "nobody=gpt-4o")
    assert main(["whatif", str(path), "--model", "nobody=gpt-4o"]) == 0

    (change,) = data["changes"]
    assert (data["cost_usd"], change["cost_usd"], change["saved_usd"]) == (None, 0.0035, None)
    assert "unknown  $0.0035" not in capsys.readouterr().out


def test_each_scale_and_each_model_counts_in_all_together(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere.jsonl"
    call = "chat  |--|  role=llm op=chat model=gpt-4.1-nano in=9 out=100"
    elsewhere.write_text("".join(render(draw_spans(call, unit=_UNIT))))
    models = ("--model", "gpt-4o=gpt-4.1-nano", "--model", "gpt-4o-mini=gpt-4.1-nano")

    data = _data(source, capsys, *models, "--speed-from", str(elsewhere))

    assert [change["saved_ns"] // _UNIT for change in data["changes"]] == [6, 2]
    assert data["together"]["saved_ns"] == 8 * _UNIT
    assert data["together"]["is_estimate"]


UNHEARD = [
    (("--model", "o3=gpt-4o-mini"), "its models are gpt-4o, gpt-4o-mini"),
    (("--scale", "model:o3=0.5"), "its models are gpt-4o, gpt-4o-mini"),
    (("--scale", "tool:fetch=0"), "its tools are search"),
    (("--scale", "name:fetch=0"), "its names are agent, chat, search"),
    (("--scale", "role:retrieval=0"), "its roles are agent, llm, tool"),
    (("--scale", "span:ff=0"), "its spans are 0000000000000001, 0000000000000002, "),
]


@pytest.mark.parametrize("arguments", [arguments for arguments, _ in UNHEARD])
def test_a_name_that_nothing_goes_by_is_told_beside_one_that_something_does(
    source: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    for other in (("--scale", "tool:search=0.5"), ("--parallel",)):
        changes = _data(source, capsys, *arguments, *other)["changes"]

        (change,) = (change for change in changes if not change["saved_ns"])
        assert (change["saved_ns"], change["saved_usd"]) == (0, 0)
        assert change["note"] == "nothing in this trace goes by that name"


@pytest.mark.parametrize(("arguments", "present"), UNHEARD)
def test_changes_of_nothing_that_is_there_are_a_usage_error(
    source: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], present: str
) -> None:
    assert main(["whatif", source, *arguments]) == 2

    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "nothing in this trace to change (" in err
    assert present in err


def test_several_changes_of_nothing_are_told_in_one_line_with_a_few_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"          step{n}     |-|    role=step\n" for n in range(9))
    path = tmp_path / "steps.jsonl"
    path.write_text("".join(render(draw_spans(f"        agent       |---|    role=step\n{rows}"))))

    assert main(["whatif", str(path), "--scale", "name:x=0", "--scale", "tool:y=0", "--model", "a=b"]) == 2

    (told,) = capsys.readouterr().err.splitlines()
    assert told.endswith(
        "(name x x 0, tool y x 0, model a -> b): its names are agent, step0, step1, step2, step3, step4, "
        "step5, step6 and 2 more; it has no tool; it has no model"
    )


def test_a_role_that_does_not_exist_is_a_usage_error_that_lists_the_roles(
    source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["whatif", source, "--scale", "role:zap=0.5", "--parallel"]) == 2

    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "no role zap; the roles are llm, tool, agent, retrieval, embedding, step, other" in err


def test_a_model_may_be_named_without_its_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dated = tmp_path / "dated.jsonl"
    trace = _TRACE.replace("model=gpt-4o ", "model=gpt-4o-2024-08-06 ")
    dated.write_text("".join(render(draw_spans(trace, unit=_UNIT))))

    scaled, replaced = _data(
        str(dated), capsys, "--scale", "model:gpt-4o=0", "--model", "gpt-4o=gpt-4o-mini"
    )["changes"]

    assert scaled["saved_ns"] == 9 * _UNIT
    assert replaced["saved_ns"] == 4 * _UNIT
    assert replaced["saved_usd"] == pytest.approx((1000 * (2.5 - 0.15) + 100 * (10 - 0.6)) / 1e6)


def test_the_speed_of_a_model_may_come_from_another_trace(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--model", "gpt-4o=gpt-4.1-nano")
    faster = tmp_path / "faster.jsonl"
    call = "chat  |--|  role=llm op=chat model=gpt-4.1-nano in=9 out=100"
    faster.write_text("".join(render(draw_spans(call, unit=_UNIT))))

    (alone,) = _data(source, capsys, *asked)["changes"]
    (timed,) = _data(source, capsys, *asked, "--speed-from", str(faster))["changes"]

    assert (alone["saved_ns"], timed["saved_ns"]) == (0, 6 * _UNIT)
    assert timed["note"].endswith("333 instead of 111 output tokens/s, as in the trace given, same tokens")
    assert timed["saved_usd"] == alone["saved_usd"]


def test_the_table_shows_before_and_after(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["whatif", source, "--scale", "tool:search=0.5", "--dedupe"]) == 0

    out, err = capsys.readouterr()
    assert err == ""
    rows = {row.split("  ")[0] for row in out.splitlines()}
    assert {"as it is", "tool search x 0.5", "make each call once", "all together"} <= rows
    assert "75% faster: 2.42 s, 100% faster: 2.20 s" in " ".join(out.split())


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--scale", "search=0.5"),
        ("--scale", "tool:search=fast"),
        ("--scale", "tool:search=-1"),
        ("--scale", "tool:search=nan"),
        ("--model", "gpt-4o"),
        ("--concurrency", "0"),
        ("--dedupe", "--trace", "abc"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(
    source: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert main(["whatif", source, *arguments]) == 2

    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)


def test_one_of_several_traces_has_to_be_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "two.jsonl"
    spans = draw_spans("""
        one |--|
        two |---| trace=2 parent=none
    """)
    path.write_text("".join(render(spans)))

    assert main(["whatif", str(path), "--parallel"]) == 2
    assert main(["whatif", str(path), "--dedupe", "--trace", "0" * 31 + "2"]) == 0
    assert "nothing is known to be repeated" in capsys.readouterr().out
