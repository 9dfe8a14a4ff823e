"""Mistral's client: one object for sync and async, the methods of the latter end in ``_async``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from loopback import WIRE, Answer
from mistralai.client import Mistral
from mistralai.client.utils import BackoffStrategy, RetryConfig
from providers.case import CANARY, TOOL_ID, Case
from providers.served import longer
from pydantic import BaseModel

_MODEL = "mistral-large-latest"
_DATED = "mistral-large-2512"  # the alias has no price for cached tokens, this one has
_EVENTS = "text/event-stream"
_MESSAGES = [{"role": "user", "content": CANARY}]
_RESULTS = [*_MESSAGES, {"role": "tool", "tool_call_id": TOOL_ID, "content": "18C"}]
_INPUTS = [{"type": "message.input", "role": "user", "content": CANARY}]


@dataclass(frozen=True)
class _Door:
    """A client, and the ending of the methods to call."""

    client: Mistral
    ending: str

    def call(self, resource: str, method: str, **arguments: Any) -> Any:
        place: Any = self.client
        for name in resource.split("."):
            place = getattr(place, name)
        return getattr(place, f"{method}{self.ending}")(**arguments)

    def close(self) -> Any:
        return (self.client.__aexit__ if self.ending else self.client.__exit__)(None, None, None)


def _connect(url: str, kind: str) -> _Door:
    """Return a client that tries a second time, and no third: by then its time is over."""
    backoff = BackoffStrategy(420, 420, 1, 400, jitter_ms=0)
    retries = RetryConfig("backoff", backoff, retry_connection_errors=False)
    ending = "_async" if kind == "async" else ""
    return _Door(Mistral(api_key="none", server_url=url, retry_config=retries), ending)


def _connect_once(url: str, kind: str) -> _Door:
    return _Door(Mistral(api_key="none", server_url=url), "_async" if kind == "async" else "")


def _served(file: str) -> bytes:
    return (WIRE / file).read_bytes().replace(_MODEL.encode(), _DATED.encode())


def _chat(door: _Door, messages: Any = _MESSAGES, **more: Any) -> Any:
    return door.call("chat", "complete", model=_MODEL, messages=messages, **more)


def _chat_stream(door: _Door, **more: Any) -> Any:
    return door.call("chat", "stream", model=_MODEL, messages=_MESSAGES, **more)


def _fim(door: _Door, method: str, **more: Any) -> Any:
    return door.call("fim", method, model=_MODEL, prompt=CANARY, **more)


def _agents(door: _Door, method: str, messages: Any = _MESSAGES, **more: Any) -> Any:
    return door.call("agents", method, agent_id="ag_1", messages=messages, **more)


def _converse(door: _Door, method: str, inputs: Any = CANARY, **more: Any) -> Any:
    return door.call("beta.conversations", method, inputs=inputs, **more)


def _respond(door: _Door, asked: Any = CANARY, **more: Any) -> Any:
    return door.call("responses", "create", model=_MODEL, input=asked, **more)


def _of_mistral(file: str, *output: dict[str, Any]) -> bytes:
    """Return an answer of the responses API as Mistral's server gives it."""
    body = (WIRE / file).read_bytes().replace(b"gpt-5-mini-2026-01-15", _DATED.encode())
    return json.dumps({**json.loads(body), "output": output}).encode() if output else body


class _City(BaseModel):
    name: str


async def _drained(stream: Any) -> None:
    if hasattr(stream, "__await__"):
        stream = await stream
    if hasattr(stream, "__aiter__"):
        async for _ in stream:
            pass
    else:
        for _ in stream:
            pass


_FACTS: dict[str, Any] = {
    "gen_ai.provider.name": "mistral_ai",
    "gen_ai.request.model": _MODEL,
    "gen_ai.response.model": _DATED,
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.usage.input_tokens": 1200,
    "gen_ai.usage.output_tokens": 85,
    "gen_ai.usage.cache_read.input_tokens": 1024,
    # By hand, per million: 176 fresh at 0.5, 1024 cached at 0.05, 85 written at 1.5 dollars.
    "agentprof.cost.total": pytest.approx((176 * 0.5 + 1024 * 0.05 + 85 * 1.5) / 1e6),
    "server.address": "127.0.0.1",
}
_REFUSED: dict[str, Any] = {
    "error": Answer("mistral_error_429.json", 429),
    "error_facts": {"http.response.status_code": 429, "error.type": "rate_limited"},
}
_WHOLE, _STREAM = _served("mistral_chat.json"), _served("mistral_chat_stream.sse")
_BROKEN = b'data: {"object": "error", "message": "overloaded"}\n\n'
_CHAT_ANSWERS: dict[str, Any] = {
    "answer": Answer(_WHOLE),
    "stream_answer": Answer(_STREAM, content_type=_EVENTS),
    "broken_stream": Answer(_STREAM.partition(b"\n\n")[0] + b"\n\n" + _BROKEN, content_type=_EVENTS),
    "tools_answer": Answer("mistral_chat_tool_calls.json"),
}
_USED = {"prompt_tokens": 177, "completion_tokens": 134, "connector_tokens": 3929, "total_tokens": 4240}
_SAID = {"type": "message.output", "model": _DATED, "role": "assistant", "content": "Paris."}
_CALLED = {"type": "function.call", "tool_call_id": "call_m1", "name": "weather", "arguments": "{}"}


def _conversation(*outputs: dict[str, Any]) -> Answer:
    body = {
        "object": "conversation.response",
        "conversation_id": "conv_1",
        "outputs": outputs,
        "usage": _USED,
    }
    return Answer(json.dumps(body).encode())


def _events(*events: dict[str, Any]) -> Answer:
    texts = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]
    return Answer("".join(texts).encode(), content_type=_EVENTS)


_FUNCTION_CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_m2",
    "name": "weather",
    "arguments": "{}",
    "status": "completed",
}
_STARTED = {"type": "conversation.response.started", "conversation_id": "conv_1"}
_DELTA = {"type": "message.output.delta", "id": "m", "model": _DATED, "content": "Par"}
_DONE = {"type": "conversation.response.done", "usage": _USED}
_CONVERSED: dict[str, Any] = {
    "gen_ai.provider.name": "mistral_ai",
    "gen_ai.response.model": _DATED,
    "gen_ai.conversation.id": "conv_1",
    "gen_ai.usage.input_tokens": 177 + 3929,
    "gen_ai.usage.output_tokens": 134,
    "agentprof.cost.total": pytest.approx(((177 + 3929) * 0.5 + 134 * 1.5) / 1e6),
}

CASES = (
    Case(
        name="mistral-chat",
        library="mistral",
        operation="chat",
        span_name=f"chat {_MODEL}",
        connect=_connect,
        call=_chat,
        stream=_chat_stream,
        facts=_FACTS,
        **_CHAT_ANSWERS,
        **_REFUSED,
        long_stream=lambda count: longer("mistral_chat_stream.sse", count),
        bad_call=lambda door: _chat(door, no_such_argument=1),
        tools_call=lambda door: _chat(door, _RESULTS),
        tools_facts={
            "agentprof.tool_call.ids": ("D681PevKs",),
            "agentprof.tool_result.ids": (TOOL_ID,),
            "gen_ai.response.finish_reasons": ("tool_calls",),
        },
        stream_helpers={
            "parse_stream": lambda door: _drained(
                door.call("chat", "parse_stream", response_format=_City, model=_MODEL, messages=_MESSAGES)
            ),
        },
    ),
    Case(
        name="mistral-agents",
        library="mistral",
        operation="chat",
        span_name="chat",
        connect=_connect_once,
        call=lambda door: _agents(door, "complete"),
        stream=lambda door: _agents(door, "stream"),
        facts={**_FACTS, "gen_ai.request.model": None, "gen_ai.agent.id": "ag_1"},
        **_CHAT_ANSWERS,
        **_REFUSED,
        retries=False,
        bad_call=lambda door: _agents(door, "complete", no_such_argument=1),
        tools_call=lambda door: _agents(door, "complete", _RESULTS),
        tools_facts={
            "agentprof.tool_call.ids": ("D681PevKs",),
            "agentprof.tool_result.ids": (TOOL_ID,),
        },
    ),
    Case(
        name="mistral-fim",
        library="mistral",
        operation="text_completion",
        span_name=f"text_completion {_MODEL}",
        connect=_connect_once,
        call=lambda door: _fim(door, "complete"),
        stream=lambda door: _fim(door, "stream"),
        facts=_FACTS,
        **{name: answer for name, answer in _CHAT_ANSWERS.items() if name != "tools_answer"},
        **_REFUSED,
        retries=False,
        bad_call=lambda door: _fim(door, "complete", no_such_argument=1),
    ),
    Case(
        name="mistral-conversations",
        library="mistral",
        operation="chat",
        span_name=f"chat {_MODEL}",
        connect=_connect_once,
        call=lambda door: _converse(door, "start", model=_MODEL),
        stream=lambda door: _converse(door, "start_stream", _INPUTS, model=_MODEL),
        answer=_conversation(_SAID),
        stream_answer=_events(_STARTED, _DELTA, _DELTA, _DONE),
        facts=_CONVERSED,
        **_REFUSED,
        retries=False,
        broken_stream=Answer(b"event: message.output.delta\ndata: {]\n\n", content_type=_EVENTS),
        long_stream=lambda count: _events(_STARTED, *[_DELTA] * count, _DONE),
        bad_call=lambda door: _converse(door, "start", no_such_argument=1),
        tools_call=lambda door: _converse(
            door,
            "append",
            [{"type": "function.result", "tool_call_id": TOOL_ID, "result": "18C"}],
            conversation_id="conv_1",
        ),
        tools_answer=_conversation(_CALLED),
        tools_facts={
            "agentprof.tool_call.ids": ("call_m1",),
            "agentprof.tool_result.ids": (TOOL_ID,),
            "gen_ai.conversation.id": "conv_1",
        },
        helpers={
            "append": lambda door: _converse(door, "append", conversation_id="conv_1"),
            "restart": lambda door: _converse(
                door, "restart", conversation_id="conv_1", from_entry_id="msg_1"
            ),
        },
        stream_helpers={
            "append_stream": lambda door: _drained(
                _converse(door, "append_stream", conversation_id="conv_1")
            ),
            "restart_stream": lambda door: _drained(
                _converse(door, "restart_stream", conversation_id="conv_1", from_entry_id="msg_1")
            ),
        },
    ),
    Case(
        name="mistral-responses",
        library="mistral",
        operation="chat",
        span_name=f"chat {_MODEL}",
        connect=_connect_once,
        call=_respond,
        stream=lambda door: _respond(door, stream=True),
        answer=Answer(_of_mistral("openai_responses.json")),
        stream_answer=Answer(_of_mistral("openai_responses_stream.sse"), content_type=_EVENTS),
        facts={
            **{name: value for name, value in _FACTS.items() if "cost" not in name},
            "gen_ai.usage.output_tokens": 150,
            "gen_ai.usage.reasoning.output_tokens": 100,
            "agentprof.cost.total": pytest.approx((176 * 0.5 + 1024 * 0.05 + 150 * 1.5) / 1e6),
        },
        **_REFUSED,
        retries=False,
        broken_stream=Answer(b"event: response.output_text.delta\ndata: {]\n\n", content_type=_EVENTS),
        bad_call=lambda door: _respond(door, no_such_argument=1),
        tools_call=lambda door: _respond(
            door, [{"type": "function_call_output", "call_id": TOOL_ID, "output": "18C"}]
        ),
        tools_answer=Answer(_of_mistral("openai_responses.json", _FUNCTION_CALL)),
        tools_facts={
            "agentprof.tool_call.ids": ("call_m2",),
            "agentprof.tool_result.ids": (TOOL_ID,),
            "gen_ai.response.finish_reasons": ("tool_call",),
        },
    ),
    Case(
        name="mistral-embeddings",
        library="mistral",
        operation="embeddings",
        span_name="embeddings mistral-embed",
        connect=_connect_once,
        call=lambda door: door.call("embeddings", "create", model="mistral-embed", inputs=CANARY),
        answer=Answer("mistral_embeddings.json"),
        facts={
            "gen_ai.provider.name": "mistral_ai",
            "gen_ai.usage.input_tokens": 12,
            "agentprof.cost.total": pytest.approx(12 * 0.1 / 1e6),
        },
        **_REFUSED,
        retries=False,
        bad_call=lambda door: door.call("embeddings", "create", no_such_argument=1),
        has_content=False,
    ),
)
