"""A weather agent on Anthropic: an ordinary tool loop, without async.

    python examples/anthropic_tool_loop.py
    agentprof run examples/anthropic_tool_loop.py

With ANTHROPIC_API_KEY set it talks to Anthropic; without one a stand-in model on this machine answers.
"""

import time
from typing import Any

from anthropic import Anthropic
from anthropic.types import ToolUseBlock

import otel_agentprof as ap
from otel_agentprof.cli.demo_server import in_place_of_missing_keys

MODEL = "claude-haiku-4-5"


@ap.tool("get_weather", call_id_from="call_id")
def get_weather(city: str, call_id: str) -> str:
    time.sleep(0.15)  # your weather service
    return f"sunny in {city}"


TOOL: Any = {
    "name": "get_weather",
    "description": "Tells the weather in one city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "examples": ["Paris", "Oslo", "Lima"]}},
        "required": ["city"],
    },
}


@ap.agent("weather agent")
def ask(client: Anthropic, question: str) -> str:
    """Ask the model, run the tools that it wants, and so on until it answers."""
    messages: list[Any] = [{"role": "user", "content": question}]
    while True:
        message = client.messages.create(model=MODEL, max_tokens=500, messages=messages, tools=[TOOL])
        calls = [block for block in message.content if isinstance(block, ToolUseBlock)]
        if not calls:
            return "".join(block.text for block in message.content if block.type == "text")
        messages.append({"role": "assistant", "content": message.content})
        results = [
            {
                "type": "tool_result",
                "tool_use_id": call.id,
                "content": get_weather(str(call.input["city"]), call.id),
            }
            for call in calls
        ]
        messages.append({"role": "user", "content": results})


def main() -> None:
    with ap.profile("weather question") as run, Anthropic() as client:
        print(ask(client, "Where is it sunny: in Paris, in Oslo or in Lima?")[:70], "...")
    if (report := run.report) is not None:
        print(f"{report.duration_ns / 1e9:.1f} s, ${report.cost_usd}, {len(report.findings)} findings:")
        for finding in report.findings:
            print(f"- {finding.title}")


if __name__ == "__main__":
    with in_place_of_missing_keys():
        main()
