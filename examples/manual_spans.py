"""No LLM client at all: mark your own agent, tools and steps, and see what was waited for.

python examples/manual_spans.py
agentprof run examples/manual_spans.py
"""

import time
from concurrent.futures import ThreadPoolExecutor

import otel_agentprof as ap


@ap.tool
def look_up(word: str) -> str:
    time.sleep(0.02 * len(word))  # your database
    return word.upper()


@ap.step("build prompt")
def build_prompt(facts: list[str]) -> str:
    time.sleep(0.03)
    return "; ".join(facts)


@ap.agent("planner")
def plan(words: list[str]) -> str:
    with ThreadPoolExecutor() as pool:
        facts = list(ap.propagate(pool).map(look_up, words))  # propagate: the threads know their parent span
    prompt = build_prompt(facts)
    with ap.step("ask the model") as step:  # a model of your own, called without a client that we know
        time.sleep(0.1)
        step.set("prompt.length", len(prompt))
    return prompt


def main() -> None:
    with ap.profile("plan a trip") as run:
        print(plan(["train", "hotel", "restaurant"]))
    if (report := run.report) is not None:
        print(f"{report.duration_ns / 1e6:.0f} ms, of which the user waited for:")
        for part in report.critical_path:
            print(f"  {(part.end_ns - part.start_ns) / 1e6:5.0f} ms  {part.name}")


if __name__ == "__main__":
    main()
