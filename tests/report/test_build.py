from __future__ import annotations

import gc
import pickle
from dataclasses import fields, replace
from decimal import Decimal
from types import FunctionType, ModuleType

import pytest
from drawing import draw, draw_spans
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentprof.config import Config
from otel_agentprof.model import Span, SpanTree, TokenUsage
from otel_agentprof.report.build import build
from otel_agentprof.report.late import UNNAMED_MODEL
from otel_agentprof.report.report import DataQuality, PathStep, Report, Statistics
from otel_agentprof.semconv import ROLE

MS = 1_000_000
SECOND = 1000 * MS


def quality(report: Report) -> dict[str, DataQuality]:
    return {note.code: note for note in report.data_quality}


def test_a_report_has_the_root_the_path_and_the_figures_of_a_trace() -> None:
    tree = draw("""
        agent     |----------|   role=agent
          chat      |--|         role=llm model=gpt-4o provider=openai in=1000 out=100
          search        |---|    role=tool
    """)

    report = build(tree)

    assert (report.trace_id, report.root_span_id, report.root_name) == (f"{1:032x}", f"{1:016x}", "agent")
    assert (report.start_ns, report.duration_ns, report.span_count) == (0, 11, 3)
    assert report.critical_path == (
        PathStep(f"{1:016x}", "agent", "agent", 0, 2),
        PathStep(f"{2:016x}", "chat", "llm", 2, 5),
        PathStep(f"{1:016x}", "agent", "agent", 5, 6),
        PathStep(f"{3:016x}", "search", "tool", 6, 10),
        PathStep(f"{1:016x}", "agent", "agent", 10, 11),
    )
    assert report.by_role["llm"] == report.by_name["chat"] == report.by_model["gpt-4o"]
    assert [row.name for row in report.waterfall] == ["agent", "chat", "search"]
    assert report.data_quality == ()


def test_tokens_and_money_are_added_up_per_model_and_per_operation() -> None:
    tree = draw("""
        agent       |---------------|   role=agent
          draft       |-|               role=llm model=gpt-4o provider=openai in=1000 out=100
          draft          |-|            role=llm model=gpt-4o provider=openai in=1000 out=100
          review            |-|         role=llm model=gpt-4o-mini provider=openai in=1000 out=100
          embed                |-|      role=embedding model=mystery-1 in=7
    """)

    report = build(tree)

    assert report.usage == TokenUsage(input=3007, output=300)
    assert report.usage_by_model["gpt-4o"] == TokenUsage(input=2000, output=200)
    assert report.by_operation["draft"].count == 2
    assert report.by_operation["draft"].usage == TokenUsage(input=2000, output=200)
    assert report.by_operation["draft"].cost_usd == report.cost_by_model["gpt-4o"] == Decimal("0.007")
    assert report.by_operation["embed"].cost_usd is None
    assert report.cost_usd == report.cost_by_model["gpt-4o"] + report.cost_by_model["gpt-4o-mini"]
    assert report.unpriced_models == ("mystery-1",)
    assert "agent" not in report.by_operation


def test_a_trace_without_tokens_costs_nothing_and_one_without_prices_an_unknown_sum() -> None:
    free = build(draw("search  |--|  role=tool"))
    unknown = build(draw("chat  |--|  role=llm model=mystery-1 in=10 out=1"))

    assert free.cost_usd == 0
    assert unknown.cost_usd is None


def test_tokens_without_a_model_keep_the_sums_whole() -> None:
    report = build(draw("chat  |--|  role=llm in=10 out=1"))

    assert report.usage_by_model == {UNNAMED_MODEL: report.usage}
    assert report.unpriced_models == (UNNAMED_MODEL,)


def test_money_of_a_span_that_names_no_model_is_listed_too() -> None:
    report = build(draw("browse  |--|  role=agent cost=0.5"))

    assert report.cost_by_model == {UNNAMED_MODEL: Decimal("0.5")}
    assert report.usage_by_model == {}


def test_an_agent_that_names_a_model_is_no_call_of_it() -> None:
    report = build(
        draw("""
        agent     |----|   role=agent model=gpt-4o
          chat     |--|    role=llm model=gpt-4o
    """)
    )

    assert report.by_model["gpt-4o"].count == 1


def test_a_tool_and_a_step_of_one_name_are_one_operation() -> None:
    report = build(
        draw("""
        agent       |------|   role=agent
          summary    |-|       role=tool in=10 out=1 cost=1
          summary       |-|    role=step in=20 out=2
    """)
    )

    summary = report.by_operation["summary"]

    assert (summary.count, summary.usage, summary.cost_usd) == (2, TokenUsage(30, 3), Decimal(1))


def test_several_roots_share_one_without_a_name() -> None:
    report = build(
        draw("""
        chat    |---|         role=llm parent=none
        search         |--|   role=tool parent=none
    """)
    )

    assert (report.root_span_id, report.root_name) == (None, None)
    assert PathStep(None, None, "other", 4, 7) in report.critical_path
    assert report.by_role["other"] == Statistics(0, 0, 0, 3)
    assert quality(report)["several_roots"].span_ids == (f"{1:016x}", f"{2:016x}")


def test_an_empty_tree_gives_an_empty_report() -> None:
    report = build(SpanTree.from_spans([]))

    assert (report.span_count, report.duration_ns, report.trace_id) == (0, 0, None)
    assert report.cost_usd == 0
    assert not any(
        (report.critical_path, report.findings, report.waterfall, report.by_role, report.data_quality)
    )


def test_thresholds_come_from_the_config() -> None:
    tree = draw("chat  |--|  role=llm", unit=SECOND)

    strict, default = build(tree, Config(slow_llm_ms=1)), build(tree)

    assert [finding.rule for finding in strict.findings] == ["slow_llm"]
    assert default.findings == ()


def test_the_reader_is_heard_first() -> None:
    report = build(draw("chat  |->  role=llm"), notes=[("truncated", "The file ends early.")])

    assert report.data_quality[0] == DataQuality("truncated", "The file ends early.")
    assert [note.code for note in report.data_quality[1:]] == ["open_spans", "missing_usage"]


def test_what_was_repaired_in_the_tree_is_told() -> None:
    spans = draw_spans("""
        agent      |-----------|     role=agent
          chat      |--|             role=tool
          lost         |--|          parent=ff
          one             |-|        parent=5
          two              |-|       parent=4
    """)
    backwards = replace(spans[1], span_id="b" * 16, start_ns=9, end_ns=3, dropped_attributes=2)

    told = quality(build(SpanTree.from_spans([*spans, spans[1], spans[1], backwards])))

    assert told["duplicate_spans"].message.startswith("2 spans came again")
    assert f"{3:016x}" in told["orphan_spans"].span_ids
    assert len(told["cycle_cut"].span_ids) == 1
    assert told["negative_duration"].span_ids == ("b" * 16,)
    assert told["negative_duration"].message == "1 span ended before the start and got no length."
    assert told["dropped_attributes"].span_ids == ("b" * 16,)


def test_what_was_lost_at_the_tracer_is_told_apart_from_what_was_never_there() -> None:
    spans = draw_spans("""
        agent      |-----------|     role=agent
          lost        |--|           parent=ff
          served         |--|        parent=fe
          cut               |-|
    """)
    spans[2] = replace(spans[2], has_remote_parent=True)
    spans[3] = replace(spans[3], dropped_events=1_200, dropped_links=3)

    told = quality(build(SpanTree.from_spans(spans)))

    assert told["orphan_spans"].span_ids == (spans[1].span_id,)
    assert "dropped, or not sent yet" in told["orphan_spans"].message
    assert told["remote_parents"].span_ids == (spans[2].span_id,)
    assert told["dropped_events"].message.startswith("1 span lost events (1,200) or links (3) at their")


def test_a_local_root_below_another_process_is_no_orphan() -> None:
    report = build(
        draw("""
        handler   |-----|  parent=ff
          chat     |---|   role=tool
    """)
    )

    assert report.root_name == "handler"
    assert report.data_quality == ()


def test_what_is_uncertain_about_calls_is_told() -> None:
    picture = """
        agent      |--------------|      role=agent in=100 out=9
          chat      |-|                  role=llm model=mystery-1 in=100 out=9
          broken       |-|               role=llm model=mystery-1 in=1 agentprof.stream.complete=false
          blind           |-|            role=llm
          failed             |-|         role=llm status=ERROR
          logs                |--------| role=tool
        """

    told = quality(build(draw(picture, unit=10 * MS)))

    assert set(told) == {
        "background_spans",
        "incomplete_streams",
        "missing_usage",
        "unpriced_model",
        "roll_up_ignored",
    }
    assert told["missing_usage"].span_ids == (f"{4:016x}",)
    assert told["incomplete_streams"].span_ids == (f"{3:016x}",)
    assert told["background_spans"].span_ids == (f"{6:016x}",)
    assert told["roll_up_ignored"].span_ids == (f"{1:016x}",)
    assert "mystery-1" in told["unpriced_model"].message


@pytest.mark.parametrize("figure", ["many", "5.5", "-1", "NaN", "true", "[5]"])
def test_a_side_of_a_call_that_is_told_by_no_count_is_told_to_be_missing(figure: str) -> None:
    picture = f"""
        agent      |--------------|      role=agent
          chat      |-|                  role=llm in={figure} out=9
          whole         |-|              role=llm in=12.0 out=9
          silent            |-|          role=llm in=100
          nothing               |-|      role=llm in=0 out=0
        """

    report = build(draw(picture, unit=10 * MS))

    doubt = quality(report)["missing_usage"]
    assert (report.usage.input, report.usage.output) == (112, 18)
    assert "told its input or output by what is no count of tokens" in doubt.message
    assert doubt.span_ids == (f"{2:016x}",)


def test_spans_of_several_traces_are_told_apart() -> None:
    report = build(
        draw("""
        one   |---|        trace=1
        two        |---|   trace=2
    """)
    )

    assert report.trace_id is None
    assert set(quality(report)) == {"mixed_traces", "several_roots"}


@st.composite
def forests(pick: st.DrawFn) -> list[Span]:
    count = pick(st.integers(min_value=0, max_value=15))
    return [
        Span(
            trace_id="1" * 32,
            span_id=f"{number:016x}",
            parent_span_id=pick(st.none() | st.integers(0, count + 1).map("{:016x}".format)),
            name=pick(st.sampled_from(["chat", "search", "\x1b[31m;\n"])),
            start_ns=pick(st.integers(0, 30)),
            end_ns=pick(st.none() | st.integers(0, 40)),
            status=pick(st.sampled_from(["OK", "ERROR"])),
            attributes={
                ROLE: pick(st.sampled_from(["llm", "agent", "tool", "embedding", "step", "other"])),
                **pick(
                    st.fixed_dictionaries(
                        {},
                        optional={
                            "gen_ai.response.model": st.sampled_from(["gpt-4o", "mystery-1"]),
                            "gen_ai.usage.input_tokens": st.integers(0, 1000),
                            "gen_ai.usage.output_tokens": st.integers(0, 1000),
                            "agentprof.cost.total": st.sampled_from([0, 0.1, 2.5]),
                        },
                    )
                ),
            },
        )
        for number in range(1, count + 1)
    ]


@settings(deadline=None, max_examples=50)
@given(forests())
def test_parts_add_up_to_the_whole_whatever_the_spans(spans: list[Span]) -> None:
    report = build(SpanTree.from_spans(spans))

    nothing = TokenUsage()
    per_model, per_operation, per_row = nothing, nothing, nothing
    for usage in report.usage_by_model.values():
        per_model = per_model.plus(usage)
    for operation in report.by_operation.values():
        per_operation = per_operation.plus(operation.usage)
    for row in report.waterfall:
        per_row = per_row.plus(row.usage or nothing)
    assert per_model == per_operation == per_row == report.usage
    money = sum(report.cost_by_model.values()), sum(row.cost_usd or 0 for row in report.waterfall)
    assert money == ((report.cost_usd or 0),) * 2
    assert sum(figures.critical_ns for figures in report.by_role.values()) == report.duration_ns
    with_tokens = {model for model, usage in report.usage_by_model.items() if usage.total}
    assert with_tokens <= report.cost_by_model.keys() | set(report.unpriced_models)


@settings(deadline=None, max_examples=25)
@given(forests())
def test_equal_spans_give_equal_reports(spans: list[Span]) -> None:
    assert build(SpanTree.from_spans(spans)) == build(SpanTree.from_spans(spans))


def test_what_is_drawn_late_is_what_was_measured() -> None:
    tree = draw("""
        agent     |------------|   role=agent
          chat     |----|          role=llm model=gpt-4o provider=openai in=10 out=1 secret="CANARY"
          search         |---|     role=tool
    """)

    report = build(tree)
    is_late = "waterfall" not in vars(report)
    kept = pickle.loads(pickle.dumps(report))  # noqa: S301 - our own bytes

    assert is_late
    assert b"CANARY" not in pickle.dumps(report)
    assert kept == report == build(tree)
    assert [row.name for row in kept.waterfall] == ["agent", "chat", "search"]
    assert report.waterfall is report.waterfall
    assert replace(report, waterfall=()).waterfall == ()
    assert sum(one.critical_ns for one in kept.by_role.values()) == report.duration_ns


def test_a_report_keeps_no_span() -> None:
    report = build(draw("agent  |--|  role=agent"))

    assert not any(isinstance(one, Span) for one in _reachable(report))


def test_a_report_cannot_be_made_without_what_it_shows() -> None:
    given = {one.name: None for one in fields(Report) if one.name != "waterfall"}

    with pytest.raises(TypeError, match="a report needs waterfall, or an outline"):
        Report(**given)  # type: ignore[arg-type]


def _reachable(start: object) -> list[object]:
    """Return what an object holds on to, directly or not; classes and modules left out."""
    seen: dict[int, object] = {}
    todo = [start]
    while todo:
        one = todo.pop()
        if id(one) not in seen and not isinstance(one, type | ModuleType | FunctionType):
            seen[id(one)] = one
            todo.extend(gc.get_referents(one))
    return list(seen.values())
