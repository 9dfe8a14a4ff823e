"""A short load on the real thing: what is deterministic about it. The long one is ``backends/load.py``."""

from __future__ import annotations

import sys

import pytest
from backends.load import SCENARIOS, measure, table
from backends.running import program

_SECONDS, _TRACES_PER_S, _SPANS = 10, 20, 50


@pytest.mark.slow
def test_nothing_is_lost_under_load_and_what_is_lost_in_an_outage_is_counted() -> None:
    jaeger = program("jaeger", "AGENTPROF_JAEGER_BIN")

    bare, owning, killed = (
        measure(jaeger, scenario, _SECONDS, _TRACES_PER_S, _SPANS) for scenario in SCENARIOS
    )

    sys.stdout.write(table([bare, owning, killed]))
    assert owning.made == owning.seen == owning.forwarded == owning.sent
    assert owning.reports * _SPANS == owning.made
    assert (owning.lost, owning.dropped) == ({}, {})
    assert owning.whole == len(owning.sample)
    assert killed.made == killed.seen == killed.forwarded == killed.sent + sum(killed.lost.values())
    assert killed.whole_again == len(killed.again)


def test_load_has_bounds() -> None:
    with pytest.raises(ValueError, match="at most"):
        measure("jaeger", "owning", 60, 10_000, 50)
