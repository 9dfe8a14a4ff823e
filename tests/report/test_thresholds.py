from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from run_samples import priced, run_reports

from otel_agentprof.errors import AgentProfError
from otel_agentprof.report.comparison import Figure, compare
from otel_agentprof.report.thresholds import broken, threshold

if TYPE_CHECKING:
    from otel_agentprof.report.report import Report


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("cost>5%", "$0.5000 -> $0.6000, +20%"),
        ("cost > $0.01", "$0.5000 -> $0.6000, +20%"),
        ("cost>0.1", None),
        ("cost>=0.1", "$0.5000 -> $0.6000, +20%"),
        ("cost:m>10%", "$0.5000 -> $0.6000, +20%"),
        ("tokens>0", "15 -> 25, +67%"),
        ("tokens:input>9", "10 -> 20, +100%"),
        ("tokens:output>0", None),
        ("duration>0%", None),
        ("duration>=0ms", "100 ms -> 100 ms, no change"),
        ("duration>-1ms", "100 ms -> 100 ms, no change"),
        ("critical:llm>10%", None),
        ("critical:retrieval>0", None),
        ("calls:tool>=0%", "0 -> 0, no change"),
        ("calls>1", None),
        ("calls:nowhere>1", "cannot be checked, neither side has calls:nowhere"),
        ("critical:nowhere>1s", "cannot be checked, neither side has critical:nowhere"),
    ],
)
def test_a_threshold_is_about_the_growth_of_b_over_a(asked: str, told: str | None) -> None:
    found = compare([priced("0.5")], [priced("0.6", tokens=20)])

    sentences = list(broken([threshold(asked)], found))

    assert sentences == ([] if told is None else [f"{asked}: {told}"])


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (priced(None), priced("1"), "cannot be checked, it is unknown in A"),
        (priced("1"), priced(None), "cannot be checked, it is unknown in B"),
        (priced(None), priced(None), "cannot be checked, it is unknown in A and B"),
    ],
)
def test_an_unknown_cost_never_passes_a_check(before: Report, after: Report, told: str) -> None:
    found = compare([before], [after])

    assert list(broken([threshold("cost>50%")], found)) == [f"cost>50%: {told}"]


@pytest.mark.parametrize(("after", "is_broken"), [(0, False), (3, True)])
def test_a_growth_from_nothing_is_more_than_any_percentage(after: int, *, is_broken: bool) -> None:
    found = threshold("errors>1000%").is_broken_by(Figure(Decimal(0), Decimal(after)))

    assert found is is_broken


def test_with_several_kinds_of_runs_the_broken_one_is_named() -> None:
    other = [replace(one, root_name="other") for one in run_reports(2)]
    slow = [replace(one, duration_ns=one.duration_ns * 2) for one in other]

    found = compare([*run_reports(1), *other], [*run_reports(1), *slow])

    (sentence,) = broken([threshold("duration>50%")], found)
    assert sentence.endswith("+100% in other")


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "duration",
        "speed>1",
        "duration<10%",
        "duration>10",
        "duration>$1",
        "duration>10%%",
        "duration>ten%",
        "cost>5ms",
        "cost>$5%",
        "tokens>1s",
        "tokens>$3",
        "tokens:cached>1",
        "critical>3s",
        "duration>1e999",
        "duration>nan",
        "duration>\x1b[31m",
    ],
)
def test_a_threshold_that_cannot_be_read_says_what_is_expected(asked: str) -> None:
    with pytest.raises(AgentProfError, match=r"expected FIGURE>LIMIT such as 'duration>10%'"):
        threshold(asked)


def test_a_name_in_a_threshold_may_hold_any_sign() -> None:
    assert threshold("calls:a > b>2").name == "calls:a > b"
    assert threshold("critical:chat gpt-4o >= 1.5 s").limit == 1_500_000_000
