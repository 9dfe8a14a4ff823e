"""A model with known manners on 127.0.0.1: each prompt has its own answer, time and tokens.

The last message of a request says which: the text of the user's, or of a tool's result. So the same request
always gets the same answer, whatever else the agent around it does.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from otel_agentprof.cli import demo_wire, local_http
from otel_agentprof.cli.demo_server import Asked, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class Said:
    """What the model answers to a prompt.

    Attributes:
        seconds: How long it takes for that.
        tokens: Input and output.
        cached: How many of the input come from the vendor's cache.
        calls: Names of the tools that it asks for.
        refusals: How often it answers 503 before, each after ``seconds``.
    """

    seconds: float = 0.05
    tokens: tuple[int, int] = (1_000, 100)
    cached: int = 0
    calls: tuple[str, ...] = ()
    refusals: int = 0


@contextmanager
def serve(manners: Mapping[str, Said]) -> Iterator[str]:
    """Run the model; give the base URL for the ``openai`` client."""
    asked: defaultdict[str, int] = defaultdict(int)
    numbers = iter(range(1, 1_000))

    def answer(request: local_http.Request) -> None:
        body = json.loads(request.body())
        prompt = str(body["messages"][-1]["content"])
        said = manners[prompt]
        asked[prompt] += 1
        threading.Event().wait(said.seconds)
        if asked[prompt] <= said.refusals:
            return request.send_json(503, {"error": {"message": "overloaded", "code": "overloaded"}})
        return request.send_json(200, demo_wire.openai_completion(_reply(body, said, next(numbers))))

    with local_http.serving(answer) as url:
        yield f"{url}/v1"


def _reply(request: dict[str, Any], said: Said, number: int) -> Reply:
    return Reply(
        model=request["model"],
        number=number,
        text="" if said.calls else "well",
        calls=tuple(Asked(f"call_{number}_{place}", name, {}) for place, name in enumerate(said.calls)),
        input_tokens=said.tokens[0],
        cached_tokens=said.cached,
        output_tokens=said.tokens[1],
        reasoning_tokens=0,
    )
