"""What LlamaIndex tells of a span, and what it means: what is worth seeing, what a model answered."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from otel_agentprof.instrumentation.frameworks.run_book import ModelAnswer
from otel_agentprof.instrumentation.kinds import AGENT, RETRIEVAL, STEP, TOOL, WORKFLOW
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.instrumentation.kinds import Kind

Place = Literal["agent", "agents", "workflow", "tool", "other"]

_UUID: Final = 37  # characters at the end of an id, with the hyphen before them
_HOMES: Final = frozenset({"llama_index", "workflows"})
_MODEL: Final = "BaseLLM"
_CHATS: Final = frozenset({"chat", "complete", "stream_chat", "stream_complete"})
_EMBEDDING: Final = "BaseEmbedding"
_EMBEDS: Final = frozenset({"get_query_embedding", "get_text_embedding", "get_text_embedding_batch"})
_FLOWS: Final = frozenset({"BaseWorkflowAgent", "AgentWorkflow", "Workflow"})
_SHOWN: Final[dict[str, tuple[Kind, frozenset[str], Place]]] = {
    # a class of LlamaIndex: what its methods are, which of them, what they are to the spans in them
    "BaseWorkflowAgent": (AGENT, frozenset({"run"}), "agent"),
    "AgentWorkflow": (WORKFLOW, frozenset({"run"}), "agents"),
    "Workflow": (WORKFLOW, frozenset({"run"}), "workflow"),
    "IngestionPipeline": (WORKFLOW, frozenset({"run"}), "other"),
    "BaseQueryEngine": (WORKFLOW, frozenset({"query"}), "other"),
    "BaseChatEngine": (WORKFLOW, frozenset({"chat", "stream_chat"}), "other"),
    "BaseRetriever": (RETRIEVAL, frozenset({"retrieve"}), "other"),
    "BaseTool": (TOOL, frozenset({"call", "__call__"}), "tool"),
}


class Shown(NamedTuple):
    """A span of LlamaIndex as we show it.

    Attributes:
        kind: What it is; None for glue, which is not shown; "chat" and "embeddings" for calls of a model.
        name: Of what works.
        place: What it is to the spans in it.
        call_id: Which of the model's tool calls is done in it.
        is_current: Whether it starts and ends in one context, with nothing of the caller's between.
    """

    kind: Kind | Literal["chat", "embeddings"] | None
    name: str | None = None
    place: Place = "other"
    call_id: str | None = None
    is_current: bool = True


def shown(id_: str, instance: Any, arguments: Mapping[str, Any], parent: Shown | None) -> Shown:
    """Return what a span is.

    Args:
        id_: Class, method and a UUID.
        instance: What the method belongs to; None for the steps of workflows, before 2.0 the workflow.
        arguments: Of the method.
        parent: What the span around it is.
    """
    method = id_[:-_UUID].rpartition(".")[2]
    place = "other" if parent is None else parent.place
    root = _root(instance.__class__)
    if instance is None or (root in _FLOWS and method != "run"):
        return _step(method, arguments.get("ev"), place)
    methods = {method, method.removeprefix("a")}  # asynchronous ones begin with it
    if root == _MODEL:
        return Shown("chat" if methods & _CHATS else None)
    if root == _EMBEDDING:
        return Shown("embeddings" if methods & _EMBEDS else None)
    if root not in _SHOWN:
        return Shown(None)
    kind, shown_methods, own_place = _SHOWN[root]
    if not methods & shown_methods or place == own_place == "tool":
        return Shown(None)
    # What a workflow's `run` gives at once is a future; the work is told again, from a task of its own.
    is_current = own_place in {"tool", "other"} or "init_state" in arguments
    call_id = None if parent is None else parent.call_id
    return Shown(kind, _name(instance, kind), own_place, call_id, is_current)


def _step(method: str, event: Any, place: Place) -> Shown:
    if place == "workflow" and not method.startswith("_"):
        return Shown(STEP, method)
    if place == "agents" and method == "run_agent_step":
        return Shown(AGENT, getattr(event, "current_agent_name", None))
    return Shown(None, call_id=getattr(event, "tool_id", None))


@functools.lru_cache(maxsize=1024)
def _root(kind: type) -> str:
    """Return which of LlamaIndex's own classes that we know a class is one of."""
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] in _HOMES and (
            base.__name__ in _SHOWN or base.__name__ in {_MODEL, _EMBEDDING}
        ):
            return base.__name__
    return ""


def _name(instance: Any, kind: Kind) -> str | None:
    if kind is TOOL:
        return getattr(instance.metadata, "name", None)
    return instance.name if kind is AGENT else type(instance).__name__


def asked(instance: Any) -> ModelAnswer:
    """Return which model is called."""
    names = (getattr(instance, "model", None), getattr(instance, "model_name", None))
    model = next((name for name in names if isinstance(name, str) and name not in {"", "unknown"}), None)
    maker = type(instance).__module__.removeprefix("llama_index.").split(".")
    is_integration = maker[0] in {"llms", "embeddings"} and len(maker) > 1
    return ModelAnswer(model=model, provider=maker[1] if is_integration else None)


def answer(response: Any) -> ModelAnswer:
    """Return what a model answered, by a chat's or a completion's response."""
    raw = getattr(response, "raw", None)
    return ModelAnswer(
        model=_text(raw, "model"),
        usage=_usage(_field(raw, "usage"), getattr(response, "additional_kwargs", None)),
        response_id=_text(raw, "id"),
        tool_call_ids=_tool_calls(getattr(response, "message", None)),
    )


def _usage(usage: Any, more: Any) -> TokenUsage | None:
    for told in (usage, more):
        for taken, made in (("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens")):
            if isinstance(_field(told, taken), int):
                return TokenUsage(_field(told, taken), _field(told, made) or 0)
    return None


def _tool_calls(message: Any) -> tuple[str, ...]:
    calls = getattr(message, "additional_kwargs", {}).get("tool_calls") or ()
    blocks = getattr(message, "blocks", None) or ()
    ids = [_text(block, "tool_call_id") for block in blocks] or [_text(call, "id") for call in calls]
    return tuple(id_ for id_ in ids if id_)


def _text(told: Any, name: str) -> str | None:
    value = _field(told, name)
    return value if isinstance(value, str) else None


def _field(told: Any, name: str) -> Any:
    return told.get(name) if isinstance(told, dict) else getattr(told, name, None)
