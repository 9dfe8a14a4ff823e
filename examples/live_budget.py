"""An agent that is never content, and a budget that stops it before the next call is sent.

    python examples/live_budget.py
    agentprof run examples/live_budget.py

With OPENAI_API_KEY set it talks to OpenAI; without one a stand-in model on this machine answers.
"""

from openai import OpenAI

import otel_agentprof as ap
from otel_agentprof.cli.demo_server import in_place_of_missing_keys

BUDGET = ap.Budget(usd=0.0005, llm_calls=40)  # for each trace


@ap.agent("perfectionist")
def polish(client: OpenAI, draft: str) -> str:
    """Ask for a better text for ever."""
    while True:
        response = client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": f"Make it better: {draft}"}],
            max_tokens=100,  # what a call can cost at most is known before it is sent
        )
        draft = response.choices[0].message.content or draft


def main() -> None:
    with ap.instrument(budget=BUDGET), ap.profile("polish") as run, OpenAI() as client:
        try:
            polish(client, "Agents wait.")
        except ap.BudgetExceeded as stop:
            print(stop)
    if (report := run.report) is not None:
        print(f"{report.by_role['llm'].count} calls, ${report.cost_usd} of ${BUDGET.usd}")


if __name__ == "__main__":
    with in_place_of_missing_keys():
        main()
