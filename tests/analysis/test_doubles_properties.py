"""A second instrumentation changes no finding: agents with and without its spans, drawn at random."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from flat_prices import flat_price
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentprof import semconv
from otel_agentprof.analysis import by_role, findings, measure, merging, what_if
from otel_agentprof.config import Config
from otel_agentprof.model import Span, SpanTree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal


SECOND, SHIFT = 1_000_000_000, 1_000_000
TRACE = "1" * 32
# No figure of a trace in whole seconds is so near to one of these that a shift would matter.
EAGER = Config(
    slow_llm_ms=3_370,
    slow_tool_ms=2_370,
    max_calls=2,
    max_iterations=2,
    sequential_group=2,
    straggler_ms=1_370,
    straggler_ratio=1.73,
    own_code_ratio=0.0137,
    own_code_ms=370,
    outlier_ms=1_370,
    outlier_ratio=1.73,
    min_saving_ratio=0.0047,
    fan_out_calls=100,  # a pool has to be full half of the time: too near for calls of whole seconds
)


@pytest.fixture(scope="module", autouse=True)
def _no_figure_is_near_a_bound() -> Iterator[None]:
    """Set the bounds of merging likewise: in whole seconds savings are often exactly a quarter more."""
    with pytest.MonkeyPatch.context() as bounds:
        bounds.setattr(merging, "_MOST", 0.4937)
        bounds.setattr(merging, "_HARDLY_MORE", 1.2437)
        bounds.setattr(merging, "_DOUBLE", 1.9337)
        yield


class Agent:
    """An agent in the making: its spans so far, and what time it is."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.now = 0

    def llm(
        self, start: int, seconds: int, *, tokens: int, asked: str | None, failed: bool, step: bool
    ) -> None:
        """Ask a model; a failed call has no tokens, and one in a step is below it."""
        parent = self._span("step", start, seconds, {semconv.ROLE: "step"}) if step else "f" * 16
        words: dict[str, object] = {
            semconv.ROLE: "llm",
            semconv.RESPONSE_MODEL: "m",
            semconv.REQUEST_FINGERPRINT: asked,
            semconv.PROMPT_CHAIN: None if asked is None else (),
        }
        if failed:
            words[semconv.ERROR_TYPE] = "RateLimitError"
        else:
            words |= {
                semconv.USAGE_INPUT_TOKENS: 100 + tokens,
                semconv.USAGE_OUTPUT_TOKENS: 100,
                semconv.RESPONSE_ID: f"r{len(self.spans)}",
            }
        told = {key: value for key, value in words.items() if value is not None}
        status: str = "ERROR" if failed else "UNSET"
        self._span("chat m", start, seconds, told, status=status, parent=parent)

    def tool(self, start: int, seconds: int, name: str, asked: str | None, *, failed: bool) -> None:
        """Run a tool."""
        words: dict[str, object] = {semconv.ROLE: "tool", semconv.TOOL_NAME: name}
        if asked is not None:
            words[semconv.REQUEST_FINGERPRINT] = asked
        self._span(name, start, seconds, words, status="ERROR" if failed else "UNSET")

    def tree(self) -> SpanTree:
        """Return the trace."""
        root = Span(TRACE, "f" * 16, None, "agent", 0, self.now * SECOND, attributes={semconv.ROLE: "agent"})
        return SpanTree.from_spans([root, *self.spans])

    def _span(
        self,
        name: str,
        start: int,
        seconds: int,
        words: dict[str, object],
        *,
        status: str = "UNSET",
        parent: str = "f" * 16,
    ) -> str:
        span = Span(
            TRACE,
            f"{len(self.spans) + 1:016x}",
            parent,
            name,
            start * SECOND,
            (start + seconds) * SECOND,
            status=status,
            attributes=words,
            scope="first",
        )
        self.spans.append(span)
        self.now = max(self.now, start + seconds)
        return span.span_id


@st.composite
def agents(draw: st.DrawFn, *, models_fail: bool = True) -> SpanTree:
    """Return an agent: rounds of model calls and tools, some side by side, some failed, some made again."""
    agent = Agent()
    asked = st.sampled_from([None, "a", "b", "c"])
    for _ in range(draw(st.integers(1, 7))):
        agent.now += draw(st.integers(0, 3))
        is_beside, start = draw(st.booleans()), agent.now
        is_llm = draw(st.booleans())
        for _ in range(draw(st.integers(1, 3))):
            seconds, is_failed = draw(st.integers(1, 9)), draw(st.integers(0, 4)) == 0
            begun = start if is_beside else agent.now
            if is_llm:
                step = draw(st.integers(0, 3)) == 0
                tokens = len(agent.spans)
                is_failed = is_failed and models_fail
                agent.llm(begun, seconds, tokens=tokens, asked=draw(asked), failed=is_failed, step=step)
            else:
                name = draw(st.sampled_from(["search", "fetch"]))
                agent.tool(begun, seconds, name, draw(asked), failed=is_failed)
    agent.now += draw(st.integers(0, 2))
    return agent.tree()


def shorter(span: Span) -> Span:
    """Return a span that begins a little later and ends a little sooner."""
    return replace(span, start_ns=span.start_ns + SHIFT, end_ns=(span.end_ns or 0) - SHIFT)


def seen_by_another(span: Span, *left_out: str) -> Span:
    """Return what a second instrumentation shows of a call: not all that the first one knows."""
    words = {key: value for key, value in span.attributes.items() if key not in left_out}
    span_id = "a" + span.span_id[1:]
    return replace(span, span_id=span_id, name="openai.chat", scope="second", attributes=words)


def wrapped(tree: SpanTree) -> SpanTree:
    """Return the same trace with a span of a second instrumentation around each model call."""
    spans = []
    for span in tree.spans:
        if span.attributes[semconv.ROLE] == "llm":
            around = seen_by_another(span, semconv.REQUEST_FINGERPRINT)
            spans += [around, replace(shorter(span), parent_span_id=around.span_id)]
        else:
            spans.append(span)
    return SpanTree.from_spans(spans)


def beside(tree: SpanTree, *, has_ids: bool, is_shorter: bool) -> SpanTree:
    """Return the same trace with a span of a second instrumentation beside each model call."""
    left_out = [semconv.REQUEST_FINGERPRINT] + ([] if has_ids else [semconv.RESPONSE_ID])
    spans = []
    for span in tree.spans:
        if span.attributes[semconv.ROLE] == "llm":
            twin = seen_by_another(span, *left_out)
            spans += [span, shorter(twin)] if is_shorter else [shorter(span), twin]
        else:
            spans.append(span)
    return SpanTree.from_spans(spans)


def savings(tree: SpanTree) -> dict[str, list[tuple[int, Decimal | None]]]:
    """Return what is saved by the findings of each rule."""
    found = defaultdict(list)
    for one in findings(measure(tree, flat_price), EAGER):
        found[one.rule].append((one.saving_ns or 0, one.saving_usd))
    return dict(found)


def assert_alike(plain: SpanTree, doubled: SpanTree) -> None:
    """Hold findings, times and what-ifs of a trace with doubles against those of the same trace without."""
    expected, found = savings(plain), savings(doubled)
    shifts = 4 * SHIFT * len(plain)
    assert {rule: len(pairs) for rule, pairs in found.items()} == {
        rule: len(pairs) for rule, pairs in expected.items()
    }
    for rule, pairs in expected.items():
        times, money = zip(*pairs, strict=True)
        found_times, found_money = zip(*found[rule], strict=True)
        assert sorted(found_times) == pytest.approx(sorted(times), abs=shifts), rule
        assert Counter(found_money) == Counter(money), rule
    one, other = (measure(tree, flat_price) for tree in (plain, doubled))
    roles, other_roles = (by_role(trace.ledger, trace.times) for trace in (one, other))
    assert sum(figures.critical_ns for figures in other_roles.values()) == doubled.duration_ns
    assert {role: figures.count for role, figures in roles.items()} == {
        role: figures.count for role, figures in other_roles.items()
    }
    for role, figures in roles.items():
        assert other_roles[role].total_ns == pytest.approx(figures.total_ns, abs=shifts)
        assert other_roles[role].critical_ns == pytest.approx(figures.critical_ns, abs=shifts)
    for change in ({"dedupe": True}, {"parallel": True}, {"by_role": {"llm": 0.5}}, {"concurrency": 2}):
        kwargs: dict[str, Any] = change
        before, after = (what_if(tree, price=flat_price, **kwargs) for tree in (plain, doubled))
        assert after.saved_ns == pytest.approx(before.saved_ns, abs=shifts), change
        assert after.saved_usd == before.saved_usd


@settings(deadline=None, max_examples=80)
@given(agents())
def test_a_second_instrumentation_around_the_calls_changes_no_finding(tree: SpanTree) -> None:
    assert_alike(tree, wrapped(tree))


@settings(deadline=None, max_examples=80)
@given(agents(models_fail=False), st.data())
def test_a_second_instrumentation_beside_the_calls_changes_no_finding(
    tree: SpanTree, data: st.DataObject
) -> None:
    assert_alike(tree, beside(tree, has_ids=data.draw(st.booleans()), is_shorter=data.draw(st.booleans())))


@st.composite
def any_spans(draw: st.DrawFn) -> SpanTree:
    """Return spans that may well show the same calls, in any place and at any time."""
    spans = []
    for number in range(draw(st.integers(1, 10))):
        start = draw(st.integers(0, 10))
        words = {
            semconv.ROLE: draw(
                st.sampled_from(["llm", "llm", "tool", "step", "agent", "embedding", "other"])
            ),
            semconv.RESPONSE_MODEL: draw(st.sampled_from(["m", "x/m-latest"])),
            semconv.TOOL_NAME: "search",
        }
        for key, values in (
            (semconv.USAGE_INPUT_TOKENS, (5, 6)),
            (semconv.RESPONSE_ID, ("r", "s")),
            (semconv.REQUEST_FINGERPRINT, ("f", "g")),
        ):
            if (value := draw(st.sampled_from([None, *values]))) is not None:
                words[key] = value
        spans.append(
            Span(
                TRACE,
                f"{number:016x}",
                f"{draw(st.integers(0, number - 1)):016x}" if number else None,
                draw(st.sampled_from("ab")),
                start * SECOND,
                (start + draw(st.integers(0, 6))) * SECOND,
                status=draw(st.sampled_from(["UNSET", "UNSET", "ERROR"])),
                attributes=words,
                scope=draw(st.sampled_from("ab")),
            )
        )
    return SpanTree.from_spans(spans)


@settings(deadline=None, max_examples=300)
@given(any_spans())
def test_whatever_spans_show_the_same_calls_times_stay_whole(tree: SpanTree) -> None:
    trace = measure(tree, flat_price)

    roles = by_role(trace.ledger, trace.times)
    several = trace.doubles
    left_out = {index for index, is_counted in enumerate(trace.ledger.counted) if not is_counted}

    assert [stretch.start_ns for stretch in trace.path[1:]] == [stretch.end_ns for stretch in trace.path[:-1]]
    assert sum(figures.critical_ns for figures in roles.values()) == tree.duration_ns
    assert all(0 <= figures.self_ns <= figures.total_ns for figures in roles.values())
    assert left_out == {*several.twins, *several.wrappers, *several.inside, *several.mixed}
    assert all(trace.ledger.counted[call] for call in trace.ledger.shown_again.values())
    assert all((one.saving_ns or 0) <= tree.duration_ns for one in findings(trace, EAGER))
    spans = [span.span_id for span in tree.spans]
    for span_id in spans:
        saved_ns = what_if(tree, remove=[span_id], trace=trace).saved_ns
        assert saved_ns >= what_if(tree, scale={span_id: 0.0}, trace=trace).saved_ns
