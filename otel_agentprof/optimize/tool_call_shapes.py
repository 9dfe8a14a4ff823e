"""The tool calls that an answer asks for, and their results, in the words of each API.

    chat completions   message.tool_calls              {"role": "tool", "tool_call_id", "content"}, one each
    responses          output: function_call           {"type": "function_call_output", "call_id", "output"}
    messages           content: tool_use               one user message of tool_result blocks

An API is told by what its answers have, not by their class.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_agentprof.errors import AgentProfError
from otel_agentprof.optimize.parts import items, part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_OUTPUTS: Final = {"function_call": "function_call_output", "custom_tool_call": "custom_tool_call_output"}
_BLOCKS: Final = frozenset(
    {"text", "image", "document", "search_result", "input_text", "input_image", "input_file"}
)


class UnknownToolError(LookupError):
    """The model asked for a tool that nobody has."""


class ToolArgumentsError(ValueError):
    """The model gave arguments that are none."""


class Asked(NamedTuple):
    """One tool call.

    Attributes:
        given: The arguments: JSON, or what was read from it already; of a custom tool its input.
        kind: What the API calls such a call.
        is_text: Whether ``given`` is a text for a custom tool.
    """

    call_id: str
    name: str
    given: Any
    kind: str
    is_text: bool

    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return what the function is called with.

        Raises:
            ToolArgumentsError: For what is no JSON, is no object or is nested too deeply to be read.
        """
        if self.is_text:
            return (self.given,), {}
        given = self.given
        if isinstance(given, str):
            try:
                given = json.loads(given or "{}")
            except ValueError as error:
                raise ToolArgumentsError(f"the arguments are no JSON: {error}") from None
            except RecursionError:
                raise ToolArgumentsError("the arguments are nested too deeply") from None
        if given is None:
            given = {}
        if not isinstance(given, Mapping):
            raise ToolArgumentsError(f"the arguments are no JSON object but a {type(given).__name__}")
        if odd := [name for name in given if not isinstance(name, str)]:
            raise ToolArgumentsError(f"the arguments have a name that is no text: {odd[0]!r}")
        return (), dict(given)


class Said(NamedTuple):
    """What is told to the model about one call."""

    asked: Asked
    content: Any
    is_error: bool


class Shape(NamedTuple):
    """An answer that has been read: its calls, and how their results are written."""

    asked: Sequence[Asked]
    write: Callable[[Iterable[Said]], list[dict[str, Any]]]


def read(response: Any) -> Shape:
    """Return the tool calls of an answer.

    Raises:
        AgentProfError: For an object that no API gives.
    """
    choices = items(response, "choices")
    message = part(choices[0], "message") if choices else response
    if _has(message, "tool_calls"):
        return Shape([_of_chat(call) for call in items(message, "tool_calls")], _chat_results)
    if _has(response, "output"):
        calls = [item for item in items(response, "output") if part(item, "type") in _OUTPUTS]
        return Shape([_of_responses(call) for call in calls], _responses_results)
    if _has(message, "content"):
        blocks = [block for block in items(message, "content") if part(block, "type") == "tool_use"]
        return Shape([_of_messages(block) for block in blocks], _messages_results)
    raise AgentProfError(
        f"found no tool calls in a {type(response).__name__}: give the whole answer of OpenAI's chat "
        "completions or responses, or of Anthropic's messages; of a stream what it adds up to"
    )


def said(asked: Asked, outcome: Any) -> Said:
    """Return what is told of a call: its result, or the error that it ended with."""
    if isinstance(outcome, BaseException):
        text = "".join(traceback.format_exception_only(outcome)).strip()
        return Said(asked, f"Error: {text}", is_error=True)
    return Said(asked, _content(outcome), is_error=False)


def json_text(value: Any) -> str:
    """Return a value as JSON; what JSON has no word for as its text."""
    try:
        return json.dumps(value, ensure_ascii=False, default=_plain)
    except Exception:  # noqa: BLE001 - odd keys, a value that contains itself, objects that raise
        return f"<a {type(value).__name__} that cannot be written as JSON>"


def _has(holder: Any, name: str) -> bool:
    return name in holder if isinstance(holder, Mapping) else hasattr(holder, name)


def _of_chat(call: Any) -> Asked:
    custom = part(call, "custom")
    is_text = custom is not None
    about = custom if is_text else part(call, "function")
    given = part(about, "input" if is_text else "arguments")
    return Asked(str(part(call, "id")), str(part(about, "name")), given, "tool", is_text)


def _of_responses(call: Any) -> Asked:
    kind = str(part(call, "type"))
    is_text = kind == "custom_tool_call"
    given = part(call, "input" if is_text else "arguments")
    return Asked(str(part(call, "call_id")), str(part(call, "name")), given, kind, is_text)


def _of_messages(block: Any) -> Asked:
    name = str(part(block, "name"))
    return Asked(str(part(block, "id")), name, part(block, "input"), "tool_use", is_text=False)


def _chat_results(results: Iterable[Said]) -> list[dict[str, Any]]:
    return [
        {"role": "tool", "tool_call_id": asked.call_id, "content": content} for asked, content, _ in results
    ]


def _responses_results(results: Iterable[Said]) -> list[dict[str, Any]]:
    return [
        {"type": _OUTPUTS[asked.kind], "call_id": asked.call_id, "output": content}
        for asked, content, _ in results
    ]


def _messages_results(results: Iterable[Said]) -> list[dict[str, Any]]:
    blocks = [
        {"type": "tool_result", "tool_use_id": asked.call_id, "content": content}
        | ({"is_error": True} if is_error else {})
        for asked, content, is_error in results
    ]
    return [{"role": "user", "content": blocks}] if blocks else []


def _content(result: Any) -> Any:
    """Return a result as the model reads it: text, the API's own blocks, or JSON."""
    if isinstance(result, str):
        return result
    if (
        isinstance(result, list)
        and result
        and all(isinstance(block, dict) and block.get("type") in _BLOCKS for block in result)
    ):
        return result
    return json_text(result)


def _plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if dump is not None else str(value)
