"""Amazon Bedrock through boto3: Converse, and models asked in their own words; other AWS calls pass."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from otel_agentprof import semconv
from otel_agentprof.instrumentation import callers, content
from otel_agentprof.instrumentation.shapes import converse, model_bodies
from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_agentprof.instrumentation.spec import Arguments

    Routed = tuple[CallSpec, Arguments] | None

_NAMED = (":foundation-model/", ":inference-profile/")  # in the names of resources that end in a model's


def _model_of(_instance: Any, arguments: Arguments) -> str | None:
    model = arguments["modelId"] if "modelId" in arguments else None
    if model.__class__ is not str:
        return None  # the client is about to refuse it
    return model.rpartition("/")[2] if _NAMED[0] in model or _NAMED[1] in model else model


def _route(instance: Any, args: tuple[Any, ...], asked: Arguments) -> Routed:
    operation = args[0] if args else asked.get("operation_name")
    if operation not in _OPERATIONS or instance.meta.service_model.service_name != "bedrock-runtime":
        return None
    return _OPERATIONS[operation](args[1] if args[1:] else asked["api_params"])


def _converse(asked: Arguments) -> Routed:
    return _CONVERSE, asked


def _converse_stream(asked: Arguments) -> Routed:
    return _CONVERSE_STREAM, asked


def _invoke(asked: Arguments) -> Routed:
    arguments = _with_body(asked)
    if "embed" in (_model_of(None, asked) or ""):
        return _EMBEDDINGS, arguments
    return (_CHAT if "messages" in arguments or "message" in arguments else _COMPLETION), arguments


def _invoke_stream(asked: Arguments) -> Routed:
    arguments = _with_body(asked)
    is_chat = "messages" in arguments or "message" in arguments
    return (_CHAT_STREAM if is_chat else _COMPLETION_STREAM), arguments


def _with_body(asked: Arguments) -> Arguments:
    """Return the arguments of a call with those in its body; a file is left for the client to read."""
    told = content.document(asked.get("body"))
    rest = {**asked, "body": None}
    return {**told, **rest} if told.__class__ is dict else rest


def _told(error: BaseException, part: str) -> Any:
    response = getattr(error, "response", None)
    return (response.get(part) if isinstance(response, dict) else None) or {}


def _read_error(error: BaseException) -> tuple[str | None, int | None]:
    return _told(error, "Error").get("Code"), _told(error, "ResponseMetadata").get("HTTPStatusCode")


def _error_facts(error: BaseException) -> dict[str, Any]:
    count = _told(error, "ResponseMetadata").get("RetryAttempts")
    return {semconv.RETRY_COUNT: count} if count else {}


_OPERATIONS: dict[str, Callable[[Arguments], Routed]] = {
    "Converse": _converse,
    "ConverseStream": _converse_stream,
    "InvokeModel": _invoke,
    "InvokeModelWithResponseStream": _invoke_stream,
}
_CONVERSE = CallSpec(
    targets=(),
    operation="chat",
    role="llm",
    read=converse.read,
    model_of=_model_of,
    prompt=("toolConfig", "system", "messages"),
    request_facts=converse.request_facts,
    read_content=converse.read_content,
    read_output=converse.output,
)
_CONVERSE_STREAM = replace(_CONVERSE, streams=True, stream_at="stream", read_chunk=converse.read_event)
_CHAT = replace(
    _CONVERSE,
    read=model_bodies.read,
    prompt=("tools", "toolConfig", "system", "chat_history", "messages"),
    request_facts=model_bodies.request_facts,
    read_content=model_bodies.read_content,
    read_output=model_bodies.output,
)
_COMPLETION = replace(_CHAT, operation="text_completion", prompt=("inputText", "prompt"))
_CHAT_STREAM = replace(_CHAT, streams=True, stream_at="body", read_chunk=model_bodies.read_chunk)
_COMPLETION_STREAM = replace(_COMPLETION, streams=True, stream_at="body", read_chunk=model_bodies.read_chunk)
_EMBEDDINGS = CallSpec(
    targets=(),
    operation="embeddings",
    role="embedding",
    read=model_bodies.read,
    model_of=_model_of,
    request={"dimensions": semconv.EMBEDDINGS_DIMENSION_COUNT},
)

SPEC = ProviderSpec(
    name="bedrock",
    provider="aws.bedrock",
    distribution="botocore>=1.35",
    calls=(
        replace(
            _CONVERSE,
            targets=(
                "botocore.client:BaseClient._make_api_call",
                "aiobotocore.client:AioBaseClient._make_api_call",
            ),
            route=_route,
        ),
    ),
    client_of=lambda client: client,
    url_of=attrgetter("meta.endpoint_url"),
    caller_of=callers.of_aws,
    service_tier=semconv.SERVICE_TIER,
    read_error=_read_error,
    error_facts=_error_facts,
    not_in_fingerprint=frozenset({"accept", "contentType", "requestMetadata", "trace"}),
    cache_marks=frozenset({"cachePoint", "cache_control"}),
)
