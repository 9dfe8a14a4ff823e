from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from report_samples import GOLDEN, GOLDEN_DIRECTORY, research_agent
from wild_reports import hidden_characters, wild_reports

from otel_agentprof.report import json_text
from otel_agentprof.report.formats import FORMATS

if TYPE_CHECKING:
    from otel_agentprof.report.report import Report


@pytest.mark.parametrize(
    ("name", "opening"),
    [
        ("text", "invoke_agent research"),
        ("json", '{\n  "schema": "agentprof.report/1"'),
        ("markdown", "## `invoke_agent research`"),
        ("html", "<!DOCTYPE html>"),
        ("folded", "invoke_agent research 100000\n"),
        ("perfetto", '{"displayTimeUnit":"ms",'),
        ("speedscope", '{"$schema":"https://www.speedscope.app/file-format-schema.json",'),
    ],
)
def test_every_format_is_written_by_its_name(name: str, opening: str) -> None:
    written = FORMATS[name](research_agent(), width=80, color=False)

    assert written.startswith(opening)
    assert written.endswith("\n")


def test_there_are_seven_formats() -> None:
    assert list(FORMATS) == ["text", "json", "markdown", "html", "folded", "perfetto", "speedscope"]


def test_naming_the_formats_loads_none_of_them() -> None:
    program = (
        "import sys, otel_agentprof.report.formats\n"
        "ours = [m for m in sys.modules if m.startswith('otel_agentprof.report.')]\n"
        "print('rich' in sys.modules, [m for m in ours if m.endswith(('.terminal', '.html', '.markdown'))])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "False []\n"


def test_the_json_report_looks_as_it_did() -> None:
    expected = (GOLDEN_DIRECTORY / "report.json").read_text(encoding="utf-8")

    assert GOLDEN["report.json"]() == expected


def test_several_reports_are_one_json_list() -> None:
    made = research_agent()

    listed = json.loads(json_text.render_many([made, made]))

    assert listed == [json.loads(json_text.render(made, width=80, color=False))] * 2


@settings(deadline=None, max_examples=50)
@given(made=wild_reports())
def test_json_holds_every_name_and_no_hidden_character(made: Report) -> None:
    written = json_text.render(made, width=80, color=False)

    assert not hidden_characters(written)
    assert json.loads(written) == json.loads(json.dumps(made.to_dict()))
    assert written.encode("utf-8")
