"""The cycle collector, held still and put back."""

from __future__ import annotations

import gc

from otel_agentprof.model.collector import paused_collector


def test_a_pause_inside_a_pause_leaves_the_collector_to_the_outer_one() -> None:
    with paused_collector():
        with paused_collector():
            pass
        between = gc.isenabled()

    assert (between, gc.isenabled()) == (False, True)
