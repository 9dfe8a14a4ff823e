from __future__ import annotations

import pytest
from drawing import draw
from found import SECOND, found_by, ids

from otel_agentprof.config import Config

OFF = Config(slow_llm_ms=1e9, slow_tool_ms=1e9, slow_first_token_ms=1e9, slow_tokens_per_s=0)


@pytest.mark.parametrize(
    ("words", "limit_s", "remedy"),
    [
        ("role=llm", 5, "stream"),
        ("role=tool", 30, "Cache its results"),
        ("role=retrieval", 0.5, "Index"),
        ("role=other op=update_memory", 0.5, "Index"),
        ("role=other kind=CLIENT http.request.method=GET", 2, "pool"),
    ],
)
def test_a_call_above_the_range_of_its_kind_is_found_with_the_remedy(
    words: str, limit_s: float, remedy: str
) -> None:
    at_the_end = draw(f"agent  |{'-' * 9}|  role=agent\n  work |{'-' * 9}|  {words}", unit=int(limit_s * 1e8))
    above = draw(f"agent  |{'-' * 9}|  role=agent\n  work |{'-' * 9}|  {words}", unit=int(limit_s * 1.1e8))

    (found,) = found_by("unusual_duration", above, OFF)

    assert found.saving_ns == pytest.approx(limit_s * 0.1 * SECOND, abs=9)
    assert (found.component, found.metric) == ("work", "max_duration_ms")
    assert (found.value, found.threshold) == (limit_s * 1100, limit_s * 1000)
    assert remedy in found.suggestion
    assert found.span_ids == ids(2)
    assert "no such call longer than" in found.derivation
    assert found_by("unusual_duration", at_the_end, OFF) == []


def test_prompts_that_take_long_to_build_are_found() -> None:
    tree = draw(
        """
        agent           |---------|   role=agent
          prompt_build   |-----|      role=step
          prompt_build          ||    role=step
        """,
        unit=20_000_000,
    )

    (found,) = found_by("unusual_duration", tree)

    assert found.saving_ns == 70_000_000
    assert found.title == (
        "prompt_build takes up to 120 ms in 1 of 2 calls, longer than prompt construction usually does"
    )
    assert found.suggestion.startswith("1 ms to 50 ms is typical for prompt construction.")


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(
            """
            agent   |---------|   role=agent
              parse  |-------|    role=step
              call   |-------|    role=other kind=CLIENT
            """,
            id="work of no kind in the table",
        ),
        pytest.param(
            """
            agent    |---------|   role=agent
              expert  |-------|    role=tool
                chat  |-------|    role=agent
            """,
            id="a tool that is an agent",
        ),
        pytest.param(
            """
            agent                |---------|   role=agent
              prompt_and_answer  |---------|   role=step
                answer           |----|        role=agent
            """,
            id="a step that does more than build a prompt",
        ),
        pytest.param(
            """
            agent       |---------|   role=agent
              prompt    |---------|   role=step
                history |---------|   role=step
            """,
            id="a step that is judged by the step inside it",
        ),
        pytest.param(
            """
            agent     |---------|   role=agent
              ask     |---------|   role=step kind=CLIENT http.request.method=POST
                serve |---------|   role=other kind=SERVER
                  run |---------|   role=agent
            """,
            id="a request that another agent answers",
        ),
        pytest.param(
            """
            agent     |---------|   role=agent
              recall  |---------|   role=other op=search_memory
                embed |---------|   role=embedding
            """,
            id="a memory that makes calls",
        ),
        pytest.param(
            """
            agent     |---------|   role=agent
              find    |---------|   role=retrieval
                embed |---------|   role=embedding
            """,
            id="a retrieval that makes calls",
        ),
        pytest.param(
            """
            agent     |---------|   role=agent
              chat    |---------|   role=embedding
                post  |---------|   role=other kind=CLIENT http.request.method=POST
            """,
            id="how a model call travels",
        ),
        pytest.param(
            """
            agent     |---------|   role=agent
              flow    |---------|   role=step
              find    |--|          role=retrieval
            """,
            id="nobody waits for it",
        ),
    ],
)
def test_what_is_no_call_above_its_range_is_not_told(picture: str) -> None:
    assert found_by("unusual_duration", draw(picture, unit=10 * SECOND), OFF) == []


def test_a_tool_is_judged_although_requests_are_inside_it() -> None:
    tree = draw(
        """
        agent       |---------|   role=agent
          search    |---------|   role=tool
            post    |---------|   role=other
              serve |---------|   role=other kind=SERVER
        """,
        unit=10 * SECOND,
    )

    (found,) = found_by("unusual_duration", tree, OFF)

    assert found.span_ids == ids(2)


def test_plain_spans_are_looked_through_for_calls_to_a_bound() -> None:
    served = [f"{' ' * (4 + n)}serve{' ' * (4 - n)}|---------|  role=other" for n in range(4)]
    rows = [
        "agent        |---------|  role=agent",
        "  ask        |---------|  role=other kind=CLIENT http.method=GET",
        *served,
        "        run  |---------|  role=agent",
    ]
    tree = draw("\n".join(rows), unit=SECOND)

    (found,) = found_by("unusual_duration", tree, OFF)

    assert found.span_ids == ids(2)


def test_what_a_more_telling_rule_says_is_not_said_again() -> None:
    tree = draw(
        """
        agent    |---------|   role=agent
          chat    |-------|    role=llm
        """,
        unit=SECOND,
    )

    (slow,) = found_by("slow_llm", tree)

    assert "Also: chat takes up to 8.0 s, longer than an LLM call usually does." in slow.suggestion
    assert found_by("unusual_duration", tree) == []
