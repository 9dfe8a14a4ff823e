"""``retry_waste`` and ``timeout``: failed calls, what they cost, and what was waited for in vain."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from drawing import draw
from flat_prices import flat_price

from otel_agentprof.analysis import findings, measure
from otel_agentprof.config import Config
from otel_agentprof.model import SpanTree
from otel_agentprof.model.span import Event

if TYPE_CHECKING:
    from otel_agentprof.analysis import Finding

SECOND = 1_000_000_000
ASKED = "agentprof.request.fingerprint"


def found_by(rule: str, tree: SpanTree) -> list[Finding]:
    return [one for one in findings(measure(tree, flat_price), Config()) if one.rule == rule]


def test_failed_attempts_and_the_waits_before_the_next_ones_are_saved() -> None:
    tree = draw("""
        agent    |--------------------------|  role=agent
          chat    |--|                         role=llm status=ERROR error.type=RateLimitError
          chat          |---|                  role=llm status=ERROR error.type=RateLimitError
          chat                 |---|           role=llm model=m in=10
    """)

    (found,) = found_by("retry_waste", tree)

    assert found.title == "chat failed 2 times and was tried again: RateLimitError x2"
    assert (found.component, found.metric, found.value, found.threshold) == ("chat", "failed_calls", 2.0, 0.0)
    assert (found.saving_ns, found.saving_usd, found.impact) == (3 + 3 + 4 + 3, None, "high")
    assert found.span_ids == tuple(f"{n:016x}" for n in (2, 3, 4))
    assert "took 7 ns, the waits before the next attempts 6 ns" in found.suggestion
    assert "Retry-After" in found.suggestion
    assert found.derivation.startswith("this run again without the failed attempts and the waits before")


def test_a_failed_call_that_was_billed_costs_what_it_cost_and_its_own_time() -> None:
    tree = draw("""
        agent    |------------------|  role=agent
          chat    |--|                 role=llm status=ERROR model=m in=30 out=2
          think         |---|          role=step
    """)

    (found,) = found_by("retry_waste", tree)

    assert found.title == "chat failed once and was billed all the same"
    assert (found.saving_ns, found.saving_usd) == (3, Decimal("0.032"))
    assert "Mend what makes it fail" in found.suggestion
    assert found.derivation == "this run again without the failed attempts"


def test_an_unpriced_failure_claims_no_money() -> None:
    tree = draw("""
        agent    |------------------|  role=agent
          chat    |--|                 role=llm status=ERROR model=nobody in=30 out=2
    """)

    (found,) = found_by("retry_waste", tree)

    assert found.saving_usd is None


@pytest.mark.parametrize(
    "after",
    [
        "role=tool tool=lookup",
        "role=tool tool=search parent=none",
        f"role=tool tool=search {ASKED}=b",
        "role=tool tool=search call=c2",
    ],
)
def test_another_call_is_no_retry(after: str) -> None:
    tree = draw(f"""
        agent     |--------------------|  role=agent
          first    |---|                  role=tool tool=search status=ERROR {ASKED}=a
          second        |---|             {after}
    """)

    assert found_by("retry_waste", tree) == []


def test_calls_that_one_answer_asked_for_are_no_retries_of_each_other() -> None:
    tree = draw("""
        agent     |--------------------|  role=agent
          first    |---|                  role=tool tool=search status=ERROR call=c1
          second        |---|             role=tool tool=search call=c2
    """)

    assert found_by("retry_waste", tree) == []


@pytest.mark.parametrize("role", ["llm", "tool"])
def test_work_in_between_makes_the_next_call_no_retry_unless_the_request_is_the_same(role: str) -> None:
    picture = """
        agent     |-------------------------|  role=agent
          search   |---|                       role=tool status=ERROR{asked}
          other         |--|                   role={role}
          search            |--|               role=tool{asked}
    """
    unknown = draw(picture.format(role=role, asked=""))
    known = draw(picture.format(role=role, asked=f" {ASKED}=a"))

    (found,) = found_by("retry_waste", known)

    assert found_by("retry_waste", unknown) == []
    assert found.saving_ns == {"llm": 4, "tool": 4 + 1}[role]  # what follows a model's turn is no back-off


def test_attempts_side_by_side_have_a_retry_each() -> None:
    tree = draw("""
        agent     |---------------------|  role=agent
          search   |---|                   role=tool status=ERROR
          search   |----|                  role=tool status=ERROR
          search          |---|            role=tool
          search           |---|           role=tool
          lonely                   |-|     role=tool status=ERROR
          lonely                  |--|     role=tool
    """)

    (found,) = found_by("retry_waste", tree)

    assert (found.value, len(found.span_ids)) == (2.0, 4)
    assert found.component == "search"


def test_calls_without_length_are_no_retries_of_themselves() -> None:
    tree = draw("""
        agent     |--------|  role=agent
          search    |         role=tool status=ERROR
          search    |         role=tool status=ERROR
    """)

    (found,) = found_by("retry_waste", tree)

    assert (found.value, found.saving_ns) == (1.0, 0)


def test_an_error_that_went_up_is_told_once_by_the_attempt_that_was_made_again() -> None:
    tree = draw("""
        agent       |--------------------|  role=agent
          search     |----|                 role=tool status=ERROR
            chat      |--|                  role=llm status=ERROR model=m in=5
          search            |----|          role=tool
            chat             |--|           role=llm model=m in=5
    """)

    (found,) = found_by("retry_waste", tree)

    assert (found.component, found.saving_ns, found.saving_usd) == ("search", 5 + 2, Decimal("0.005"))


def test_http_attempts_inside_a_model_call_are_attempts() -> None:
    tree = draw("""
        agent     |-----------------|  role=agent
          chat     |-------------|     role=llm model=m in=5 agentprof.retry.count=1
            POST    |--|               status=ERROR http.response.status_code=429
            POST          |----|       http.response.status_code=200
          get                      ||  status=ERROR
          get                       |  name=get
    """)

    (found,) = found_by("retry_waste", tree)

    assert found.title == "POST failed once and was tried again: 429"
    assert found.saving_ns == 3 + 3


def test_retries_that_no_span_shows_are_named_without_a_saving() -> None:
    tree = draw("""
        agent     |-----------------|  role=agent
          chat     |----|              role=llm model=m in=5 agentprof.retry.count=2
          chat          |----|         role=llm model=m in=5 agentprof.retry.count=x
          chat                |-|      role=llm model=m in=5 agentprof.retry.count=-1
    """)

    (found,) = found_by("retry_waste", tree)

    assert found.title == "chat was tried again 2 times inside its calls"
    assert (found.metric, found.value, found.span_ids) == ("hidden_retries", 2.0, (f"{2:016x}",))
    assert (found.saving_ns, found.saving_usd) == (None, None)
    assert "not recorded" in found.derivation


@pytest.mark.parametrize(
    "reason", ["TimeoutError", "httpx.ReadTimeout", "timed_out", "DEADLINE_EXCEEDED", "504"]
)
def test_calls_given_up_at_a_time_limit_are_found_with_their_waits(reason: str) -> None:
    tree = draw(
        f"""
        agent      |---------------------|  role=agent
          search    |-----|                 role=tool status=ERROR error.type={reason}
          search             |--|           role=tool
        """,
        unit=SECOND,
    )

    (found,) = found_by("timeout", tree)

    assert found.title == f"search was given up at a time limit once: {reason}"
    assert (found.metric, found.value, found.confidence) == ("abandoned_calls", 1.0, "proven")
    assert (found.saving_ns, found.saving_usd) == ((6 + 3) * SECOND, None)
    assert "the slowest good call took 3.0 s" in found.suggestion
    assert found_by("retry_waste", tree) == []


def test_a_call_cancelled_after_whole_seconds_was_possibly_given_up_at_a_limit() -> None:
    tree = draw(
        """
        agent      |-------------|  role=agent
          search    |--------|      role=tool status=ERROR error.type=CancelledError
        """,
        unit=SECOND // 3 + 1,
    )

    (found,) = found_by("timeout", tree)

    assert (found.confidence, found.saving_ns) == ("possible", 9 * (SECOND // 3 + 1))
    assert "slowest good call" not in found.suggestion


@pytest.mark.parametrize("unit", [SECOND // 18, SECOND // 6 + 10_000_000])
def test_a_call_cancelled_at_any_other_time_was_not(unit: int) -> None:
    tree = draw(
        """
        agent      |-------------|  role=agent
          search    |--------|      role=tool status=ERROR error.type=CancelledError
        """,
        unit=unit,
    )

    assert found_by("timeout", tree) == []


def test_what_went_wrong_is_read_from_the_exception_where_the_span_names_no_type() -> None:
    tree = draw("""
        agent      |-------------|  role=agent
          search    |--------|      role=tool status=ERROR
          lookup    |--------|      role=tool status=ERROR error.type=""
    """)
    events = (Event("other", 1), Event("exception", 2, {"exception.type": "asyncio.TimeoutError"}))
    spans = [replace(span, events=events if span.name == "search" else ()) for span in tree.spans]

    (found,) = found_by("timeout", SpanTree.from_spans(spans))

    assert found.title == "search was given up at a time limit once: asyncio.TimeoutError"


def test_a_failure_that_nobody_waited_for_saves_no_time() -> None:
    tree = draw("""
        agent      |---------------------|  role=agent
          slow      |-------------------|   role=tool
          side                              |-----|   role=step
            search                           |-|      role=tool status=ERROR
            search                              |-|   role=tool
    """)

    (found,) = found_by("retry_waste", tree)

    assert found.saving_ns == 0


def test_a_retry_below_a_virtual_root_is_waited_for() -> None:
    tree = draw("""
        search   |---|           role=tool status=ERROR parent=none
        search          |---|    role=tool parent=none
    """)

    (found,) = found_by("retry_waste", tree)

    assert found.saving_ns == 4 + 3


def test_only_the_longest_failures_are_run_again() -> None:
    rows = "".join(
        f"""
          {name}         {" " * 12 * place}|--|        role=tool status=ERROR
          {name}         {" " * 12 * place}   |{"-" * (place + 1)}|  role=tool"""
        for place, name in enumerate("abcde")
    )
    tree = draw(f"""
        agent     |{"-" * 80}|  role=agent{rows}
    """)

    found = found_by("retry_waste", tree)

    assert [one.saving_ns for one in found] == [3, 3, 3, 3, None]
    assert "promise more" in found[-1].derivation


FALLBACK = """
    agent           |---------------------|  role=agent
      chat gpt       |----|                  role=llm model=m status=ERROR error.type=APIError{failed}
      chat claude           |----|           role=llm model=n in=10 out=5{after}
"""


def test_a_model_call_that_failed_before_another_model_was_asked_is_waste() -> None:
    tree = draw(FALLBACK.format(failed="", after=""))

    (found,) = found_by("retry_waste", tree)

    assert found.title == "chat gpt failed once and was given to another model: APIError"
    assert (found.saving_ns, found.confidence) == (5 + 2, "likely")
    assert found.span_ids == (f"{2:016x}", f"{3:016x}")
    assert "The failed calls took 5 ns, the waits before the next attempts 2 ns." in found.suggestion
    assert "ask the other model sooner" in found.suggestion


@pytest.mark.parametrize("operations", [("chat gpt", "chat claude"), ("chat", "chat")])
def test_a_failed_model_call_is_not_said_to_be_slow_where_its_fallback_is_told(
    operations: tuple[str, str],
) -> None:
    picture = FALLBACK.format(failed="", after="")
    for name, operation in zip(("gpt", "claude"), operations, strict=True):
        picture = picture.replace(f"chat {name}", operation.ljust(len(f"chat {name}")))
    tree = draw(picture, unit=SECOND)

    (slow,) = found_by("slow_llm", tree)

    assert (slow.component, slow.span_ids) == (operations[1], (f"{3:016x}",))
    assert slow.title == f"{operations[1]} takes 5.0 s on average"
    assert len(found_by("retry_waste", tree)) == 1


def test_a_retry_of_the_same_model_is_no_fallback_whatever_its_answer_calls_it() -> None:
    tree = draw("""
        agent   |-------------|  role=agent
          chat   |--|            role=llm gen_ai.request.model=gpt-4o status=ERROR
          chat       |--|        role=llm gen_ai.request.model=gpt-4o model=gpt-4o-2024-11-20
    """)

    (found,) = found_by("retry_waste", tree)

    assert (found.title, found.confidence) == ("chat failed once and was tried again", None)


def test_attempts_with_one_model_and_then_with_another_are_told_together() -> None:
    tree = draw("""
        agent           |---------------------|  role=agent
          chat gpt       |--|                    role=llm model=m status=ERROR
          chat gpt           |--|                role=llm model=m status=ERROR
          chat claude            |--|            role=llm model=n status=ERROR
          chat gemini                |--|        role=llm model=o
    """)

    gpt, claude = found_by("retry_waste", tree)

    assert gpt.title == "chat gpt failed 2 times and was tried again or given to another model"
    assert claude.title == "chat claude failed once and was given to another model"


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(
            """
            agent           |---------------------|  role=agent
              chat gpt       |----|                  role=llm model=m status=ERROR
              chat claude    |-------|               role=llm model=n
            """,
            id="two models at once",
        ),
        pytest.param(
            """
            agent           |---------------------|  role=agent
              chat gpt       |----|                  role=llm model=m status=ERROR
              chat claude      |-------|             role=llm model=n
              chat gemini               |---|        role=llm model=o
            """,
            id="what came next goes on with both",
        ),
        pytest.param(
            """
            agent           |---------------------|  role=agent
              chat claude    |-------|               role=llm model=n
              chat gpt         |----|                role=llm model=m status=ERROR
              chat gemini               |---|        role=llm model=o
            """,
            id="another call was running",
        ),
        pytest.param(
            """
            agent           |---------------------|  role=agent
              chat gpt       |----|                  role=llm model=m status=ERROR
              search              |---|              role=tool
              chat claude             |---|          role=llm model=n
            """,
            id="other work in between",
        ),
        pytest.param(
            """
            agent           |---------------------|  role=agent
              embed          |----|                  role=embedding model=m status=ERROR
              chat claude             |---|          role=llm model=n
            """,
            id="another kind of call",
        ),
        pytest.param(
            """
            agent           |---------------------|  role=agent
              search         |-----------|           role=tool
              plan             |--|                  role=step
              chat gpt             |-|               role=llm model=m status=ERROR
              chat gemini               |---|        role=llm model=o
            """,
            id="another call was running, and started before others",
        ),
        pytest.param(
            """
            agent           |---------------------|  role=agent
              chat gpt       |----|                  role=llm model=m status=ERROR
              embed                   |---|          role=embedding model=n
            """,
            id="another kind of call follows",
        ),
        pytest.param(
            """
            agent           |---------------------|  role=agent
              answer         |----|                  role=llm model=m status=ERROR
              sum up                  |---|          role=llm model=m
            """,
            id="the same model asked for something else",
        ),
        pytest.param(
            """
            agent           |---------------------|  role=agent
              answer         |----|                  role=llm model=gpt-4o status=ERROR
              sum up                  |---|          role=llm model=gpt-4o-2024-11-20
            """,
            id="the same model, named with its version",
        ),
        pytest.param(
            """
            agent           |---------------------|  role=agent
              answer         |----|                  role=llm gen_ai.request.model=mine status=ERROR
              sum up                  |---|          role=llm gen_ai.request.model=mine model=gpt-4o
            """,
            id="the same deployment",
        ),
        pytest.param(
            """
            agent           |---------------------|  role=agent
              answer         |----|                  role=llm status=ERROR
              sum up                  |---|          role=llm model=m
            """,
            id="no model known",
        ),
        pytest.param(
            """
            agent           |---------------------|  role=agent
              chat gpt       |----|                  role=llm model=m status=ERROR parent=aa
              chat claude             |---|          role=llm model=n parent=bb
            """,
            id="orphans of two parents",
        ),
    ],
)
def test_a_call_of_another_model_that_was_not_made_in_place_of_a_failed_one_is_no_fallback(
    picture: str,
) -> None:
    assert found_by("retry_waste", draw(picture)) == []


@pytest.mark.parametrize(
    ("failed", "after", "count"),
    [
        pytest.param(" {a} provider=x", " {a} provider=x", 1, id="the same prompt"),
        pytest.param(" {a} provider=x", " {b} provider=x", 0, id="another prompt"),
        pytest.param(" {a} provider=x", " {b} provider=y", 1, id="written for another provider"),
        pytest.param(" {a} provider=x", " provider=x", 1, id="not known"),
    ],
)
def test_known_prompts_tell_whether_another_model_was_asked_the_same(
    failed: str, after: str, count: int
) -> None:
    a, b = (f'agentprof.prompt.chain=["{part}"] agentprof.prompt.sizes=[9]' for part in "ab")
    tree = draw(FALLBACK.format(failed=failed.format(a=a, b=b), after=after.format(a=a, b=b)))

    assert len(found_by("retry_waste", tree)) == count
