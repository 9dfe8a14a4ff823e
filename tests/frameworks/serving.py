"""A model that does what the agents of ``agents/`` need, and keeps the books: its books are the truth.

asked with the tools weather and population   ->  calls both at once
both results are there, and a tool "expert"   ->  asks the expert, and for the tool that fails, if there
nothing left to do, and a tool for answers    ->  answers by calling it
DSPy's fields in the instructions             ->  answers in their words
asked to be brief, or anything else           ->  answers in words
"""

from __future__ import annotations

import json
from itertools import count
from typing import Any

from frameworks import payloads
from frameworks.payloads import Served, Wish
from loopback import Answer, Loopback

ANSWER = "Paris is mild and two million people live there."
_FIELD = "[[ ## answer ## ]]"
_IN_FIELDS = f"[[ ## reasoning ## ]]\nSo be it.\n\n{_FIELD}\n{ANSWER}\n\n[[ ## completed ## ]]"
BRIEF = "In brief"  # begins a question that wants no tools
_PARALLEL = ("weather", "population")
_RESULTS = ('"role": "tool"', '"function_call_output"', '"tool_result"')  # else the texts of the two tools
_FAILING = "lottery"
_LAST_WORDS = ("final_answer", "submit")  # smolagents and DSPy have answers brought by a call of a tool
_HANDOFF = "transfer_to_"  # the SDK of OpenAI's agents has another agent called by it, which is no tool
_AGENT = "Agent"  # the tool of Claude's program that starts a sub-agent
_TURN_OF_EXPERT = 2  # results that are there by then


class Model(Loopback):
    """The server with the model in it.

    Attributes:
        served: What it answered, in order.
        odd: Requests that it could make nothing of.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.served: list[Served] = []
        self.odd: list[str] = []
        self._numbers = count(1)

    def answer(self, path: str, body: Any) -> Answer:
        path = path.partition("?")[0]
        api = path.rstrip("/").rpartition("/")[2]
        if api not in {"completions", "responses", "messages"}:
            self.odd.append(path)
            return Answer(b'{"error": {"message": "no such path"}}', 404)
        wishes = _wishes(body)
        is_streamed = bool(body.get("stream"))
        served = self._book(api, str(body["model"]), wishes, is_streamed=is_streamed)
        if is_streamed:
            return Answer(_pieces(api, served, wishes, body), content_type="text/event-stream")
        make = {"completions": payloads.chat, "responses": payloads.response, "messages": payloads.message}
        text = _IN_FIELDS if _FIELD in json.dumps(body) else ANSWER
        return Answer(json.dumps(make[api](served, text, wishes)).encode())

    def _book(self, api: str, model: str, wishes: tuple[Wish, ...], *, is_streamed: bool) -> Served:
        number = next(self._numbers)
        served = Served(
            number=number,
            model=model,
            api=api,
            is_streamed=is_streamed,
            tools=tuple(wish.name for wish in wishes if not wish.name.startswith((*_LAST_WORDS, _HANDOFF))),
            input=1000 + 211 * number,
            output=40 + 17 * number,
            cache_read=128 * number,
            cache_write=64 * number if api == "messages" else 0,
            reasoning=8 * number,
        )
        self.served.append(served)
        return served


def _pieces(api: str, served: Served, wishes: tuple[Wish, ...], body: Any) -> bytes:
    if api == "responses":
        return payloads.response_stream(served, ANSWER, wishes)
    if api == "messages":
        return payloads.message_stream(served, ANSWER, wishes)
    tells = bool((body.get("stream_options") or {}).get("include_usage"))
    return payloads.chat_stream(served, ANSWER, wishes, tells=tells)


def _wishes(body: Any) -> tuple[Wish, ...]:
    """Return the tool calls that come next, decided by the request alone."""
    turns = body.get("messages") or body.get("input") or []
    said = json.dumps(turns)
    if BRIEF in said:
        return ()
    results = max(sum(map(said.count, _RESULTS)), said.count("mild in Paris") + said.count("two million in"))
    tools = _tools(body)
    chosen = [name for name in tools if _bare(name) in _PARALLEL] if not results else []
    if results == _TURN_OF_EXPERT:
        chosen = [name for name in tools if "expert" in name or _bare(name) in {_FAILING, _AGENT}]
    if not chosen:
        chosen = [name for name in tools if name in _LAST_WORDS]
    stem = len(turns)
    return tuple(Wish(f"call_{stem}_{name}", name, tools[name]) for name in chosen)


def _bare(name: str) -> str:
    return name.rpartition("__")[2]  # "mcp__city__weather", as Claude's program says it


def _tools(body: Any) -> dict[str, dict[str, str]]:
    """Return arguments for each tool that the request offers."""
    found: dict[str, dict[str, str]] = {}
    for tool in body.get("tools") or ():
        offered = tool.get("function", tool)
        schema = offered.get("parameters") or offered.get("input_schema") or {}
        properties = schema.get("properties") or {}
        wanted = schema.get("required") or list(properties)[:1]
        found[offered["name"]] = dict.fromkeys(wanted, "Paris")
        if "subagent_type" in properties:
            found[offered["name"]]["subagent_type"] = "expert"
    return found
