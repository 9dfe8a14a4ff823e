"""Google's generated content and embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.instrumentation import content
from otel_agentprof.instrumentation.spec import Content, Record, Reply
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.instrumentation.streamed import StreamedText

REQUEST: Final = {
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "top_k": semconv.REQUEST_TOP_K,
    "max_output_tokens": semconv.REQUEST_MAX_TOKENS,
    "seed": semconv.REQUEST_SEED,
    "frequency_penalty": semconv.REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": semconv.REQUEST_PRESENCE_PENALTY,
}
_TEXTS: Final = frozenset({"text", "reasoning"})
_RENAMED: Final = {"functionResponse": "function_response", "functionCall": "function_call"}


def field(holder: Any, name: str) -> Any:
    """Return a field of a model object or of the dict that may stand in for it; None where it is not set."""
    if isinstance(holder, dict):
        return holder.get(name, holder.get(_camel(name)))
    return getattr(holder, name, None)


def arguments(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call with the settings of its ``config`` among them."""
    config = asked.get("config")
    if isinstance(config, dict):
        found = {_snake(name): value for name, value in config.items() if value is not None}
    else:
        given = getattr(config, "__dict__", {})
        found = {name: given[name] for name in given if given[name] is not None}
    if "tools" in found:  # a function cannot be told by its value; its name and text are what the model sees
        found["tools"] = [
            {"name": tool.__name__, "description": tool.__doc__} if callable(tool) else tool
            for tool in content.items_of(found["tools"])
        ]
    contents = asked.get("contents")
    contents = contents if isinstance(contents, list) else [contents]
    return {"model": asked.get("model"), "contents": contents, **found}


def read_error(error: BaseException) -> tuple[str | None, int | None]:
    """Return the code and the status of a refusal; for a function that failed, what it raised itself."""
    own = error.__context__
    if type(error).__name__ == "FunctionInvocationError" and own is not None:
        kind = type(own)
        is_builtin = kind.__module__ == "builtins"
        return kind.__qualname__ if is_builtin else f"{kind.__module__}.{kind.__qualname__}", None
    return getattr(error, "status", None), getattr(error, "code", None)


def runs_functions(config: Any) -> bool:
    """Return whether the client itself runs the functions that the model asks for, and asks again."""
    tools = (
        config["tools"] if config.__class__ is dict and "tools" in config else getattr(config, "tools", None)
    )
    if not tools:  # most requests: nothing more is looked at
        return False
    calling = field(config, "automatic_function_calling")
    most = field(calling, "maximum_remote_calls")
    return (
        any(callable(tool) or hasattr(tool, "call_tool") for tool in tools)  # the latter is an MCP session
        and not any(field(tool, "function_declarations") for tool in tools)  # these are the caller's to run
        and not field(calling, "disable")
        and (most is None or most > 1)  # with one request no result is ever sent back
    )


def read(reply: Reply, response: Any) -> None:
    """Fill a reply from a whole response; one that was asked for raw is read from its text."""
    http = getattr(response, "sdk_http_response", None)
    if response.candidates is None and http is not None and http.body:
        response = content.document(http.body, _renamed)
    _take_parts(reply, response)
    reply.usage = _usage(response.usage_metadata)
    feedback = response.prompt_feedback
    if feedback and feedback.block_reason and not reply.finish_reasons:
        reply.finish_reasons.append(_text(feedback.block_reason))


def read_chunk(reply: Reply, chunk: Any) -> None:
    """Add a chunk of a stream to a reply.

    Each chunk repeats the running totals. Those before the last are no count of the whole answer: of them
    only the input is taken, which does not change.
    """
    is_last: Any = False
    for candidate in chunk.candidates or ():
        # A stream that is cut to be taken up again says so instead of giving a reason.
        is_last = is_last or candidate.finish_reason or getattr(candidate, "continuation_token", None)
        for part in (candidate.content and candidate.content.parts) or ():
            if part.function_call and part.function_call.id:
                reply.tool_call_ids.append(part.function_call.id)
            if reply.output is not None:
                _add_part(reply.output, part, candidate.index)
        if candidate.finish_reason:
            reply.finish_reasons.append(_text(candidate.finish_reason))
    if reply.id is None:
        reply.id, reply.model = chunk.response_id, chunk.model_version
    if chunk.usage_metadata and (is_last or reply.usage is None or reply.finish_reasons):
        usage = _usage(chunk.usage_metadata)
        is_whole = is_last or reply.finish_reasons or usage is None or not chunk.candidates
        if usage is not None and not is_whole:
            usage = usage._replace(output=0, reasoning=0, audio_output=0, image_output=0, video_output=0)
        reply.usage = usage


def read_embeddings(reply: Reply, response: Any) -> None:
    """Fill a reply from an answer with embeddings; only some servers count tokens."""
    told = getattr(response, "usage_metadata", None)
    if told is not None and told.prompt_token_count is not None:
        audio, image, video = _media(told.prompt_tokens_details)
        reply.usage = TokenUsage(
            told.prompt_token_count, audio_input=audio, image_input=image, video_input=video
        )
        return
    counts = [
        embedding.statistics.token_count
        for embedding in response.embeddings or ()
        if embedding.statistics is not None and embedding.statistics.token_count is not None
    ]
    if counts:
        reply.usage = TokenUsage(int(sum(counts)))


def request_facts(arguments: Mapping[str, Any], facts: dict[str, Any]) -> None:
    """Add stop sequences, choices, output type, and the ids of the tool results that are fed back."""
    if "stop_sequences" in arguments:
        content.add_texts(facts, semconv.REQUEST_STOP_SEQUENCES, arguments["stop_sequences"])
    if "candidate_count" in arguments and arguments["candidate_count"] != 1:
        facts[semconv.REQUEST_CHOICE_COUNT] = arguments["candidate_count"]
    if "response_mime_type" in arguments:
        is_json = arguments["response_mime_type"] == "application/json"
        facts[semconv.OUTPUT_TYPE] = "json" if is_json else "text"
    ids: list[str] = []
    for message in reversed(arguments["contents"]):  # the results that are new since the model last spoke
        if message.__class__ is str or field(message, "role") == "model":
            break
        found = [field(part, "function_response") for part in _parts_of(message)]
        ids[:0] = [result_id for result in found if (result_id := field(result, "id"))]
    if ids:
        facts[semconv.TOOL_RESULT_IDS] = tuple(ids)


def _parts_of(message: Any) -> list[Any]:
    return content.items_of(field(message, "parts")) or [message]  # a part may stand alone


def _take_parts(reply: Reply, response: Any) -> None:
    reply.id, reply.model = response.response_id, response.model_version
    for candidate in response.candidates or ():
        if candidate.finish_reason:
            reply.finish_reasons.append(_text(candidate.finish_reason))
        for part in (candidate.content and candidate.content.parts) or ():
            if part.function_call and part.function_call.id:
                reply.tool_call_ids.append(part.function_call.id)


def _usage(told: Any) -> TokenUsage | None:
    """Return the tokens: thoughts belong to the output, what server-side tools found to the input."""
    if told is None or told.prompt_token_count is None:
        return None
    thoughts = told.thoughts_token_count or 0
    taken, more = told.prompt_tokens_details, told.tool_use_prompt_tokens_details
    audio, image, video = _media((*(taken or ()), *more) if more else taken)
    audio_made, image_made, video_made = _media(told.candidates_tokens_details)
    audio_read, image_read, _ = _media(told.cache_tokens_details)
    return TokenUsage(
        told.prompt_token_count + (told.tool_use_prompt_token_count or 0),
        (told.candidates_token_count or 0) + thoughts,
        told.cached_content_token_count or 0,
        0,
        thoughts,
        0,
        audio,
        audio_made,
        audio_read,
        image,
        image_made,
        image_read,
        video,
        video_made,
    )


def _media(details: Any) -> tuple[int, int, int]:
    """Return the tokens of audio, of images and of videos."""
    audio = image = video = 0
    for each in details or ():
        kind, count = each.modality, each.token_count or 0  # of an enum that is a text too
        if kind == "AUDIO":
            audio += count
        elif kind == "IMAGE":
            image += count
        elif kind == "VIDEO":
            video += count
    return audio, image, video


def _text(word: Any) -> str:
    return str(getattr(word, "value", word))


def _snake(name: str) -> str:
    return name if name.islower() else "".join([f"_{c.lower()}" if c.isupper() else c for c in name])


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join([word.title() for word in rest])


def _renamed(fields: dict[str, Any]) -> Record:
    """Return a JSON object with the names that the client gives its fields."""
    return Record({_snake(name): value for name, value in fields.items()})


# --- Content: only when asked for ---------------------------------------------------------------------------


def read_content(arguments: Mapping[str, Any]) -> Content:
    """Return the contents, system instruction and tools of a request."""
    system = arguments.get("system_instruction")
    texts = [] if system is None else _message(system)["parts"]
    messages = [_message(each) for each in arguments["contents"]]
    return Content(messages, texts, content.items_of(arguments.get("tools")))


def output(response: Any) -> list[Any]:
    """Return the candidates of a response."""
    messages = [_message(candidate.content) for candidate in response.candidates or () if candidate.content]
    return [{"role": "assistant", "parts": _joined(message["parts"])} for message in messages]


def _joined(parts: list[Any]) -> list[Any]:
    """Return parts with texts of one kind that follow each other as one: a stream cuts them anywhere."""
    found: list[Any] = []
    for part in content.spoken(parts):
        last = found[-1] if found else {}
        if part.get("type") in _TEXTS and last.get("type") == part["type"]:
            found[-1] = {**last, "content": last["content"] + part["content"]}
        else:
            found.append(part)
    return found


def _add_part(output: StreamedText, part: Any, choice: int | None) -> None:
    if part.text is not None:
        output.add_next("reasoning" if part.thought else "text", part.text, choice)
    else:
        output.add_part(_part(content.plain(part)), choice=choice)


def _message(given: Any) -> dict[str, Any]:
    if isinstance(given, list):  # of parts
        return {"role": "user", "parts": [_part(content.plain(part)) for part in given]}
    message = content.plain(given)
    if not isinstance(message, dict):
        return content.text("user", message)
    role = "assistant" if message.get("role") == "model" else message.get("role") or "user"
    return {"role": role, "parts": [_part(part) for part in _parts_of(message)]}


def _part(part: Any) -> Any:
    if not isinstance(part, dict):
        return {"type": "text", "content": part}
    part = {_RENAMED.get(name, name): value for name, value in part.items()}
    if "text" in part:
        return {"type": "reasoning" if part.get("thought") else "text", "content": part["text"]}
    if call := part.get("function_call"):
        return {
            "type": "tool_call",
            "id": call.get("id"),
            "name": call.get("name"),
            "arguments": call.get("args"),
        }
    if result := part.get("function_response"):
        return {"type": "tool_call_response", "id": result.get("id"), "response": result.get("response")}
    return part
