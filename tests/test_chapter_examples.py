"""What a reader of the chapter writes, with only the import changed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry import trace

from otel_agentprof import BottleneckDetector, PerformanceProfiler, TokenProfiler
from otel_agentprof.instrumentation import tracing


class Model:
    """A stand-in for the reader's client: answers with tokens, after giving way to others."""

    async def answer(self, prompt: str) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"text": prompt.upper(), "prompt_tokens": 1500, "completion_tokens": 200}


class Agent:
    """The chapter's agent: plans, looks things up, answers; every part is timed by hand."""

    def __init__(self) -> None:
        self.profiler = PerformanceProfiler()
        self.tokens = TokenProfiler()
        self.model = Model()

    async def ask(self, operation: str, prompt: str) -> str:
        with self.profiler.timer(f"llm_call:{operation}", model="gpt-4o"):
            response = await self.model.answer(prompt)
        self.tokens.record(
            f"{operation}:step", response["prompt_tokens"], response["completion_tokens"], "gpt-4o"
        )
        return str(response["text"])

    async def look_up(self, word: str) -> str:
        with self.profiler.timer(f"tool_call:{word}", word=word):
            await asyncio.sleep(0)
            return word

    async def run(self, task: str) -> str:
        with self.profiler.timer("agent:run"):
            plan = await self.ask("planning", task)
            words = await asyncio.gather(*(self.look_up(word) for word in plan.split()))
            return await self.ask("answering", " ".join(words))


@pytest.fixture
def no_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "get_tracer_provider", trace.NoOpTracerProvider)
    tracing.reset()


@pytest.mark.usefixtures("no_provider")
async def test_a_readers_agent_is_profiled_without_any_tracing_set_up() -> None:
    agent = Agent()
    agent.tokens.set_budget("planning", 10_000)

    answer = await agent.run("find three cats")

    summary = agent.profiler.get_summary()
    within, remaining = agent.tokens.check_budget("planning")
    assert answer == "FIND THREE CATS"
    assert summary["llm_call"]["count"] == 2
    assert summary["llm_call"]["avg_ms"] == pytest.approx(summary["llm_call"]["total_ms"] / 2)
    assert summary["tool_call"]["count"] == 3
    assert {r.parent for r in agent.profiler.records if r.name != "agent:run"} == {"agent:run"}
    assert (within, remaining) == (True, 8_300)
    assert agent.tokens.get_summary()["by_operation"]["planning:step"]["prompt_tokens"] == 1500
    assert agent.tokens.get_optimization_suggestions()[0]["type"] == "prompt_heavy"


@pytest.mark.usefixtures("no_provider")
async def test_a_reader_prints_the_path_the_waterfall_and_the_bottlenecks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    agent = Agent()
    await agent.run("find cats")

    for record in agent.profiler.get_critical_path():
        print(f"{record.name}: {record.duration_ms:.1f}ms")  # noqa: T201 - the reader's script
    print(agent.profiler.get_waterfall())  # noqa: T201 - likewise
    detector = BottleneckDetector(agent.profiler, agent.tokens, llm_latency_threshold_ms=0)
    for item in detector.analyze():
        print(f"[{item.impact}] {item.component}: {item.metric}={item.value:.1f}")  # noqa: T201 - likewise
        print(f"  limit {item.threshold}: {item.suggestion}")  # noqa: T201 - likewise

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("agent:run: ")
    assert sum("|" in line for line in lines) == 5
    assert any(line.startswith("[high] llm_call: avg_latency_ms=") for line in lines)


@pytest.mark.usefixtures("no_provider")
def test_a_readers_script_for_one_call_works() -> None:
    profiler = PerformanceProfiler()
    tokens = TokenProfiler()

    with profiler.timer("llm_call:plan", model="gpt-4o") as r:
        pass
    tokens.record("planning:step", prompt_tokens=1500, completion_tokens=200, model="gpt-4o")

    assert profiler.get_summary()["llm_call"]["avg_ms"] == r.duration_ms
    assert tokens.check_budget("planning") == (True, 0)
    assert BottleneckDetector(profiler, tokens).analyze() == []
