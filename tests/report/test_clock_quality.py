"""What a report says about clocks that differ, and what it does not make of them."""

from __future__ import annotations

import pytest
from drawing import draw
from flat_prices import flat_price

from otel_agentprof.analysis.trace import measure
from otel_agentprof.report.quality import data_quality

MS = 1_000_000


def told(picture: str, unit: int = MS) -> dict[str, tuple[str, set[str]]]:
    """Return message and spans of each doubt about a picture, by its code."""
    trace = draw(picture, unit=unit)
    names = {span.span_id: span.name for span in trace.spans}
    return {
        doubt.code: (doubt.message, {names[span_id] for span_id in doubt.span_ids})
        for doubt in data_quality(measure(trace, flat_price), (), ())
    }


def test_a_span_that_starts_before_its_parent_is_told_with_how_much() -> None:
    found = told("""
        agent    |--------------|
          call       |-------|
            serve |------|
            later      |-----|
    """)

    message = (
        "1 span started before the parent or the root, by up to 3 ms: clocks of two machines differ, or "
        "times were set by hand. Times around it are uncertain."
    )
    assert found == {"clock_skew": (message, {"serve"})}


def test_what_lies_before_its_parent_was_not_in_the_background() -> None:
    found = told("""
        agent            |--------------|
          call               |-------|
            serve |--|
              query|-|
                log |-|
          logs                      |-------|
    """)

    assert set(found) == {"clock_skew", "background_spans"}
    message, spans = found["clock_skew"]
    assert "by up to 11 ms" in message
    assert message.endswith("Off the critical path for that: 3 spans.")
    assert spans == {"serve"}
    assert found["background_spans"][1] == {"logs"}


def test_a_span_that_is_early_and_outlives_the_root_ran_in_the_background() -> None:
    found = told("""
        agent     |-------|
          call        |---|
            serve  |-------------|
    """)

    assert found["clock_skew"][1] == found["background_spans"][1] == {"serve"}
    assert "Off the critical path" not in found["clock_skew"][0]


def test_an_orphan_before_the_root_is_early_too() -> None:
    found = told("""
        agent         |-------|
          call           |--|
        serve    |--|             parent=ff
    """)

    assert set(found) == {"orphan_spans", "clock_skew"}
    assert found["clock_skew"][1] == {"serve"}


@pytest.mark.parametrize("unit", [MS // 10, MS, 2 * MS])
def test_what_rounding_to_milliseconds_explains_is_not_told(unit: int) -> None:
    picture = """
        agent     |--------------|
          call       |-------|
            serve   |-----|
    """

    assert told(picture, unit) == {}


def test_several_roots_are_not_early() -> None:
    found = told("""
        one           |-------|   parent=none
        two      |--|             parent=none
    """)

    assert set(found) == {"several_roots"}
