from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from drawing import draw
from flat_prices import flat_price

from otel_agentprof.analysis import Row, measure, outline, waterfall
from otel_agentprof.model import Span, SpanTree, TokenUsage

if TYPE_CHECKING:
    from otel_agentprof.analysis import Mark

MS = 1_000_000


def rows(tree: SpanTree) -> tuple[Row, ...]:
    return waterfall(outline(measure(tree, flat_price)))


def marks(tree: SpanTree) -> dict[str, tuple[Mark, ...]]:
    return {row.name: row.marks for row in rows(tree)}


def test_rows_come_depth_first_by_start() -> None:
    tree = draw("""
        agent       |------------------|
          late               |-----|
            inner             |--|
          early      |----|
            deeper    |-|
    """)

    found = [(row.depth, row.name) for row in rows(tree)]

    assert found == [(0, "agent"), (1, "early"), (2, "deeper"), (1, "late"), (2, "inner")]


def test_a_row_knows_its_tokens_its_cost_and_its_part_of_the_path() -> None:
    tree = draw("""
        agent   |---------|   role=agent
          chat    |----|      role=llm model=m in=1000 out=500
    """)

    agent, chat = rows(tree)

    assert agent.on_path == ((0, 2), (7, 10))
    assert chat == Row(
        span_id=f"{2:016x}",
        name="chat",
        role="llm",
        depth=1,
        start_ns=2,
        end_ns=7,
        on_path=((2, 7),),
        usage=TokenUsage(input=1000, output=500),
        cost_usd=Decimal("1.5"),
        operation="chat",
        model="m",
    )


def test_tokens_on_a_span_that_shows_a_call_once_more_belong_to_no_operation() -> None:
    call_id = "gen_ai.tool.call.id=c1 gen_ai.tool.name=search"
    tree = draw(f"""
        agent    |---------|   role=agent
          search   |----|      role=tool {call_id}
            inner   |--|       role=tool {call_id} in=1000 out=500
    """)

    _, outer, inner = rows(tree)

    assert (outer.operation, inner.operation) == ("search", None)
    assert inner.usage == TokenUsage(input=1000, output=500)


def test_spans_outside_the_root_come_after_it_even_when_they_began_before() -> None:
    tree = draw("""
        before   |-|                   parent=ff
          below   ||
        agent        |-----|
          chat        |--|
        after                 |-|      parent=ff
    """)

    found = [(row.depth, row.name) for row in rows(tree)]

    assert found == [(0, "agent"), (1, "chat"), (0, "before"), (1, "below"), (0, "after")]


def test_rows_of_several_roots_come_by_start() -> None:
    tree = draw("""
        second      |---|  parent=none
        first   |---|      parent=none
    """)

    found = [row.name for row in rows(tree)]

    assert found == ["first", "second"]


def test_marks_say_what_is_odd_about_a_span() -> None:
    tree = draw(
        """
        agent      |----------------|            role=agent
          plan        |---|
            search       |------|                role=tool status=ERROR
          logs                |---------|
          stream       |-|                       role=llm agentprof.stream.complete=false
          waiting            |->                 role=tool
          fine             ||                    role=llm agentprof.stream.complete=true
        """,
        unit=10 * MS,
    )

    found = marks(tree)

    assert found == {
        "agent": (),
        "plan": (),
        "search": ("error", "hoisted"),
        "logs": ("background",),
        "stream": ("incomplete",),
        "waiting": ("open", "background"),
        "fine": (),
    }


def test_ten_thousand_levels_are_no_deeper_than_ten() -> None:
    spans = [
        Span("1" * 32, f"{n + 1:016x}", f"{n:016x}" if n else None, "step", n, 30_000 - n)
        for n in range(10_000)
    ]

    found = rows(SpanTree.from_spans(spans))

    assert [row.depth for row in found] == list(range(10_000))


def test_an_empty_tree_has_no_rows() -> None:
    assert rows(SpanTree.from_spans([])) == ()
