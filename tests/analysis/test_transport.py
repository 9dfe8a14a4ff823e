"""HTTP requests below a model call are a part of it: their time is the call's, drawn."""

from __future__ import annotations

from drawing import draw

from otel_agentprof.analysis import what_if
from otel_agentprof.config import Config
from otel_agentprof.report.build import build

_RETRIED = """
    agent     |--------------------|  role=agent
      chat      |--------------|      role=llm model=m1
        POST     |--|
        POST          |-------|
          dns         |-|
      search                    |-|   role=tool tool=search
        GET                      ||
"""


def test_what_travels_for_a_model_call_counts_as_the_calls_time() -> None:
    trace = draw(_RETRIED)

    report = build(trace, Config())

    roles = {role: found for role, found in report.by_role.items() if found.total_ns}
    assert roles["llm"].critical_ns == roles["llm"].self_ns == roles["llm"].total_ns == 15
    assert report.by_model["m1"].critical_ns == 15
    assert report.by_name["POST"].critical_ns == 0
    assert roles["llm"].count == 1
    assert sum(found.critical_ns for found in roles.values()) == report.duration_ns


def test_the_path_says_what_each_stretch_counts_as() -> None:
    trace = draw(_RETRIED)

    report = build(trace, Config())

    waited: dict[str, int] = {}
    for step in report.critical_path:
        waited[step.role] = waited.get(step.role, 0) + step.end_ns - step.start_ns
    assert waited == {role: found.critical_ns for role, found in report.by_role.items() if found.critical_ns}
    assert {step.role for step in report.critical_path if step.name in ("POST", "dns")} == {"llm"}


def test_what_a_tool_sends_stays_what_it_is() -> None:
    trace = draw(_RETRIED)

    report = build(trace, Config())

    assert report.by_role["other"].critical_ns == report.by_name["GET"].critical_ns > 0


def test_a_faster_model_is_faster_on_the_wire_too() -> None:
    trace = draw(_RETRIED)

    roles = what_if(trace, by_role={"llm": 0.0})
    models = what_if(trace, by_model={"m1": 0.0})

    assert roles.saved_ns == models.saved_ns == 15


def test_without_transports_nothing_is_moved() -> None:
    trace = draw("""
        agent   |-----|    role=agent
          chat    |-|      role=llm model=m1
          GET        |-|
    """)

    report = build(trace, Config())

    assert {step.name: step.role for step in report.critical_path} == {
        "agent": "agent",
        "chat": "llm",
        "GET": "other",
    }


def test_a_call_is_by_itself_no_longer_than_it_took_whatever_travels_for_it() -> None:
    trace = draw("""
        agent   |---------|    role=agent
          chat      |-|        role=llm model=m1
            GET   |-----|
            HEAD  |-----|
    """)

    chat = build(trace, Config()).by_name["chat"]

    assert chat.self_ns == chat.total_ns == 2
