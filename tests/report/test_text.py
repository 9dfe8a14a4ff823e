from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wild_reports import hidden_characters

from otel_agentprof.report import sheet, text


@pytest.mark.parametrize(
    ("ns", "words"),
    [
        (0, "0 s"),
        (12, "12 ns"),
        (1_500, "2 µs"),
        (999_499, "999 µs"),
        (999_500, "1.0 ms"),
        (12_300_000, "12 ms"),
        (999_500_000, "1.00 s"),
        (9_994_000_000, "9.99 s"),
        (59_949_000_000, "59.9 s"),
        (59_950_000_000, "1m 00s"),
        (3_599_600_000_000, "1h 00m"),
        (90_000_000_000_000, "1d 01h"),
        (-12_000_000, "-12 ms"),
    ],
)
def test_durations_are_written_in_the_unit_that_people_say(ns: int, words: str) -> None:
    assert text.duration(ns) == words


@given(st.integers(0, 99 * 86_400 * 10**9))
def test_a_duration_fits_its_column(ns: int) -> None:
    assert len(text.duration(ns)) <= 8


@pytest.mark.parametrize(
    ("usd", "words"),
    [
        (None, "unknown"),
        ("NaN", "unknown"),
        ("0", "$0"),
        ("0.00000001", "<$0.000001"),
        ("0.0000412", "$0.000041"),
        ("0.0231", "$0.0231"),
        ("1234.5", "$1,234.50"),
        ("-0.5", "-$0.5000"),
    ],
)
def test_money_shows_the_digits_that_matter(usd: str | None, words: str) -> None:
    assert text.money(None if usd is None else Decimal(usd)) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (999, "999"),
        (1_000, "1.0k"),
        (18_038, "18k"),
        (999_499, "999k"),
        (999_500, "1.0M"),
        (10**16, "10,000T"),
    ],
)
def test_counts_are_short(count: int, words: str) -> None:
    assert text.compact(count) == words


@pytest.mark.parametrize(
    ("metric", "value", "words"),
    [
        ("avg_latency_ms", 3_236.7, "3.24 s"),
        ("wait_ns", 5_000, "5 µs"),
        ("pause_s", 2, "2.00 s"),
        ("cost_usd", 0.05, "$0.0500"),
        ("prompt_ratio", 0.9, "90%"),
        ("call_count", 21, "21"),
        ("score", 1.25, "1.25"),
        ("call_count", float("inf"), "unknown"),
    ],
)
def test_a_metric_is_written_in_the_unit_of_its_name(metric: str, value: float, words: str) -> None:
    assert text.measure(metric, value) == words


@pytest.mark.parametrize(
    ("part", "whole", "words"), [(0, 10, "0%"), (1, 1_000, "<1%"), (2, 3, "67%"), (1, 0, "-")]
)
def test_shares_are_whole_percents(part: int, whole: int, words: str) -> None:
    assert text.percent(part, whole) == words


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\x1b[1mx", "\\x1b[1mx"),
        ("a\nb", "a\\x0ab"),
        ("\u202ex", "\\u202ex"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("検索", "検索"),
        ("", "(no name)"),
        (None, "(no name)"),
        ("  ", "(no name)"),
    ],
)
def test_what_cannot_be_seen_is_spelled_out(name: str | None, shown: str) -> None:
    assert text.name(name) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_clean_text_holds_nothing_hidden_and_stays_clean(wild: str) -> None:
    once = text.clean(wild)

    assert not hidden_characters(once)
    assert "\n" not in once
    assert text.clean(once) == once


def test_a_name_of_a_megabyte_is_cut() -> None:
    assert len(text.name("x" * 1_000_000)) == 200


@pytest.mark.parametrize(
    ("name", "short"),
    [("execute_tool search", "search"), ("invoke_agent a", "a"), ("chat gpt-5", "chat gpt-5")],
)
def test_a_short_name_leaves_out_the_operation(name: str, short: str) -> None:
    assert text.short_name(name) == short


@given(st.text(st.sampled_from("ab 検🚀\u0301")), st.integers(2, 20))
def test_wrapped_lines_fit_and_lose_no_letter(words: str, cells: int) -> None:
    lines = sheet.wrap(words, cells)

    assert all(sheet.width_of(line) <= cells for line in lines)
    assert "".join("".join(lines).split()) == "".join(words.split())


@given(st.text(st.sampled_from("ab検🚀\u0301")), st.integers(0, 20))
def test_cut_text_fits(words: str, cells: int) -> None:
    shown = sheet.cut(words, cells, "…")

    assert sheet.width_of(shown) <= cells
    assert shown == words or sheet.width_of(words) > cells
