"""An answer as a whole, streamed, and streamed until the first sentence is there: what the user waits for.

    python examples/streaming.py

With OPENAI_API_KEY set it talks to OpenAI; without one a stand-in model on this machine answers.
"""

import asyncio
import time
from typing import Any

from openai import AsyncOpenAI

import otel_agentprof as ap
from otel_agentprof.cli.demo_server import in_place_of_missing_keys

MODEL = "gpt-4o-mini"
TOOL: Any = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": "{}"}}
MESSAGES: list[Any] = [  # an agent's last turn, which the user reads
    {"role": "user", "content": "How do I make my agent faster?"},
    {"role": "assistant", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "example.com/1: measure first."},
]
REQUEST: dict[str, Any] = {"model": MODEL, "tools": [TOOL]}
USAGE = {"include_usage": True}  # without it a stream tells no tokens, and its call has no price


async def main() -> None:
    ap.instrument()
    async with AsyncOpenAI() as client:
        await client.chat.completions.create(messages=MESSAGES, **REQUEST)  # opens the connection
        started = time.perf_counter()
        response = await client.chat.completions.create(messages=MESSAGES, **REQUEST)
        whole_ms = (time.perf_counter() - started) * 1e3

        optimizer = ap.StreamingOptimizer(stall_timeout_s=20)
        text = await optimizer.stream_llm_response(
            client, MESSAGES, lambda piece: print(piece, end=""), stream_options=USAGE, **REQUEST
        )
        pace = optimizer.pace
        print(f"\nthe same text: {text == response.choices[0].message.content}")
        print(f"whole     first text after {whole_ms:5.0f} ms")
        print(f"streamed  first text after {(pace.time_to_first_text_s or 0) * 1e3:5.0f} ms")
        print(f"          {pace.output_tokens} tokens, {pace.tokens_per_s or 0:.0f} per second")

        optimizer.stop_when = lambda text: ". " in text
        sentence = await optimizer.stream_llm_response(client, MESSAGES, stream_options=USAGE, **REQUEST)
        saved = optimizer.pace.saved_tokens
        print(f"stopped   after {len(sentence)} characters: about {saved} tokens not written")


if __name__ == "__main__":
    with in_place_of_missing_keys():
        asyncio.run(main())
