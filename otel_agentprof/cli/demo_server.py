"""A model on 127.0.0.1 that answers like OpenAI's and Anthropic's, for who has no key or no network.

It looks first and reads then: its first answer asks for every tool whose name begins with "search", the next
one for all the others, once for each of the ``examples`` in a tool's schema; the last one is text. Figures
follow from the texts that it gets: four characters are a token, and what it has read before is cached.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_agentprof import environment
from otel_agentprof.cli import demo_wire, local_http

if TYPE_CHECKING:
    from collections.abc import Iterator

_ANSWER: Final = (
    "Agents spend most of their time waiting: for a model that writes one token after another, and for tools "
    "that are called one by one although the model asked for all at once. Run them side by side, keep "
    "the unchanging part of the prompt in front so that it is cached, and give short jobs to a small model. "
) * 4
_NOTE: Final = "Most relevant: the second and the fourth result."
_CHARACTERS_PER_TOKEN: Final = 4
_CACHED_BY: Final = 128  # tokens: prompts are cached in blocks of this size, from _CACHED_FROM on
_CACHED_FROM: Final = 1024
_FIRST_TOKEN_S: Final = 0.15
_TOKEN_S: Final = 0.0025
_PROMPT_TOKEN_S: Final = 0.000006


class Asked(NamedTuple):
    """A tool that the model wants to be called."""

    call_id: str
    name: str
    arguments: dict[str, Any]


class Reply(NamedTuple):
    """What the model answers: calls, or a text; and how many tokens that took."""

    model: str
    number: int
    text: str
    calls: tuple[Asked, ...]
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int


class Model:
    """The model behind the server; it remembers what it has read."""

    def __init__(self) -> None:
        self._read: dict[str, str] = {}  # the last prompt by model
        self._count = 0
        self._lock = threading.Lock()

    def reply(self, request: dict[str, Any]) -> Reply:
        """Return the answer to a request of either API, after the time that a model would take to begin."""
        prompt = json.dumps([request.get("system"), request.get("tools"), request["messages"]])
        name = str(request["model"])
        calls = _calls(request)
        is_small = any(word in name for word in ("mini", "nano", "haiku"))
        text = "" if calls else _ANSWER if request.get("tools") else _NOTE
        reasoning = 64 if is_small else 0
        with self._lock:
            self._count += 1
            number, known = self._count, _common(self._read.get(name, ""), prompt)
            self._read[name] = prompt
        input_tokens = len(prompt) // _CHARACTERS_PER_TOKEN
        cached = known // _CHARACTERS_PER_TOKEN // _CACHED_BY * _CACHED_BY
        written = len(text) + sum(len(tool) + len(str(arguments)) for tool, arguments in calls)
        time.sleep(_FIRST_TOKEN_S + _PROMPT_TOKEN_S * input_tokens)
        return Reply(
            model=name,
            number=number,
            text=text,
            calls=tuple(Asked(f"call_{number}{chr(97 + i)}", *call) for i, call in enumerate(calls)),
            input_tokens=input_tokens,
            cached_tokens=cached if cached >= _CACHED_FROM else 0,
            output_tokens=written // _CHARACTERS_PER_TOKEN + reasoning,
            reasoning_tokens=reasoning,
        )


@contextmanager
def serve() -> Iterator[str]:
    """Run the server on a free port; give its address, such as ``http://127.0.0.1:40123``."""
    model = Model()

    def answer(request: local_http.Request) -> None:
        asked = json.loads(request.body() or b"{}")
        if request.path.endswith("/chat/completions"):
            reply = model.reply(asked)
            if asked.get("stream"):
                return _stream(request, demo_wire.openai_chunks(reply), reply)
            body = demo_wire.openai_completion(reply)
        elif request.path.endswith("/messages"):
            reply = model.reply(asked)
            body = demo_wire.anthropic_message(reply)
        else:
            return request.send_json(404, {"error": {"message": f"the demo server has no {request.path}"}})
        time.sleep(_TOKEN_S * reply.output_tokens)
        return request.send_json(200, body)

    with local_http.serving(answer) as url:
        yield url


def _stream(request: local_http.Request, chunks: list[dict[str, Any]], reply: Reply) -> None:
    request.send_response(200)
    request.send_header("content-type", "text/event-stream")
    request.send_header("connection", "close")
    request.end_headers()
    for chunk in chunks:
        time.sleep(_TOKEN_S * reply.output_tokens / len(chunks))
        request.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
    request.wfile.write(b"data: [DONE]\n\n")
    request.close_connection = True


@contextmanager
def in_place_of_missing_keys() -> Iterator[None]:
    """Answer the clients of the vendors for which the environment holds no key; leave the others alone."""
    with serve() as url:
        variables = {"NO_PROXY": "127.0.0.1"}
        for vendor, address in (("OPENAI", f"{url}/v1"), ("ANTHROPIC", url)):
            if environment.value_of(f"{vendor}_API_KEY") is None:
                variables |= {f"{vendor}_API_KEY": "offline", f"{vendor}_BASE_URL": address}
        taken = [name for name, value in variables.items() if environment.set_if_unset(name, value)]
        try:
            yield
        finally:
            for name in taken:
                environment.unset(name)


def _calls(request: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the tools to call in this turn, with their arguments; none when it is time to answer."""
    tools = [_tool(tool) for tool in request.get("tools") or ()]
    looking = [tool for tool in tools if tool[0].startswith("search")]
    turns = [turn for turn in (looking, [tool for tool in tools if tool not in looking]) if turn]
    done = sum(map(_has_calls, request["messages"]))
    if done >= len(turns):
        return []
    return [(name, arguments) for name, schema in turns[done] for arguments in _examples(schema)]


def _tool(tool: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    function = tool.get("function") or tool
    return function["name"], function.get("parameters") or function.get("input_schema") or {}


def _has_calls(message: dict[str, Any]) -> bool:
    content = message.get("content")
    blocks = content if isinstance(content, list) else ()
    return bool(message.get("tool_calls")) or any(block.get("type") == "tool_use" for block in blocks)


def _examples(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    properties = schema.get("properties") or {}
    given = {name: facts.get("examples") or [""] for name, facts in properties.items()}
    for number in range(max(map(len, given.values()), default=1)):
        yield {name: examples[number % len(examples)] for name, examples in given.items()}


def _common(before: str, now: str) -> int:
    """Return the length of what two texts begin with."""
    pairs = enumerate(zip(before, now, strict=False))
    return next((place for place, (old, new) in pairs if old != new), min(len(before), len(now)))
