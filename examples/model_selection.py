"""From a report to cheaper calls: what a smaller model could take, and a selector that gives it to it.

    python examples/model_selection.py
    agentprof run examples/model_selection.py

With OPENAI_API_KEY set it talks to OpenAI; without one a stand-in model on this machine answers.
"""

from decimal import Decimal

from openai import OpenAI

import otel_agentprof as ap
from otel_agentprof.cli.demo_server import in_place_of_missing_keys

LETTERS = ["My parcel is late.", "You billed me twice.", "Where is my invoice?"]
SELECTOR = ap.ModelSelector({"simple": "gpt-6.1-terra", "medium": "gpt-6.1-terra", "complex": "gpt-6.1-sol"})


def sort_letters(client: OpenAI, model: str) -> ap.Report | None:
    """Ask for the topic of each letter; return the report of it."""
    with ap.profile("sort letters") as run, ap.agent("sorter"):
        for letter in LETTERS:
            client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": f"Delivery, bill or other? {letter}"}]
            )
    return run.report


def main() -> None:
    with OpenAI() as client:
        before = sort_letters(client, SELECTOR.select_model("complex"))
        after = sort_letters(client, SELECTOR.select_model("simple"))
    if before is None or after is None:  # OTEL_SDK_DISABLED
        return
    for swap in ap.suggest(before):
        print(f"{swap.model} -> {swap.cheaper} saves ${swap.saving_usd}")
    predicted = sum((swap.saving_usd for swap in ap.suggest(before)), Decimal(0))
    saved = (before.cost_usd or Decimal(0)) - (after.cost_usd or Decimal(0))
    print(f"predicted ${predicted}, saved ${saved} of ${before.cost_usd}")


if __name__ == "__main__":
    with in_place_of_missing_keys():
        main()
