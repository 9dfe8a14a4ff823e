"""An agent by hand on a client of OpenAI, for whoever instruments the client."""

from __future__ import annotations

import json
from typing import Any

import stage
from openai import OpenAI
from opentelemetry import trace

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": tool.__name__,
            "description": tool.__doc__,
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
    for tool in (stage.weather, stage.population)
]
RUN = {"weather": stage.weather, "population": stage.population}


def run() -> None:
    """Ask, run both tools, ask again, then once more for a stream; and an expert once."""
    client = OpenAI(base_url=f"{stage.URL}/v1", api_key=stage.KEY)
    create = client.chat.completions.create
    with trace.get_tracer("guide").start_as_current_span("guide"):
        messages: list[Any] = [{"role": "user", "content": stage.QUESTION}]
        asked = create(model=stage.BIG, messages=messages, tools=TOOLS).choices[0].message
        messages.append(asked.model_dump(exclude_none=True))
        for call in asked.tool_calls or ():
            result = RUN[call.function.name](**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
        create(model=stage.BIG, messages=messages, tools=TOOLS)
        create(model=stage.SMALL, messages=[{"role": "user", "content": stage.QUESTION}])
        brief: list[Any] = [{"role": "user", "content": stage.BRIEF}]
        usage = {"include_usage": True}
        for _ in create(model=stage.BIG, messages=brief, stream=True, stream_options=usage):
            pass
        client.responses.create(model=stage.SMALL, input=stage.QUESTION)
