from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from markdown_it import MarkdownIt
from report_samples import GOLDEN, GOLDEN_DIRECTORY, report, research_agent, row
from wild_reports import ATTACKS, hidden_characters, wild_reports

from otel_agentprof.report.markdown import render
from otel_agentprof.report.report import DataQuality, Report

TAGS = {
    "h2",
    "h3",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "strong",
    "em",
    "code",
    "pre",
    "p",
    "ol",
    "ul",
    "li",
}


def as_html(made: Report) -> str:
    page: str = MarkdownIt("commonmark").enable("table").render(render(made, width=100, color=False))
    return page


def test_the_summary_looks_as_it_did() -> None:
    expected = (GOLDEN_DIRECTORY / "report.md").read_text(encoding="utf-8")

    assert GOLDEN["report.md"]() == expected


@settings(deadline=None, max_examples=50)
@given(made=wild_reports())
def test_no_name_becomes_markup(made: Report) -> None:
    written = render(made, width=100, color=False)
    page = as_html(made)

    assert {tag.lower() for tag in re.findall(r"<\s*([^\s>/]+)", page)} <= TAGS
    assert not hidden_characters(written)
    for table in re.findall(r"<table>.*?</table>", page, re.DOTALL):
        columns = table.count("</th>")
        assert all(line.count("</td>") == columns for line in table.split("<tr>")[2:])


@pytest.mark.parametrize(
    "word", ["@everyone", "#1", "http://evil.example", "www.evil.example", "evil.com", "a_b"]
)
def test_a_word_that_a_forge_would_act_on_stands_in_a_code_span(word: str) -> None:
    made = replace(report([]), data_quality=(DataQuality("x", f"see {word}, please"),))

    assert f"- see `{word}`, please\n" in render(made, width=100, color=False)


@pytest.mark.parametrize(
    "sentence", ["3 calls (of 4) took 1.5 s, 90% of it.", "Don't: retry!", "a/b = 2 + 3"]
)
def test_a_plain_sentence_stays_plain(sentence: str) -> None:
    made = replace(report([]), data_quality=(DataQuality("x", sentence),))

    assert f"- {sentence}\n" in render(made, width=100, color=False)


@pytest.mark.parametrize("name", [name for name in ATTACKS if "`" in name] + ["```", "`", "a``b"])
def test_a_name_cannot_leave_its_code_span_or_the_drawing(name: str) -> None:
    page = as_html(report([row(0, name, "tool", 0, 10, (0, 10))]))

    assert page.count("<pre>") == 1
    assert "<h3>Waterfall</h3>" in page
    assert page.endswith("off it</p>\n")


def test_pipes_in_a_name_are_kept_in_one_cell() -> None:
    page = as_html(replace(report([]), trace_id="a|b"))

    assert "<td><code>a|b</code></td>" in page


def test_long_lists_say_what_they_leave_out() -> None:
    made = research_agent()

    written = render(replace(made, findings=made.findings[:1] * 25), width=100, color=False)

    assert "\nand 5 more\n" in written
