"""Ollama's client: chat, generate, embeddings; all go through one method, with the times at its server.

What has no usage counts is left without: a server that took the whole prompt from its cache may not say how
long the prompt was.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from otel_agentprof import semconv
from otel_agentprof.instrumentation import callers, content
from otel_agentprof.instrumentation.shapes import chat
from otel_agentprof.instrumentation.spec import CallSpec, Content, ProviderSpec, Reply
from otel_agentprof.instrumentation.streamed import CALLS
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMES = {
    "load_duration": semconv.SERVER_LOAD_TIME,
    "prompt_eval_duration": semconv.SERVER_PROMPT_TIME,
    "eval_duration": semconv.SERVER_COMPLETION_TIME,
}
_OPTIONS = {
    "frequency_penalty": semconv.REQUEST_FREQUENCY_PENALTY,
    "num_predict": semconv.REQUEST_MAX_TOKENS,
    "presence_penalty": semconv.REQUEST_PRESENCE_PENALTY,
    "seed": semconv.REQUEST_SEED,
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_k": semconv.REQUEST_TOP_K,
    "top_p": semconv.REQUEST_TOP_P,
}


def _read(reply: Reply, answer: Any) -> None:
    reply.model = answer.model
    if answer.done_reason:
        reply.finish_reasons.append(answer.done_reason)
    reply.more = _times(answer)
    if answer.prompt_eval_count is not None:
        reply.usage = TokenUsage(answer.prompt_eval_count, answer.eval_count or 0)
    elif answer.eval_count is not None:
        reply.more[semconv.USAGE_OUTPUT_TOKENS] = answer.eval_count


def _read_chunk(reply: Reply, chunk: Any) -> None:
    if chunk.done:
        _read(reply, chunk)
        reply.is_final = True
    if reply.output is not None:
        said = getattr(chunk, "message", chunk)
        reply.output.add("reasoning", getattr(said, "thinking", None), 0)
        reply.output.add("text", chunk.response if said is chunk else said.content)
        for call in getattr(said, "tool_calls", None) or ():  # always whole, never in pieces
            reply.output.add_part(
                {"type": "tool_call", "id": None, **call.function.model_dump()}, least=CALLS
            )


def _read_embeddings(reply: Reply, answer: Any) -> None:
    reply.model = getattr(answer, "model", None)  # the older endpoint gives nothing but the vector
    count = getattr(answer, "prompt_eval_count", None)
    reply.usage = None if count is None else TokenUsage(count)
    reply.more = _times(answer)


def _times(answer: Any) -> dict[str, Any]:
    spent_ns = {attribute: getattr(answer, name, None) for name, attribute in _TIMES.items()}
    return {attribute: ns / 1e9 for attribute, ns in spent_ns.items() if ns is not None}


def _request_facts(body: Mapping[str, Any], facts: dict[str, Any]) -> None:
    options = body["options"] if "options" in body else {}
    for name, attribute in _OPTIONS.items():
        if name in options:
            facts[attribute] = options[name]
    if "stop" in options:
        content.add_texts(facts, semconv.REQUEST_STOP_SEQUENCES, options["stop"])
    if body.get("format"):
        facts[semconv.OUTPUT_TYPE] = "json"


def _read_prompt(body: Mapping[str, Any]) -> Content:
    system = [{"type": "text", "content": body["system"]}] if body.get("system") else []
    return chat.read_prompt(body)._replace(system=system)


def _message(answer: Any) -> list[Any]:
    return chat.read_content({"messages": [answer.message]}).input


_CHAT = CallSpec(
    targets=(),
    operation="chat",
    role="llm",
    read=_read,
    read_chunk=_read_chunk,
    prompt=("tools", "messages"),
    request_facts=_request_facts,
    read_content=chat.read_content,
    read_output=_message,
)
_GENERATE = replace(
    _CHAT,
    operation="text_completion",
    prompt=("template", "system", "context", "prompt"),
    read_content=_read_prompt,
    read_output=chat.generated,
)
_EMBED = CallSpec(
    targets=(),
    operation="embeddings",
    role="embedding",
    read=_read_embeddings,
    request={"dimensions": semconv.EMBEDDINGS_DIMENSION_COUNT},
)
_ROUTES = {
    "/api/chat": _CHAT,
    "/api/generate": _GENERATE,
    "/api/embed": _EMBED,
    "/api/embeddings": _EMBED,
}


def _route(
    _client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[CallSpec, Mapping[str, Any]] | None:
    spec = _ROUTES.get(args[-1])  # what to make of the answer, the HTTP method, the path
    return None if spec is None else (spec, kwargs["json"])


SPEC = ProviderSpec(
    name="ollama",
    provider="ollama",
    distribution="ollama>=0.4",
    calls=(
        replace(
            _CHAT,
            targets=("ollama._client:Client._request", "ollama._client:AsyncClient._request"),
            is_lazy=True,
            route=_route,
        ),
    ),
    caller_of=callers.of_http,
    not_in_fingerprint=frozenset({"keep_alive", "stream"}),
)
