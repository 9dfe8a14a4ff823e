"""Bodies that Bedrock passes on as they are: each family of models has its own.

    Anthropic    messages as in its own API     Llama     generation, prompt_token_count
    Nova         as Converse                    Mistral   outputs, or choices
    Titan        results, inputTextTokenCount   Cohere    generations, or finish_reason

Where a body counts no tokens, the headers of the answer or the last chunk of the stream do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.instrumentation import content, kept_body
from otel_agentprof.instrumentation.shapes import chat, converse, messages
from otel_agentprof.instrumentation.spec import Content, Record, Reply
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

_SETTINGS: Final = {
    "max_tokens": semconv.REQUEST_MAX_TOKENS,
    "maxTokens": semconv.REQUEST_MAX_TOKENS,
    "max_new_tokens": semconv.REQUEST_MAX_TOKENS,
    "maxTokenCount": semconv.REQUEST_MAX_TOKENS,
    "max_gen_len": semconv.REQUEST_MAX_TOKENS,
    "max_completion_tokens": semconv.REQUEST_MAX_TOKENS,
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "topP": semconv.REQUEST_TOP_P,
    "p": semconv.REQUEST_TOP_P,
    "top_k": semconv.REQUEST_TOP_K,
    "topK": semconv.REQUEST_TOP_K,
    "k": semconv.REQUEST_TOP_K,
}
_STOPS: Final = frozenset({"stop_sequences", "stopSequences", "stop"})
_NUMBERS: Final = (int, float)
_PLACES: Final = ("inferenceConfig", "textGenerationConfig")
_INPUT_HEADER: Final = "x-amzn-bedrock-input-token-count"
_OUTPUT_HEADER: Final = "x-amzn-bedrock-output-token-count"
_METRICS: Final = "amazon-bedrock-invocationMetrics"
_REASONS: Final = ("stop_reason", "completionReason", "finish_reason")
# A chunk of mere text need not be parsed, unless content is asked for.
_TELLS: Final = re.compile(
    rb"message_(?:start|delta|stop)|content_block_start|contentBlockStart|messageStop|metadata|"
    rb"invocationMetrics|\"(?:stop_reason|completionReason|finish_reason)\"\s*:\s*\"|tool_calls"
)


def read(reply: Reply, response: Any) -> None:
    """Fill a reply from a whole response; from the headers of a stream that is still to come."""
    converse.take_metadata(reply, response)
    answer = _answer(response)
    if answer is not None:
        _take_answer(reply, answer)
    if "serviceTier" in response:  # what Bedrock billed goes before what the model's own answer says
        reply.service_tier = response["serviceTier"]
    if reply.usage is None:
        headers = (response.get("ResponseMetadata") or {}).get("HTTPHeaders") or {}
        reply.usage = _counted(headers.get(_INPUT_HEADER), headers.get(_OUTPUT_HEADER))


def _answer(response: Any) -> Any:
    """Return the body of a response as a record; None for one that is no JSON object, or cannot be had."""
    return _record(kept_body.peek(response["body"])) if "body" in response else None


def _record(data: bytes | None) -> Any:
    found = None if data is None else content.document(data, Record)
    return found if found.__class__ is Record else None


def _take_answer(reply: Reply, answer: Any) -> None:
    request_id = reply.id
    if answer.type == "message":
        messages.read(reply, answer)
    elif answer.stopReason:
        converse.take_message(reply, answer)
    elif answer.choices:
        chat.read(reply, answer)
        reply.finish_reasons = [reason for reason in reply.finish_reasons if reason]
    else:
        made = sum([each.tokenCount or 0 for each in answer.results or ()])
        reply.usage = _counted(
            answer.inputTextTokenCount if answer.prompt_token_count is None else answer.prompt_token_count,
            answer.generation_token_count or made,
        )
    reply.id = reply.id or request_id
    _take_reasons(reply, answer)


def _take_reasons(reply: Reply, answer: Any) -> None:
    """Note why an answer, or each of its choices, ended, where no one has yet."""
    if reply.finish_reasons:
        return
    for each in _parts_of(answer):
        reply.finish_reasons += [each[name] for name in _REASONS if isinstance(each.get(name), str)]


def _parts_of(answer: Any) -> list[Any]:
    """Return an answer, and what it has several of."""
    found = [answer]
    for name in ("results", "outputs", "generations", "choices"):
        found += [part for part in content.items_of(answer.get(name)) if isinstance(part, Record)]
    return found


def read_chunk(reply: Reply, event: Any) -> None:
    """Add a chunk of a stream to a reply."""
    data = event["chunk"]["bytes"]
    if reply.output is None and not _TELLS.search(data):
        return
    answer = _record(data)
    if answer is None:
        return
    if answer.type:
        messages.read_event(reply, answer)
    else:
        converse.read_event(reply, answer)
        _take_reasons(reply, answer)
        if reply.output is not None:
            for text in _texts(answer):
                reply.output.add("text", text)
    if _METRICS in answer:
        _take_metrics(reply, answer[_METRICS])


def _take_metrics(reply: Reply, told: Any) -> None:
    reply.is_final = True
    if reply.usage is None:
        read, written = told.cacheReadInputTokenCount or 0, told.cacheWriteInputTokenCount or 0
        fresh = told.inputTokenCount
        reply.usage = _counted(None if fresh is None else fresh + read + written, told.outputTokenCount)
        if reply.usage is not None:
            reply.usage = reply.usage._replace(cache_read=read, cache_write=written)


def _counted(taken: Any, made: Any) -> TokenUsage | None:
    return None if taken is None else TokenUsage(int(taken), int(made or 0))


def request_facts(arguments: Mapping[str, Any], facts: dict[str, Any]) -> None:
    """Add the settings, wherever the family has them, and the ids of the tool results that are fed back."""
    for place in (arguments, *[arguments[name] for name in _PLACES if name in arguments]):
        if place.__class__ is not dict:
            continue
        for name in place:
            if name in _SETTINGS and place[name].__class__ in _NUMBERS:
                facts[_SETTINGS[name]] = place[name]
            elif name in _STOPS:
                content.add_texts(facts, semconv.REQUEST_STOP_SEQUENCES, place[name])
    if ids := converse.result_ids(arguments.get("messages")):
        facts[semconv.TOOL_RESULT_IDS] = tuple(ids)


# --- Content: only when asked for ---------------------------------------------------------------------------


def read_content(arguments: Mapping[str, Any]) -> Content:
    """Return the messages, or the prompt, of a request."""
    asked = messages.read_content(arguments)
    system = converse.parts(asked.system)
    if asked.input:
        told = [{**message, "parts": converse.parts(message["parts"])} for message in asked.input]
        return Content(told, system, asked.tools)
    prompts = [arguments[name] for name in ("prompt", "inputText", "message") if name in arguments]
    return Content([content.text("user", prompt) for prompt in prompts], system, asked.tools)


def output(response: Any) -> list[Any]:
    """Return the answer of a whole response."""
    answer = _answer(response)
    if answer is None:
        return []
    if answer.type == "message":
        return messages.output(answer)
    if answer.stopReason:
        return converse.output(answer)
    return [content.text("assistant", text) for text in _texts(answer)]


def _texts(answer: Any) -> list[str]:
    found = []
    for part in _parts_of(answer):
        told = part.message or part.delta
        texts = (
            part.generation,
            part.outputText,
            part.text,
            told.get("content") if isinstance(told, dict) else None,
        )
        found += [text for text in texts if isinstance(text, str) and text]
    return found
