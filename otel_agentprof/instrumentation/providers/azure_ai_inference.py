"""Azure's client for any vendor's model: chat, embeddings of texts and of images.

Its objects are mappings whose fields cost a dozen calls each to read; what they hold is read instead.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from otel_agentprof import semconv
from otel_agentprof.instrumentation import callers
from otel_agentprof.instrumentation.shapes import chat
from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec, Record, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PLACES = ("azure.ai.inference:", "azure.ai.inference.aio:")
_held: Callable[[Any], Any] = attrgetter("_data")


def _read(reply: Reply, completion: Any) -> None:
    """Read a whole answer, or a piece of one."""
    held = completion._data  # noqa: SLF001 - see above
    if not reply.model:
        reply.id, reply.model = held["id"], held["model"]
    if "usage" in held and held["usage"]:
        reply.usage = chat.usage_of(Record(_held(held["usage"])))
    for choice in held["choices"] or ():
        told = choice._data  # noqa: SLF001 - likewise
        if "finish_reason" in told and told["finish_reason"]:
            reply.finish_reasons.append(told["finish_reason"])
        said = told["delta" if "delta" in told else "message"]._data  # noqa: SLF001 - likewise
        if "tool_calls" in said and said["tool_calls"]:
            reply.tool_call_ids.extend([call["id"] for call in said["tool_calls"] if "id" in call])
        if reply.output is not None:
            chat.add_delta(reply.output, _record(choice))


def _read_embeddings(reply: Reply, result: Any) -> None:
    reply.id = result.get("id")
    chat.read_embeddings(reply, Record(model=result.get("model"), usage=_record(result.get("usage"))))


def _record(value: Any) -> Any:
    """Return an object of the client as a Record, all the way down."""
    value = value if value.__class__ in (dict, list, str) else getattr(value, "_data", value)
    if value.__class__ is dict:
        return Record({key: _record(held) for key, held in value.items() if key != "logprobs"})
    return [_record(held) for held in value] if value.__class__ is list else value


def _arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the arguments with those of a body that is given as one, and objects as plain data."""
    body = args[0] if args else kwargs["body"] if "body" in kwargs else None
    given = {**body, **kwargs} if body.__class__ is dict else kwargs
    objects = {
        name: _plain(given[name])
        for name in ("messages", "tools", "input")
        if name in given and given[name].__class__ is list
    }
    return {**given, **objects}


def _plain(items: list[Any]) -> list[Any]:
    return [item if item.__class__ in (dict, str) else dict(_record(item)) for item in items]


def _chat(_: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[CallSpec, Mapping[str, Any]]:
    return _CHAT, _arguments(args, kwargs)


def _model(client: Any, arguments: Mapping[str, Any]) -> str | None:
    model: str | None = arguments["model"] if "model" in arguments else None
    return model or client._model  # noqa: SLF001 - the default, which has no public name


def _embed(_: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[CallSpec, Mapping[str, Any]]:
    return _EMBED, _arguments(args, kwargs)


def _output(completion: Any) -> list[Any]:
    return chat.output(_record(completion))


def _error(error: BaseException) -> tuple[str | None, int | None]:
    return getattr(getattr(error, "error", None), "code", None), getattr(error, "status_code", None)


_CHAT = CallSpec(
    targets=tuple(f"{place}ChatCompletionsClient.complete" for place in _PLACES),
    operation="chat",
    role="llm",
    route=_chat,
    model_of=_model,
    read=_read,
    read_chunk=_read,
    request=chat.REQUEST,
    prompt=("tools", "messages"),
    request_facts=chat.request_facts,
    read_content=chat.read_content,
    read_output=_output,
)
_EMBED = CallSpec(
    targets=tuple(
        f"{place}{kind}Client.embed" for place in _PLACES for kind in ("Embeddings", "ImageEmbeddings")
    ),
    operation="embeddings",
    role="embedding",
    route=_embed,
    model_of=_model,
    read=_read_embeddings,
    request={"dimensions": semconv.EMBEDDINGS_DIMENSION_COUNT},
)

SPEC = ProviderSpec(
    name="azure_ai_inference",
    provider="azure.ai.inference",
    distribution="azure-ai-inference>=1.0.0b9",
    calls=(_CHAT, _EMBED),
    client_of=lambda client: client,
    url_of=attrgetter("_config.endpoint"),
    caller_of=callers.of_azure,
    read_error=_error,
    not_in_fingerprint=chat.NOT_IN_FINGERPRINT | {"headers", "params"},
)
