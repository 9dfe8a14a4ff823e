"""A run without the waits before some spans."""

from __future__ import annotations

from drawing import draw

from otel_agentprof.analysis.forward import forward
from otel_agentprof.analysis.rerun import Change, rerun

_UNIT = 100_000_000


def test_a_wait_of_nothing_starts_a_span_when_the_one_before_it_ends() -> None:
    model = forward(
        draw("""
            agent    |-----------------|
              first    |---|
              then            |---|
        """)
    )

    run = rerun(model, Change(waits={2: 0.0}))

    assert (run.starts[2], run.ends[2], run.ends[0]) == (6, 10, 15)


def test_a_span_that_the_path_may_reach_in_two_ways_waits_in_neither() -> None:
    tree = draw(
        """
        root       |-----------------------------|
          first           |----------------|
            then                      |-----|
              last                      |----|
        """,
        unit=_UNIT,
    )
    model = forward(tree)

    run = rerun(model, Change(waits={2: 0.0}))

    assert model.second_reads.keys() == {2}
    assert run.starts[2] == run.starts[1]
