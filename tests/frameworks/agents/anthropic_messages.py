"""An agent by hand on a client of Anthropic: a turn with tools, an expert, streams of both kinds."""

from __future__ import annotations

from typing import Any

import stage
from anthropic import Anthropic
from opentelemetry import trace

TOOLS = [
    {
        "name": tool.__name__,
        "description": tool.__doc__,
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
    for tool in (stage.weather, stage.population)
]
RUN = {"weather": stage.weather, "population": stage.population}


def run() -> None:
    """Ask, run both tools, ask again; then ask an expert, and twice for a stream."""
    client = Anthropic(base_url=stage.URL, api_key=stage.KEY)
    settings: dict[str, Any] = {"model": stage.CLAUDE, "max_tokens": 2000}
    with trace.get_tracer("guide").start_as_current_span("guide"):
        messages: list[Any] = [{"role": "user", "content": stage.QUESTION}]
        asked = client.messages.create(**settings, messages=messages, tools=TOOLS)
        messages.append({"role": "assistant", "content": [block.model_dump() for block in asked.content]})
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": RUN[block.name](**block.input)}
            for block in asked.content
            if block.type == "tool_use"
        ]
        client.messages.create(**settings, messages=[*messages, {"role": "user", "content": results}])
        brief: list[Any] = [{"role": "user", "content": stage.BRIEF}]
        client.messages.create(model=stage.HAIKU, max_tokens=2000, messages=brief)
        with client.messages.create(**settings, messages=brief, stream=True) as pieces:
            for _ in pieces:
                pass
        with client.messages.stream(**settings, messages=brief) as stream:
            stream.get_final_message()
