"""Google's client for Gemini and Vertex AI; its function-calling loop is an agent around the calls.

models.generate_content      invoke_agent       only where the client itself runs functions
models._generate_content       generate_content one request each
the user's function            execute_tool
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from otel_agentprof import semconv
from otel_agentprof.instrumentation import callers
from otel_agentprof.instrumentation.shapes import gemini
from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec

if TYPE_CHECKING:
    from otel_agentprof.instrumentation.spec import Arguments, Reply

    Routed = tuple[CallSpec, Arguments] | None

_MODELS = ("google.genai.models:Models.", "google.genai.models:AsyncModels.")
_CHATS = ("google.genai.chats:Chat.", "google.genai.chats:AsyncChat.")
_INVOKE = "google.genai._extra_utils:invoke_function_from_dict_args"
_NOT_IN_FINGERPRINT = frozenset(
    {
        "automatic_continuation",
        "automatic_function_calling",
        "http_options",
        "labels",
        "should_return_http_response",
    }
)


def _client_of(instance: Any) -> Any:
    """Return the client beneath models, chats (which ask models) and functions (which have none)."""
    return getattr(getattr(instance, "_modules", instance), "_api_client", None)


def _url_of(client: Any) -> Any:
    return client and client._http_options.base_url  # noqa: SLF001 - the one place where it is kept


def _provider_of(client: Any) -> str | None:
    return "gcp.vertex_ai" if getattr(client, "vertexai", False) else None


def _sent(spec: CallSpec, *targets: str, is_lazy: bool = False) -> CallSpec:
    """Return a spec for methods whose arguments are read with the settings of ``config`` among them."""

    def route(_instance: Any, _args: tuple[Any, ...], asked: Arguments) -> tuple[CallSpec, Arguments]:
        return spec, gemini.arguments(asked)

    return replace(spec, targets=targets, is_lazy=is_lazy, route=route)


def _loop(instance: Any, args: tuple[Any, ...], asked: Arguments, spec: CallSpec) -> Routed:
    """Return the spec of an agent where the client will run functions by itself, else None."""
    config = asked.get("config")
    if hasattr(instance, "_modules"):  # a chat: before 3.0 it left the loop to the models
        if not hasattr(sys.modules["google.genai.chats"], "_extra_utils"):
            return None
        config = config or (args[1] if len(args) > 1 else None) or instance._config  # noqa: SLF001 - its default
    return (spec, {}) if gemini.runs_functions(config) else None


def _looping(spec: CallSpec, of_models: str, of_chats: str) -> CallSpec:
    targets = (*(f"{each}{of_models}" for each in _MODELS), *(f"{each}{of_chats}" for each in _CHATS))
    return replace(spec, targets=targets, route=partial(_loop, spec=spec))


def _invoked(_instance: Any, args: tuple[Any, ...], asked: Arguments) -> Routed:
    given = {**dict(zip(("args", "function_to_invoke"), args, strict=False)), **asked}
    return _FUNCTION, {"tool": given["function_to_invoke"].__name__, "arguments": given["args"]}


def _name_tool(arguments: Arguments, facts: dict[str, Any]) -> None:
    facts[semconv.TOOL_NAME] = arguments["tool"]


def _tell_nothing(_reply: Reply, _result: Any) -> None:
    """Leave what a loop or a function returned alone: the calls beneath tell it."""


_CONTENT = CallSpec(
    targets=(),
    operation="generate_content",
    role="llm",
    read=gemini.read,
    request=gemini.REQUEST,
    prompt=("tools", "system_instruction", "cached_content", "contents"),
    request_facts=gemini.request_facts,
    read_content=gemini.read_content,
    read_output=gemini.output,
)
_STREAM = replace(_CONTENT, streams=True, read_chunk=gemini.read_chunk)
_EMBEDDINGS = CallSpec(
    targets=(),
    operation="embeddings",
    role="embedding",
    read=gemini.read_embeddings,
    request={"output_dimensionality": semconv.EMBEDDINGS_DIMENSION_COUNT},
)
_AGENT = CallSpec(
    targets=(),
    operation="invoke_agent",
    role="agent",
    read=_tell_nothing,
    has_fingerprint=False,  # what it was asked is in the requests of its model
)
_FUNCTION = CallSpec(
    targets=(),
    operation="execute_tool",
    role="tool",
    read=_tell_nothing,
    subject=lambda _, arguments: arguments["tool"],
    request_facts=_name_tool,
    constants={semconv.TOOL_TYPE: "function"},
)

SPEC = ProviderSpec(
    name="google_genai",
    provider="gcp.gemini",
    distribution="google-genai>=1.20",
    calls=(
        _sent(_CONTENT, *(f"{models}_generate_content" for models in _MODELS)),
        _sent(_STREAM, f"{_MODELS[0]}_generate_content_stream", is_lazy=True),
        _sent(_STREAM, f"{_MODELS[1]}_generate_content_stream"),  # sends when it is awaited
        _sent(_EMBEDDINGS, *(f"{models}embed_content" for models in _MODELS)),
        _looping(_AGENT, "generate_content", "send_message"),
        _looping(
            replace(_AGENT, streams=True, is_lazy=True), "generate_content_stream", "send_message_stream"
        ),
        replace(_FUNCTION, targets=(_INVOKE, f"{_INVOKE}_async"), route=_invoked),
    ),
    client_of=_client_of,
    url_of=_url_of,
    caller_of=callers.of_google,
    provider_of=_provider_of,
    read_error=gemini.read_error,
    not_in_fingerprint=_NOT_IN_FINGERPRINT,
)
