"""Who waited for a span, and when."""

from __future__ import annotations

from drawing import draw

from otel_agentprof.analysis import Windows, windows
from otel_agentprof.model import Span, SpanTree

MS2 = 2_000_000  # twice the tolerance: one column out is out


def test_nested_spans_are_their_own_windows() -> None:
    trace = draw("""
        agent    |-------|
          chat     |---|
    """)

    assert windows(trace) == Windows(trace.starts, trace.ends, trace.parents, creators=trace.parents)
    assert windows(trace, "compat") == windows(trace)


def test_a_hoisted_span_has_its_waiter_as_effective_parent() -> None:
    trace = draw(
        """
        agent      |--------------|
          step       |---|
            task       |------|
              inner      |-|
        """,
        unit=MS2,
    )

    view = windows(trace)

    assert view.parents == [-1, 0, 0, 2]
    assert trace.names_of(view.hoisted) == {"task"}
    assert view.ends == list(trace.ends)


def test_background_spans_keep_their_times_and_take_all_below_along() -> None:
    trace = draw(
        """
        agent      |----|
          log        |---------|
            send       |-|
        """,
        unit=MS2,
    )

    view = windows(trace)

    assert trace.names_of(view.background) == {"log", "send"}
    assert view.ends == list(trace.ends)


def test_a_span_that_outlives_a_failed_parent_is_abandoned_and_clipped() -> None:
    trace = draw(
        """
        agent      |-------|
          call       |---|          status=ERROR
            chat       |---------|
              http       |-------|
              quick    ||
        """,
        unit=MS2,
    )

    view = windows(trace)

    assert trace.names_of(view.abandoned) == {"chat"}
    assert view.ends[trace.index_of("chat")] == trace.ends[trace.index_of("call")]
    assert trace.names_of(view.background) == {
        "http"
    }  # nobody above an abandoned span waits for what is below


def test_what_is_detached_from_the_root_is_background() -> None:
    trace = draw("""
        agent      |---|
        orphan           |---|   parent=ff
          below           |-|
    """)

    assert trace.names_of(windows(trace).background) == {"orphan", "below"}
    assert trace.names_of(windows(trace, "compat").dropped) == {"orphan", "below"}


def test_a_consumer_below_a_producer_is_background() -> None:
    trace = draw("""
        send       |-------|    kind=PRODUCER
          handle     |---|      kind=CONSUMER
            work      |-|
          other      |---|      kind=CONSUMER name=inside
    """)

    assert trace.names_of(windows(trace).background) == {"handle", "work", "inside"}


def test_compat_clips_and_drops_and_hoists_nothing() -> None:
    trace = draw(
        """
        agent      |-------|
          step       |--|
            long       |------------|
            gone           |-|
              below        |-|
            before |-|
        """,
        unit=MS2,
    )

    view = windows(trace, "compat")

    assert view.ends[trace.index_of("long")] == trace.ends[trace.index_of("step")]
    assert trace.names_of(view.dropped) == {"gone", "below", "before"}
    assert view.hoisted == view.background == view.abandoned == frozenset()


def test_a_span_is_hoisted_over_thousands_of_others_to_the_one_that_waited() -> None:
    count = 5_000
    deep = [
        Span("1" * 32, f"{i:x}", f"{i - 1:x}" if i else None, "d", i, (count - i + 1) * MS2)
        for i in range(count)
    ]
    last = f"{count - 1:x}"
    late = [Span("1" * 32, f"late{n}", last, "late", count, n * MS2) for n in range(3, count, 7)]

    view = windows(SpanTree.from_spans([*deep, *late]))

    waiters = view.parents[count:]
    assert waiters == [count + 1 - n for n in range(3, count, 7)]
