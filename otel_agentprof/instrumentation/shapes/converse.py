"""Bedrock's Converse; Amazon's Nova models answer in its words when asked in their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.instrumentation import content
from otel_agentprof.instrumentation.spec import Content, Reply
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

_SETTINGS: Final = {
    "maxTokens": semconv.REQUEST_MAX_TOKENS,
    "temperature": semconv.REQUEST_TEMPERATURE,
    "topP": semconv.REQUEST_TOP_P,
}


def read(reply: Reply, response: Any) -> None:
    """Fill a reply from a whole response; from the headers of a stream that is still to come."""
    take_metadata(reply, response)
    if "stopReason" in response:
        take_message(reply, response)
    if response.get("serviceTier"):
        reply.service_tier = response["serviceTier"].get("type")


def take_metadata(reply: Reply, response: Any) -> None:
    """Note the id of the request and how often it was sent again."""
    if "ResponseMetadata" not in response:
        return
    metadata = response["ResponseMetadata"]
    reply.id = metadata["RequestId"] if "RequestId" in metadata else None
    if "RetryAttempts" in metadata and metadata["RetryAttempts"]:
        reply.more = {semconv.RETRY_COUNT: metadata["RetryAttempts"]}


def take_message(reply: Reply, answer: Any) -> None:
    """Note what an answer says: why it ended, what tools it asks for, its tokens."""
    reply.finish_reasons.append(answer["stopReason"])
    for block in _blocks_of(answer):
        if "toolUse" in block:
            _take_tool(reply, block["toolUse"])
    reply.usage = usage_of(answer.get("usage"))


def read_event(reply: Reply, event: Any) -> None:
    """Add an event of a stream to a reply."""
    if "contentBlockDelta" in event:  # most events are
        if reply.output is not None:
            _add_delta(reply, event["contentBlockDelta"])
    elif "contentBlockStart" in event:
        begun = event["contentBlockStart"]
        tool = (begun.get("start") or {}).get("toolUse")
        if tool:
            _take_tool(reply, tool)
            if reply.output is not None:
                place = begun["contentBlockIndex"]
                reply.output.add_call(
                    place, tool["toolUseId"], tool["name"], None, kind=_call_kind(tool), is_json=True
                )
    elif "messageStop" in event:
        reply.finish_reasons.append(event["messageStop"]["stopReason"])
    elif "metadata" in event:
        told = event["metadata"]
        reply.usage = usage_of(told.get("usage"))
        reply.service_tier = (told.get("serviceTier") or {}).get("type") or reply.service_tier
        reply.is_final = True


def usage_of(usage: Any) -> TokenUsage | None:
    """Return the tokens with the cached ones in the input: Bedrock counts them beside it."""
    if not usage or usage.get("inputTokens") is None:
        return None
    # Nova's own answers have "Count" at the end of these names.
    read = usage.get("cacheReadInputTokens") or usage.get("cacheReadInputTokenCount") or 0
    written = usage.get("cacheWriteInputTokens") or usage.get("cacheWriteInputTokenCount") or 0
    written_1h = sum(
        [each.get("inputTokens", 0) for each in usage.get("cacheDetails") or () if each.get("ttl") == "1h"]
    )
    fresh, made = usage["inputTokens"], usage.get("outputTokens") or 0
    return TokenUsage(fresh + read + written, made, read, written, 0, written_1h)


def _take_tool(reply: Reply, tool: Any) -> None:
    if tool.get("type") != "server_tool_use":  # Bedrock runs such a one by itself
        reply.tool_call_ids.append(tool["toolUseId"])


def request_facts(arguments: Mapping[str, Any], facts: dict[str, Any]) -> None:
    """Add the settings, and the ids of the tool results that are fed back."""
    settings = arguments.get("inferenceConfig")
    if settings.__class__ is dict:
        for name, attribute in _SETTINGS.items():
            if name in settings:
                facts[attribute] = settings[name]
        content.add_texts(facts, semconv.REQUEST_STOP_SEQUENCES, settings.get("stopSequences"))
    if ids := result_ids(arguments.get("messages")):
        facts[semconv.TOOL_RESULT_IDS] = tuple(ids)


def result_ids(messages: Any) -> list[str]:
    """Return the ids of the results since the model last spoke, however its family writes them."""
    ids: list[str] = []
    if messages.__class__ is not list:
        return ids
    for message in reversed(messages):
        if message.__class__ is not dict or ("role" in message and message["role"] == "assistant"):
            break
        if "tool_call_id" in message:
            ids.insert(0, message["tool_call_id"])
        if "content" in message and message["content"].__class__ is list:
            ids[:0] = _ids_in(message["content"])
    return ids


def _ids_in(blocks: list[Any]) -> list[str]:
    found = []
    for block in blocks:
        if block.__class__ is dict and "toolResult" in block:
            found.append(block["toolResult"]["toolUseId"])
        elif block.__class__ is dict and "tool_use_id" in block:
            found.append(block["tool_use_id"])
    return found


def _blocks_of(answer: Any) -> list[Any]:
    message = (answer.get("output") or {}).get("message") or {}
    return content.items_of(message.get("content"))


# --- Content: only when asked for ---------------------------------------------------------------------------


def read_content(arguments: Mapping[str, Any]) -> Content:
    """Return the messages, system prompt and tools of a request."""
    tools = content.items_of((arguments.get("toolConfig") or {}).get("tools"))
    messages = [
        {"role": message.get("role", "user"), "parts": parts(message.get("content"))}
        for message in content.items_of(arguments.get("messages"))
    ]
    return Content(messages, parts(arguments.get("system")), tools)


def output(response: Any) -> list[Any]:
    """Return the blocks of an answer."""
    return [{"role": "assistant", "parts": content.spoken(parts(_blocks_of(response)))}]


def parts(blocks: Any) -> list[Any]:
    """Return content blocks in the conventions' shape."""
    return [_part(block) for block in content.items_of(blocks)]


def _part(block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    if "text" in block:
        return {"type": "text", "content": block["text"]}
    if "toolUse" in block:
        tool = block["toolUse"]
        call = {"name": tool.get("name"), "arguments": tool.get("input")}
        return {"type": _call_kind(tool), "id": tool.get("toolUseId"), **call}
    if "toolResult" in block:
        result = block["toolResult"]
        answer = result.get("content")
        return {"type": "tool_call_response", "id": result.get("toolUseId"), "response": answer}
    if "reasoningContent" in block:
        thought = block["reasoningContent"].get("reasoningText") or {}
        return {"type": "reasoning", "content": thought.get("text") or ""}
    return block


def _call_kind(tool: Any) -> str:
    return "server_tool_call" if tool.get("type") == "server_tool_use" else "tool_call"


def _add_delta(reply: Reply, told: Any) -> None:
    delta, place = told["delta"], told["contentBlockIndex"]
    if reply.output is None:
        return
    if "text" in delta:
        reply.output.add("text", delta["text"], place)
    elif "toolUse" in delta:
        reply.output.add_call(place, None, None, delta["toolUse"]["input"], is_json=True)
    elif "reasoningContent" in delta:
        reply.output.add("reasoning", delta["reasoningContent"].get("text"), place)
