"""The same questions again: an agent before and after a cache, and what the report said it would save.

    python examples/prompt_cache.py

With OPENAI_API_KEY set it talks to OpenAI; without one a stand-in model on this machine answers.
"""

import time

from openai import OpenAI

import otel_agentprof as ap
from otel_agentprof.cli.demo_server import in_place_of_missing_keys

MODEL = "gpt-4o-mini"
TICKETS = ["card declined", "parcel is late", "card declined", "card declined", "parcel is late"]


@ap.tool("look_up", cache=True)  # runs once per ticket, when there is a cache
def look_up(ticket: str) -> str:
    time.sleep(0.05)  # your database
    return f"two articles about: {ticket}"


@ap.agent("support")
def answer(client: OpenAI, tickets: list[str]) -> list[str]:
    """Answer tickets, of which some say the same."""
    answers = []
    for ticket in tickets:
        prompt = f"Answer the ticket {ticket!r} from {look_up(ticket)}."
        response = client.chat.completions.create(
            model=MODEL, temperature=0, messages=[{"role": "user", "content": prompt}]
        )
        answers.append(response.choices[0].message.content or "")
    return answers


def profiled(client: OpenAI, name: str) -> ap.Report | None:
    with ap.profile(name) as run:
        answer(client, TICKETS)
    if (report := run.report) is not None:
        print(f"{name}: {report.duration_ns / 1e6:.0f} ms, ${report.cost_usd}")
    return run.report


def main() -> None:
    ap.instrument()
    with OpenAI() as client:
        client.chat.completions.create  # noqa: B018 - the client loads its parts now, not in the first profile
        report = profiled(client, "without a cache")
        for finding in report.findings if report is not None else ():
            if finding.rule == "repeated_call":
                usd = "" if finding.saving_usd is None else f", ${finding.saving_usd}"
                print(f"- {finding.title}: {(finding.saving_ns or 0) / 1e6:.0f} ms{usd} to save")
        with ap.PromptCache(ttl_s=3600).enabled() as cache:
            profiled(client, "with a cache")
            print(f"- {cache.hits} of {cache.hits + cache.misses} calls answered by the cache")


if __name__ == "__main__":
    with in_place_of_missing_keys():
        main()
