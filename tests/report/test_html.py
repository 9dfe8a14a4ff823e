from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from report_samples import GOLDEN, GOLDEN_DIRECTORY, busy_agent, deep, report, research_agent, row, wide
from report_samples import with_linked_findings as linked
from wild_reports import hidden_characters, wild_reports

from otel_agentprof.model.tokens import TokenUsage
from otel_agentprof.report.html import render
from otel_agentprof.report.report import DataQuality, Report

TAGS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "header",
    "p",
    "b",
    "h1",
    "h2",
    "h3",
    "dl",
    "div",
    "dt",
    "dd",
    "i",
    "ul",
    "ol",
    "li",
    "span",
    "em",
    "details",
    "summary",
    "a",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
}
ATTRIBUTES = {
    "lang",
    "charset",
    "http-equiv",
    "content",
    "name",
    "class",
    "style",
    "title",
    "id",
    "href",
    "open",
}
VOID = {"meta"}


class Page(HTMLParser):
    """What a browser would find: elements that are all closed, attributes, text."""

    def __init__(self, written: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.open_tags: list[str] = []
        self.deepest = 0
        self.feed(written)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open_tags.append(tag)
            self.deepest = max(self.deepest, len(self.open_tags))

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def values(self, name: str) -> list[str]:
        return [value or "" for key, value in self.attributes if key == name]


def page(made: Report) -> Page:
    return Page(render(made, width=80, color=False))


def test_the_page_looks_as_it_did() -> None:
    expected = (GOLDEN_DIRECTORY / "report.html").read_text(encoding="utf-8")

    assert GOLDEN["report.html"]() == expected


@settings(deadline=None, max_examples=50)
@given(made=wild_reports())
def test_no_name_becomes_an_element_an_attribute_or_an_address(made: Report) -> None:
    written = render(made, width=80, color=False)
    found = Page(written)

    assert set(found.tags) <= TAGS
    assert {name for name, _ in found.attributes} <= ATTRIBUTES
    assert all(re.fullmatch(r"#r\d+", address) for address in found.values("href"))
    assert all(re.fullmatch(r"[\w\s.:;%,-]*", style) for style in found.values("style"))
    assert found.open_tags == []
    assert not hidden_characters(written)


def test_the_page_forbids_itself_everything_but_its_own_style() -> None:
    found = page(research_agent())

    assert "default-src 'none'; style-src 'unsafe-inline'" in found.values("content")
    assert "url(" not in "".join(found.words)
    assert "@import" not in "".join(found.words)


def test_a_finding_leads_to_its_spans() -> None:
    found = page(linked(busy_agent()))

    assert found.values("href")
    assert {address.removeprefix("#") for address in found.values("href")} <= set(found.values("id"))


def test_a_run_opens_to_its_spans_up_to_a_hundred() -> None:
    calls = [row(1, "search", "tool", at, at + 1, (at, at + 1), marks=("error",)) for at in range(150)]
    made = report([row(0, "agent", "agent", 0, 150), *calls])

    words = page(made).words

    assert words.count("search") == 101
    assert "… 50 more" in words


def test_many_short_stretches_do_not_seem_to_fill_the_time() -> None:
    calls = [row(1, "search", "tool", 100 * at, 100 * at + 1, (100 * at, 100 * at + 1)) for at in range(50)]
    made = report([row(0, "agent", "agent", 0, 10_000), *calls])

    shades = re.findall(r"opacity:([\d.]+)", " ".join(page(made).values("style")))

    # One ms in a shade of 50 ms is as pale as shades get; the bar itself is paler than the path on it.
    assert set(shades) == {"0.20", "0.06"}


def test_a_row_that_is_folded_away_passes_its_path_on() -> None:
    made = report([row(0, "agent", "agent", 0, 100), row(1, "work", "tool", 20, 80, (20, 80))])

    written = render(made, width=80, color=False)

    assert '<i class="path below" style="left:20.00%;width:60.00%"></i>' in written


def test_unknown_prices_are_called_unknown() -> None:
    calls = [row(1, "chat mine", "llm", at, at + 1, usage=TokenUsage(5, 5)) for at in range(8)]
    priced = row(1, "chat mine", "llm", 8, 9, usage=TokenUsage(5, 5), cost="0.5")
    made = replace(report([row(0, "agent", "agent", 0, 10), *calls, priced]), unpriced_models=("mine",))

    words = page(made).words

    assert "$0.5000 + unknown" in words
    assert "$0.5000+?" in words
    assert "no price for mine" in words
    assert words.count("unknown") == 9


def test_a_report_of_nothing_is_a_page_all_the_same() -> None:
    found = page(replace(report([]), by_role={}))

    assert "(several roots)" in found.words
    assert "Waterfall" not in found.words


def test_long_lists_say_what_they_leave_out() -> None:
    made = research_agent()
    many = replace(
        made,
        findings=made.findings[:1] * 60,
        data_quality=(DataQuality("x", "note"),) * 70,
        usage_by_model={f"m{at}": TokenUsage(1, 1) for at in range(53)},
    )

    words = page(many).words

    assert {"and 10 more", "and 20 more", "and 3 more"} <= set(words)


@pytest.mark.parametrize("made", [wide(10_000), deep(10_000)], ids=["wide", "deep"])
def test_ten_thousand_spans_stay_a_page_that_a_browser_can_show(made: Report) -> None:
    written = render(made, width=80, color=False)

    assert len(written) < 2_000_000


def test_elements_do_not_nest_deeper_than_browsers_allow() -> None:
    rows = [row(depth, f"s{depth}", "step", 0, 300, (depth, depth + 1)) for depth in range(300)]
    rows = [r._replace(marks=("error",)) for r in rows]

    assert page(report(rows)).deepest < 60
