"""What LangChain tells of a run, and what it means: which runs are worth seeing, what a model answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from otel_agentprof import semconv
from otel_agentprof.instrumentation.frameworks.run_book import ModelAnswer
from otel_agentprof.instrumentation.kinds import AGENT, STEP, WORKFLOW
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.instrumentation.kinds import Kind

Place = Literal["agent", "node", "other"]

_PLUMBING: Final = ("Runnable", "ChannelWrite", "ChannelRead", "Branch", "_")  # how names of glue begin
_PARTS_OF_AGENT: Final = frozenset({"model", "tools"})  # the nodes of every agent of create_agent
_GRAPH: Final = "LangGraph"  # a graph without a name
_PROVIDERS: Final = {
    "amazon_bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
}


class Run(NamedTuple):
    """A chain's run as we show it.

    Attributes:
        kind: What it is; None for glue, which is not shown.
        name: Its own.
        place: What it is to the runs in it.
    """

    kind: Kind | None
    name: str | None
    place: Place = "other"


def chain(told: Mapping[str, Any], parent: Run | None) -> Run:
    """Return what a run of anything is that is no model, tool or retriever.

    Args:
        told: What the callback was called with, by keyword.
        parent: What the run around it is; None where that is no chain.
    """
    name: str = told.get("name") or ""
    metadata = told.get("metadata") or {}
    tags = told.get("tags") or ()
    place = "other" if parent is None else parent.place
    if any(tag.startswith("graph:step:") for tag in tags):
        is_part = name.startswith("__") or (place == "agent" and name in _PARTS_OF_AGENT)
        return Run(None if is_part else STEP, name, "node")
    is_root = told.get("parent_run_id") is None
    is_agent = is_root and metadata.get("ls_integration") == "langchain_create_agent"
    if is_agent or (name and metadata.get("lc_agent_name") == name):
        return Run(AGENT, None if name == _GRAPH else name, "agent")
    if told.get("run_type") in {"prompt", "parser"} or (place == "node" and _is_after_body(tags)):
        return Run(None, name)
    if parent is not None and place == "node" and name in {_GRAPH, parent.name}:
        return Run(None, name)  # a graph that is a node: the node has the name, or a better one
    if not name or name.startswith(_PLUMBING):
        return Run(STEP if is_root else None, name)
    return Run(WORKFLOW if is_root or name == _GRAPH else STEP, name)


def _is_after_body(tags: Any) -> bool:
    """Return whether a node's work is done and only the way on is looked for: a conditional edge."""
    return any(tag.startswith("seq:step:") and tag != "seq:step:1" for tag in tags)


def conversation(kind: Kind, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the thread that an agent or a graph goes on with."""
    thread = (told.get("metadata") or {}).get("thread_id") if kind.role == "agent" else None
    return {} if thread is None else {semconv.CONVERSATION_ID: str(thread)}


def is_message(error: BaseException) -> bool:
    """Return whether an exception of LangGraph is a message: an interrupt, a command for the graph around."""
    return any(
        kind.__name__ == "GraphBubbleUp" and kind.__module__ == "langgraph.errors"
        for kind in type(error).__mro__
    )


def asked(told: Mapping[str, Any]) -> ModelAnswer:
    """Return which model is called."""
    parameters, metadata = told.get("invocation_params") or {}, told.get("metadata") or {}
    model = parameters.get("model") or parameters.get("model_name") or metadata.get("ls_model_name")
    provider = metadata.get("ls_provider") or ""
    return ModelAnswer(model=model, provider=_PROVIDERS.get(provider, provider) or None)


def is_from_cache(response: Any) -> bool:
    """Return whether no model was asked: LangChain's own cache had the answer."""
    usage = getattr(_message(response), "usage_metadata", None) or {}
    return "total_cost" in usage and not usage["total_cost"]


def answer(response: Any) -> ModelAnswer:
    """Return what a model answered, by an ``LLMResult``."""
    message = _message(response)
    about = getattr(message, "response_metadata", None) or {}
    reason = about.get("finish_reason") or about.get("stop_reason")
    calls = getattr(message, "tool_calls", None) or ()
    return ModelAnswer(
        model=about.get("model_name") or about.get("model"),
        usage=_usage(message, response),
        response_id=about.get("id"),
        finish_reasons=(reason,) if isinstance(reason, str) else (),
        tool_call_ids=tuple(call["id"] for call in calls if call.get("id")),
    )


def _message(response: Any) -> Any:
    first = next((batch[0] for batch in response.generations if batch), None)
    return getattr(first, "message", None)


def _usage(message: Any, response: Any) -> TokenUsage | None:
    told = getattr(message, "usage_metadata", None)
    if not told:
        old = (response.llm_output or {}).get("token_usage") or {}  # models that only complete text
        return (
            TokenUsage(old["prompt_tokens"], old.get("completion_tokens", 0))
            if "prompt_tokens" in old
            else None
        )
    taken, made = told.get("input_token_details") or {}, told.get("output_token_details") or {}
    return TokenUsage(
        input=told["input_tokens"],
        output=told["output_tokens"],
        cache_read=taken.get("cache_read") or 0,
        cache_write=taken.get("cache_creation") or 0,
        reasoning=made.get("reasoning") or 0,
        audio_input=taken.get("audio") or 0,
        audio_output=made.get("audio") or 0,
        image_input=taken.get("image") or 0,
        image_output=made.get("image") or 0,
        video_input=taken.get("video") or 0,
        video_output=made.get("video") or 0,
    )
