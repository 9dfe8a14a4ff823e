"""Which tool calls a response asked for, and whose results a request brought: the joints between calls.

Our own spans list the ids. Others have them inside messages, written in one of a few ways:

    {"type": "tool_call", "id": ...}            OpenTelemetry     {"type": "tool_call_response", "id": ...}
    {"tool_calls": [{"id": ...}]}               OpenAI            {"role": "tool", "tool_call_id": ...}
    {"type": "tool_use", "id": ...}             Anthropic         {"type": "tool_result", "tool_use_id": ...}
    {"type": "tool-call", "toolCallId": ...}    Vercel            {"type": "tool-result", "toolCallId": ...}
    {"toolUse": {"toolUseId": ...}}             Bedrock           {"toolResult": {"toolUseId": ...}}
    llm.output_messages.0.message.tool_calls.0.tool_call.id       flattened: OpenInference, OpenLLMetry
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.model.dialects.values import parsed, texts

if TYPE_CHECKING:
    from otel_agentprof.model.span import Event, Span

_ANSWERS: Final = (
    semconv.OUTPUT_MESSAGES,
    "ai.response.toolCalls",
    "gen_ai.completion",
    "langfuse.observation.output",
    "mlflow.spanOutputs",
    "output.value",
)
_QUESTIONS: Final = (
    semconv.INPUT_MESSAGES,
    "ai.prompt.messages",
    "gen_ai.prompt",
    "langfuse.observation.input",
    "mlflow.spanInputs",
    "input.value",
)
_FLAT_CALL: Final = re.compile(
    r"(?:llm\.output_messages\.\d+\.message|gen_ai\.completion\.\d+)"
    r"\.tool_calls\.\d+\.(?:tool_call\.)?id"
)
_FLAT_RESULT: Final = re.compile(
    r"(?:llm\.input_messages\.(\d+)\.message|gen_ai\.prompt\.(\d+))\.tool_call_id"
)
_FLAT_ROLE: Final = re.compile(r"(?:llm\.input_messages\.(\d+)\.message|gen_ai\.prompt\.(\d+))\.role")
_CALL_TYPES: Final = frozenset({"tool_call", "tool_use", "tool-call", "function_call"})
_RESULT_TYPES: Final = frozenset({"tool_call_response", "tool_result", "tool-result", "function_call_output"})
_CALL_ID: Final = ("call_id", "id", "toolCallId", "toolUseId")
_RESULT_ID: Final = ("call_id", "tool_call_id", "tool_use_id", "toolCallId", "toolUseId", "id")
# OpenTelemetry's events of 2024, one for each message; Strands writes them still, with Bedrock's content.
_ANSWER_EVENT: Final = "gen_ai.choice"
_TURN_EVENT: Final = "gen_ai.assistant.message"
_RESULT_EVENT: Final = "gen_ai.tool.message"
_MODEL_ROLES: Final = frozenset({"assistant", "model", "ai"})
_MOST_NODES: Final = 20_000  # of one document; more is no message list


def tool_call_ids_of(span: Span) -> tuple[str, ...]:
    """Return the ids of the tool calls that a response asked for, in its order."""
    attributes = span.attributes
    own = attributes.get(semconv.TOOL_CALL_IDS)
    if own and (ids := texts(own)):
        return tuple(dict.fromkeys(ids))
    ids = tuple([str(attributes[key]) for key in _flat_call_keys(tuple(attributes))])
    for key in () if ids else filter(attributes.__contains__, _ANSWERS):
        ids = tuple(_ids(_content(attributes.get(key)), _call_id))
        if ids:
            break
    return tuple(dict.fromkeys(ids or _ids_in_answers(span.events)))


@lru_cache(maxsize=64)  # calls of one kind have the same attributes; names only, no values
def _flat_call_keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple([key for key in keys if key.endswith("id") and _FLAT_CALL.fullmatch(key)])


def tool_result_ids_of(span: Span) -> tuple[str, ...]:
    """Return the ids of the tool calls whose results are new in a request: after the model's last turn."""
    attributes = span.attributes
    ids = texts(attributes.get(semconv.TOOL_RESULT_IDS)) or _flat_result_ids(attributes)
    for key in () if ids else _QUESTIONS:
        ids = tuple(_ids(_since_the_model_spoke(_content(attributes.get(key))), _result_id))
        if ids:
            break
    return tuple(dict.fromkeys(ids or _ids_in_questions(span.events)))


def _ids_in_answers(events: Iterable[Event]) -> Iterator[str]:
    for event in events:
        if event.name == _ANSWER_EVENT:
            for value in event.attributes.values():
                yield from _ids(_content(value), _call_id)
        yield from _ids(_content(event.attributes.get(semconv.OUTPUT_MESSAGES)), _call_id)


def _ids_in_questions(events: Iterable[Event]) -> Iterator[str]:
    found: list[str] = []
    for event in events:
        if event.name == _TURN_EVENT:
            found.clear()
        elif event.name == _RESULT_EVENT:
            inside = [id_ for value in event.attributes.values() for id_ in _ids(_content(value), _result_id)]
            found += inside or texts(event.attributes.get("id"))
        messages = _content(event.attributes.get(semconv.INPUT_MESSAGES))
        found += _ids(_since_the_model_spoke(messages), _result_id)
    yield from found


def _flat_result_ids(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    found: dict[int, str] = {}
    last_turn = -1
    for key, value in attributes.items():
        if match := _FLAT_RESULT.fullmatch(key):
            found[int(match[1] or match[2])] = str(value)
        elif (match := _FLAT_ROLE.fullmatch(key)) and value in _MODEL_ROLES:
            last_turn = max(last_turn, int(match[1] or match[2]))
    return tuple(call for number, call in sorted(found.items()) if number > last_turn)


def _content(value: Any) -> Any:
    return parsed(value) if isinstance(value, str) else value


def _since_the_model_spoke(messages: Any) -> Any:
    if isinstance(messages, Mapping):
        messages = messages.get("messages", messages)
    if not isinstance(messages, list | tuple):
        return messages
    spoken = [
        number
        for number, message in enumerate(messages)
        if isinstance(message, Mapping) and message.get("role", message.get("type")) in _MODEL_ROLES
    ]
    return messages[spoken[-1] + 1 :] if spoken else messages


def _ids(content: Any, id_of: Any) -> Iterator[str]:
    """Yield the ids in a document, in its order, without recursion: documents nest as they like."""
    todo, seen = [content], 0
    while todo and seen < _MOST_NODES:
        node = todo.pop()
        seen += 1
        if isinstance(node, Mapping):
            found = id_of(node)
            if isinstance(found, str) and found:
                yield found
                continue
            todo.extend(reversed(list(node.values())))
        elif isinstance(node, list | tuple):
            todo.extend(reversed(node))


def _call_id(node: Mapping[str, Any]) -> Any:
    if "toolUse" in node:
        return _first(node["toolUse"], _CALL_ID)
    if _is_one_of(node.get("type"), _CALL_TYPES) or ("function" in node and "id" in node):
        return _first(node, _CALL_ID)
    return node.get("toolCallId") if "toolName" in node and "result" not in node else None


def _result_id(node: Mapping[str, Any]) -> Any:
    if "toolResult" in node:
        return _first(node["toolResult"], _RESULT_ID)
    if node.get("role") == "tool" and "tool_call_id" in node:
        return node["tool_call_id"]
    return _first(node, _RESULT_ID) if _is_one_of(node.get("type"), _RESULT_TYPES) else None


def _is_one_of(word: Any, words: frozenset[str]) -> bool:
    return isinstance(word, str) and word in words


def _first(node: Any, keys: tuple[str, ...]) -> Any:
    return next((node[key] for key in keys if key in node), None) if isinstance(node, Mapping) else None
