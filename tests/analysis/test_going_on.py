from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from drawing import draw
from flat_prices import flat_price
from found import SECOND, found_by, ids

from otel_agentprof import read
from otel_agentprof.analysis import measure
from otel_agentprof.analysis.going_on import apart

if TYPE_CHECKING:
    from otel_agentprof.model import SpanTree

FRAMEWORKS = Path(__file__).parents[1] / "traces" / "frameworks"


def chain(*parts: str) -> str:
    """Return the words of a prompt of these parts, as our own spans write them."""
    sizes = json.dumps(list(range(10, 10 * len(parts) + 10, 10)), separators=(",", ":"))
    return f"agentprof.prompt.chain={json.dumps(parts, separators=(',', ':'))} agentprof.prompt.sizes={sizes}"


def turns(*words: str) -> SpanTree:
    """Return an agent of which every model call has these words."""
    rows = [f"chat  {'     ' * n}|----|  role=llm model=m {told}" for n, told in enumerate(words)]
    width = 5 * len(rows)
    return draw("\n".join([f"agent |{'-' * width}|  role=agent", *(f" {row}" for row in rows)]), unit=SECOND)


def cycles(*words: str, role: str = "step", tool: str = "") -> SpanTree:
    """Return an agent with spans around its model calls, each of which has these words."""
    rows = [f"agent   |{'-' * 9 * len(words)}|  role=agent"]
    for number, told in enumerate(words):
        left = " " * 9 * number
        rows += [f" cycle  {left}|--------|  role={role}", f"  chat  {left}|----|  role=llm model=m {told}"]
        if tool:
            rows.append(f"  search{left}     |--|  role=tool {tool}")
    return draw("\n".join(rows), unit=SECOND)


@pytest.mark.parametrize(
    "fixture",
    ["strands", "strands_agentprof", "strands_switched", "openai_agents_openinference"],
)
def test_the_cycles_of_an_agents_loop_are_no_group(fixture: str) -> None:
    trees = list(read(str(FRAMEWORKS / f"{fixture}.jsonl")))

    assert trees
    assert [found_by("sequential_group", tree) for tree in trees] == [[]] * len(trees)


GROWING = ("in=1000 out=150", "in=1400 out=150", "in=1550 out=150", "in=2000 out=150")
UNRELATED = ("in=1000 out=150", "in=1100 out=150", "in=3000 out=150", "in=900 out=150")


def test_turns_whose_prompts_grow_by_the_answers_before_are_no_group() -> None:
    assert found_by("sequential_group", turns(*GROWING)) == []
    assert found_by("sequential_group", cycles(*GROWING)) == []


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(UNRELATED, id="of one size or another"),
        pytest.param(("in=1000 out=150",) * 4, id="of one size"),
        pytest.param(("in=1000",) * 4, id="of one size, of answers of none"),
        pytest.param([f"in={1000 + 100 * n} out=150" for n in range(4)], id="longer, not by an answer"),
        pytest.param(("out=150",) * 4, id="of no known size"),
        pytest.param(("",) * 4, id="with no tokens at all"),
    ],
)
def test_prompts_that_do_not_grow_by_the_answers_show_nothing_to_wait_for(words: tuple[str, ...]) -> None:
    for tree in (turns(*words), cycles(*words), cycles(*words, role="agent")):
        (group,) = found_by("sequential_group", tree)

        assert (group.confidence, len(group.span_ids)) == ("possible", 4)


def test_tokens_of_two_models_are_not_compared() -> None:
    (group,) = found_by("sequential_group", cycles("in=1 out=1", "in=5 out=1 model=n", "in=9 out=1 model=o"))

    assert len(group.span_ids) == 3


def test_thoughts_need_not_come_back_and_a_loop_may_drop_some_of_its_history() -> None:
    thinks = "gen_ai.usage.reasoning.output_tokens=900"
    tree = turns(
        f"in=1000 out=1000 {thinks}",
        f"in=1100 out=1000 {thinks}",
        "in=1300 out=100",
        "in=500 out=100",
        "in=700 out=100",
    )

    assert found_by("sequential_group", tree) == []


def test_known_prompts_are_believed_before_their_sizes() -> None:
    grows = [f"in={1000 + 500 * n} out=100" for n in range(3)]
    goes_on = [chain("system", "question", *(f"said{number}" for number in range(2 * n))) for n in range(3)]
    unrelated = [chain("system", f"document{n}") for n in range(3)]
    again = [chain("system", "question") for n in range(3)]

    for tree in (turns(*goes_on), cycles(*goes_on), cycles(*goes_on, role="agent")):
        assert found_by("sequential_group", tree) == []
    for prompts in (unrelated, again):
        words = [f"{size} {prompt}" for size, prompt in zip(grows, prompts, strict=True)]
        for tree in (turns(*words), cycles(*words)):
            (group,) = found_by("sequential_group", tree)
            assert len(group.span_ids) == 3


def test_a_step_that_reads_what_the_tools_of_the_one_before_brought_has_to_wait() -> None:
    asks = "agentprof.tool_call.ids"
    results = "agentprof.tool_result.ids"
    tree = cycles(
        f'{chain("a")} {asks}=["1"]',
        f'{chain("b")} {results}=["1"] {asks}=["2"]',
        f'{chain("c")} {results}=["2"]',
    )

    assert found_by("sequential_group", tree) == []


def test_results_of_tools_that_were_asked_for_before_are_no_reason_to_wait() -> None:
    a, b, c = (f'{chain(name)} agentprof.tool_result.ids=["0"]' for name in "abc")
    tree = draw(f"""
        agent   |------------------|  role=agent
          chat   |-|                  role=llm agentprof.tool_call.ids=["0"]
          work      |--|              role=agent
            chat    |--|              role=llm {a}
          work           |--|         role=agent
            chat         |--|         role=llm {b}
          work                |--|    role=agent
            chat              |--|    role=llm {c}
    """)

    (group,) = found_by("sequential_group", tree)

    assert group.span_ids == ids(3, 5, 7)


def test_a_step_that_goes_on_with_the_response_of_the_one_before_has_to_wait() -> None:
    before = "gen_ai.request.previous_response.id"

    def steps(*names: str) -> SpanTree:
        return cycles(*[f"response=r{n} {before}={name}" for n, name in enumerate(names)])

    assert found_by("sequential_group", steps("x", "r0", "r1")) == []
    assert len(found_by("sequential_group", steps("x", "x", "x"))) == 1  # all go on with one of long ago


@pytest.mark.parametrize(
    ("words", "tool"),
    [
        ("in=1000 out=150", "call=x"),
        ('gen_ai.response.finish_reasons=["tool_calls"]', "tool=search"),
        ('agentprof.tool_call.ids=["x"]', "tool=search"),
    ],
)
def test_the_results_of_tools_at_the_end_of_a_step_are_for_the_next_one_to_read(
    words: str, tool: str
) -> None:
    assert found_by("sequential_group", cycles(words, words, words, tool=tool)) == []
    # An agent hands them to who called it.
    assert len(found_by("sequential_group", cycles(words, words, words, tool=tool, role="agent"))) == 1


@pytest.mark.parametrize(
    ("words", "tool"),
    [
        pytest.param("", "tool=save", id="nobody asked for the tool"),
        pytest.param(
            'gen_ai.response.finish_reasons=["tool_calls"]', "", id="the call to a tool is the answer"
        ),
    ],
)
def test_steps_that_leave_no_results_may_be_independent(words: str, tool: str) -> None:
    (group,) = found_by("sequential_group", cycles(words, words, words, tool=tool))

    assert group.confidence == "possible"


def test_the_last_call_of_a_span_is_held_against_the_first_of_the_next_one() -> None:
    loops = """
        agent     |------------------------------------------|   role=agent
          worker   |------------|                                role=agent
            chat    |---|                                        role=llm model=m in=1000 out=100
            chat        |---|                                    role=llm model=m in=1500 out=100
          worker                |------------|                   role=agent
            loop                 |----------|                    role=step
              chat                |---|                          role=llm model=m in={first} out=100
              chat                     |---|                     role=llm model=m in=9000 out=100
          worker                             |------------|      role=agent
            chat                              |-----|            role=llm model=m in={second} out=100
    """

    (group,) = found_by("sequential_group", draw(loops.format(first=1100, second=1200), unit=SECOND))

    assert group.span_ids == ids(2, 5, 9)
    assert found_by("sequential_group", draw(loops.format(first=1600, second=9100), unit=SECOND)) == []


def test_a_tool_that_a_model_call_follows_leaves_no_results() -> None:
    tree = draw("""
        agent     |----------------------|  role=agent
          step     |-----|                  role=step
            find    |-|                     role=tool call=x
            chat       |-|                  role=llm
          step            |-----|           role=step
            find           |-|              role=tool call=y
            chat              |-|           role=llm
          step                   |-----|    role=step
            find                  |-|       role=tool call=z
            chat                     |-|    role=llm
    """)

    assert len(found_by("sequential_group", tree)) == 1


def test_calls_that_are_shown_twice_are_looked_for_below() -> None:
    tree = draw("""
        agent      |-----------------|  role=agent
          cycle    |----|               role=step
            chat   |----|               role=llm
              post  |--|                role=llm model=m in=1000 out=150
          cycle         |----|          role=step
            chat        |----|          role=llm
              post       |--|           role=llm model=m in=1200 out=150
          cycle              |----|     role=step
            chat             |----|     role=llm
              post            |--|      role=llm model=m in=1400 out=150
    """)

    assert found_by("sequential_group", tree) == []


def test_of_several_calls_below_the_one_that_starts_first_is_meant() -> None:
    tree = draw("""
        agent      |-------------------------|  role=agent
          cycle    |-------|                    role=step
            chat   |-------|                    role=llm model=m in=1000 out=150
          cycle            |-------|            role=step
            left           |-------|            role=step
              chat            |--|              role=llm model=m in=500 out=150
            right           |------|            role=step
              chat          |------|            role=llm model=m in=1200 out=150
          cycle                    |-------|    role=step
            chat                   |-------|    role=llm model=m in=1400 out=150
    """)

    assert found_by("sequential_group", tree) == []


def test_tools_with_agents_inside_are_told_what_to_do_whatever_the_size_of_their_prompts() -> None:
    words = [f"in={1000 + 500 * n} out=100" for n in range(3)]
    history = [chain("question", *(f"said{number}" for number in range(2 * n))) for n in range(3)]

    assert len(found_by("sequential_group", cycles(*words, role="tool"))) == 1
    assert found_by("sequential_group", cycles(*history, role="tool")) == []


def test_only_siblings_after_one_another_can_need_each_other() -> None:
    tree = draw("""
        agent    |----------------|  role=agent
          chat    |----|             role=llm model=m in=1000 out=100
          chat      |----|           role=llm model=m in=2000 out=100
          chat            |----|     role=llm model=m in=3000 out=100
          find                |--|   role=retrieval
          find                |--|   role=retrieval
    """)
    trace = measure(tree, flat_price)

    assert list(apart(trace, (1, 2, 3))) == [(1, 2), (3,)]
    assert list(apart(trace, (4, 5))) == [(4, 5)]
    assert list(apart(trace, ())) == [()]


def test_calls_that_are_too_far_below_are_not_looked_for() -> None:
    def steps(depth: int) -> SpanTree:
        rows = [f"agent{' ' * 30}|{'-' * 30}|  role=agent"]
        for number in range(3):
            left = " " * 9 * number
            rows += [f"{' ' * (1 + n)}step{' ' * (30 - n)}{left}|--------|  role=step" for n in range(depth)]
            rows.append(
                f"{' ' * (1 + depth)}chat{' ' * (30 - depth)}{left}|----|  role=llm in={number + 1} out=1"
            )
        return draw("\n".join(rows), unit=SECOND)

    assert found_by("sequential_group", steps(6)) == []
    assert len(found_by("sequential_group", steps(7))) == 1
