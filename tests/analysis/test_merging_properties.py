"""What holds of merging whatever happened in an agent: made-up runs in which things go wrong."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import pytest
from flat_prices import flat_price

from otel_agentprof.analysis import findings, measure, what_if, wording
from otel_agentprof.analysis.rules import RULES
from otel_agentprof.config import Config
from otel_agentprof.model import Span, SpanTree
from otel_agentprof.semconv import ERROR_TYPE, REQUEST_FINGERPRINT, ROLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otel_agentprof.analysis import Finding
    from otel_agentprof.analysis.trace import Trace

_MS: Final = 1_000_000
_RUNS: Final = 150
_CONFIG: Final = Config(max_calls=4, max_iterations=4, sequential_group=3, costly_operation_usd=0.5)
# Findings of one kind have the same remedy.
_REMEDIES: Final = (
    {"slow_llm", "slow_generation", "unusual_duration"},
    {"slow_tool", "unusual_duration"},
    {"costly_operation", "oversized_model"},
)
_REMOVED: Final = frozenset({"timeout", "retry_waste", "repeated_call", "agent_loop"})


class _Run:
    """An agent that asks a model and runs tools, of which some fail, are slow, or are called again."""

    def __init__(self, number: int) -> None:
        self._chance = random.Random(number)  # noqa: S311 - the same runs each time, no secrets
        self._now = 0
        self.spans: list[Span] = []

    def agent(self, parent: str | None, turns: int) -> str:
        place = len(self.spans)
        started = self._now
        self.spans.append(self._span(place, parent, "agent", started, {ROLE: "agent"}))
        agent = self.spans[place].span_id
        for _ in range(turns):
            self._call(agent, "chat", {ROLE: "llm"} | self._tokens())
            begun = ends = self._now
            for _ in range(self._chance.choice([0, 1, 1, 2, 4])):
                if self._chance.random() < 0.4:  # beside the one before
                    self._now = begun
                self._tool(agent)
                begun, ends = max(begun, self._now - 400 * _MS), max(ends, self._now)
            self._now = ends
        self.spans[place] = self._span(place, parent, "agent", started, {ROLE: "agent"})
        return agent

    def _tool(self, agent: str) -> None:
        words: dict[str, object] = {ROLE: "tool", REQUEST_FINGERPRINT: self._chance.choice("abcdefgh")}
        tool = self._call(agent, self._chance.choice(["search", "fetch"]), words)
        inside = self._chance.random()
        if inside < 0.3:
            self._inside(tool, "GET", {ROLE: "other", "http.request.method": "GET"})
        elif inside < 0.4:
            self._inside(tool, "chat", {ROLE: "llm"} | self._tokens())

    def _call(self, parent: str, name: str, words: dict[str, object]) -> str:
        if self._chance.random() < 0.15:
            words |= {ERROR_TYPE: self._chance.choice(["TimeoutError", "RateLimitError", "ValueError"])}
        started = self._now
        self._now += self._length_ns()
        self.spans.append(self._span(len(self.spans), parent, name, started, words))
        return self.spans[-1].span_id

    def _inside(self, parent: str, name: str, words: dict[str, object]) -> None:
        around = self.spans[-1]
        most = (around.end_ns or 0) - around.start_ns
        span = self._span(len(self.spans), parent, name, around.start_ns + most // 20, words)
        self.spans.append(span)

    def _length_ns(self) -> int:
        return self._chance.choice([200, 400, 700, 1_500, 4_000, 12_000]) * _MS

    def _tokens(self) -> dict[str, object]:
        return {
            "gen_ai.response.model": "m",
            "gen_ai.usage.input_tokens": self._chance.randrange(50, 400),
            "gen_ai.usage.output_tokens": self._chance.choice([100, 110, 120]),
        }

    def _span(
        self, place: int, parent: str | None, name: str, started: int, words: dict[str, object]
    ) -> Span:
        kind = "CLIENT" if name == "GET" else "INTERNAL"
        status = "ERROR" if ERROR_TYPE in words else "UNSET"
        return Span(
            "1" * 32, f"{place + 1:016x}", parent, name, started, self._now, kind, status, attributes=words
        )


@pytest.fixture(scope="module")
def runs() -> list[Trace]:
    """Traces of agents of all sorts."""
    made = []
    for number in range(_RUNS):
        run = _Run(number)
        root = run.agent(None, 1 + number % 7)
        if number % 3 == 0:
            run.agent(root, 2)
        made.append(measure(SpanTree.from_spans(run.spans), flat_price))
    return made


def _given_way(trace: Trace) -> Iterator[tuple[Finding, Finding]]:
    """Yield the findings that are not told by themselves, and those that tell them."""
    kept = findings(trace, _CONFIG)
    titles = {(one.rule, one.title) for one in kept}
    for rule in RULES:
        for one in rule(trace, _CONFIG):
            if (one.rule, one.title) not in titles:
                (teller,) = [teller for teller in kept if f" Also: {one.title}" in teller.suggestion]
                yield one, teller


def test_every_finding_is_told_once_and_none_that_saves_more_vanishes(runs: list[Trace]) -> None:
    gone = [pair for trace in runs for pair in _given_way(trace)]

    assert len({(one.rule, teller.rule) for one, teller in gone}) > 12
    for one, teller in gone:
        if (one.saving_ns or 0) > (teller.saving_ns or 0):
            assert f"{one.title}, worth {wording.duration(one.saving_ns or 0)}" in teller.suggestion
        if one.saving_usd and one.saving_usd > (teller.saving_usd or 0):
            assert f"{wording.dollars(one.saving_usd)}." in teller.suggestion


def test_nothing_is_left_that_is_a_part_of_another_finding_with_the_same_remedy(runs: list[Trace]) -> None:
    for trace in runs:
        kept = [one for one in findings(trace, _CONFIG) if one.saving_ns or one.saving_usd]
        for one in kept:
            for other in kept:
                if one is not other and any({one.rule, other.rule} <= same for same in _REMEDIES):
                    part, whole = (set(it.mended_ids or it.span_ids) for it in (one, other))
                    assert not part <= whole, (one, other)


def test_what_gave_way_to_calls_that_need_not_be_made_adds_little_to_their_saving(runs: list[Trace]) -> None:
    compared = 0
    for trace in runs:
        removed = [one for one in findings(trace, _CONFIG) if one.rule in _REMOVED]
        without = what_if(trace.tree, _scales(trace, removed)).saved_ns
        for one, teller in _given_way(trace):
            if one.metric == "avg_latency_ms" and teller.rule in _REMOVED and without:
                together = what_if(trace.tree, _scales(trace, removed, one)).saved_ns
                compared += 1
                assert together <= without * 1.25, (one, teller)
    assert compared > 9


def _scales(trace: Trace, removed: Sequence[Finding], slow: Finding | None = None) -> dict[str, float]:
    """Return what is done to each span if some calls are not made, and a slow kind of call is mended."""
    total, places = trace.times.total, {span.span_id: at for at, span in enumerate(trace.tree.spans)}
    factors: dict[int, float] = {}
    if slow:
        for span_id in slow.mended_ids or slow.span_ids:
            limit = slow.threshold * wording.NS_PER_MS / max(1, total[places[span_id]])
            factors |= dict.fromkeys(_inside(trace, places[span_id]), min(1.0, limit))
    for one in removed:
        for span_id in one.mended_ids or one.span_ids:
            factors |= dict.fromkeys(_inside(trace, places[span_id]), 0.0)
    return {trace.tree.spans[at].span_id: factor for at, factor in factors.items()}


def _inside(trace: Trace, top: int) -> list[int]:
    found = [top]
    for index in found:
        found += trace.tree.children[index]
    return found
