"""The table of all runs: which framework, seen by whom, what its spans cannot tell, and why not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Part = Literal["input", "output", "cache_read", "cache_write", "reasoning"]


@dataclass(frozen=True, slots=True)
class But:
    """What the spans say otherwise than the server did; the emitter's doing, so it is expected.

    Attributes:
        what: Which figure; "call" where the whole call has no span, "double" where it is in two traces.
        why: The reason.
        calls: Numbers of the calls; none means all of them.
        by: How much more the spans say; None where they say nothing.
    """

    what: Literal["call", "double"] | Part
    why: str
    calls: tuple[int, ...] = ()
    by: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A program of ``agents/`` in one environment.

    Attributes:
        name: Of the recorded trace.
        group: The environment, by the name of its file in ``requirements/``.
        program: The file in ``agents/``.
        mode: What the program is to do, in its own words.
        settings: Environment variables.
        has_tool_spans: False where nobody makes spans for tools.
        names_cost: True where the spans name the money, so that it holds what they do not tell of the tokens.
        but: What is expected to differ.
    """

    name: str
    group: str
    program: str
    mode: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    has_tool_spans: bool = True
    names_cost: bool = False
    but: tuple[But, ...] = ()


def _clients(client: str, instrumentations: str, *but: But) -> Run:
    name = f"{client}_{instrumentations.replace('+', '_')}"
    mode = f"{client}:{instrumentations}"
    return Run(name, "clients", "clients", mode, has_tool_spans=False, but=but)


_NO_REASONING = But("reasoning", "it writes no attribute for reasoning tokens")
_NO_STREAMED_REASONING = But("reasoning", "it writes none for streamed chats", calls=(4,))
_NO_STREAM_FLAG = But("call", "create(stream=True) makes no span", calls=(4,))
_ONE_TOO_MANY = But("output", "it adds the one token of message_start to the final count", calls=(5,), by=1)
_TRACES_OF_THEIR_OWN = But(
    "double", "OpenInference does not make its spans current: the client's calls begin traces of their own"
)
_ADK_V1 = {"ADK_TELEMETRY_SCHEMA_VERSION_OPT_IN": "1"}


def _litellm(name: str, program: str, settings: Mapping[str, str], *but: But) -> Run:
    return Run(name, "litellm", program, "", settings, has_tool_spans=False, names_cost=True, but=but)


_STREAM_WITHOUT_PARTS = (
    But("cache_read", "a stream has no text of the vendor's usage", calls=(3,)),
    But("reasoning", "likewise", calls=(3,)),
)

RUNS = (
    Run("pydantic_ai", "pydantic_ai", "pydantic_ai_native"),
    Run("pydantic_ai_agentprof", "pydantic_ai", "pydantic_ai_native", "agentprof"),
    Run("pydantic_ai_switched", "pydantic_ai", "pydantic_ai_agentprof"),
    Run("strands", "strands", "strands_native", but=(_NO_REASONING,)),
    Run("strands_agentprof", "strands", "strands_native", "agentprof"),
    Run("strands_switched", "strands", "strands_agentprof"),
    Run("google_adk", "adk", "adk_native"),
    Run("google_adk_v1", "adk", "adk_native", settings=_ADK_V1),
    Run("google_adk_switched", "adk", "google_adk_agentprof"),
    Run("agent_framework", "microsoft", "agent_framework_agentprof"),
    Run("autogen", "microsoft", "autogen_agentprof"),
    Run("ag2", "microsoft", "ag2_agentprof", "agentprof"),
    Run("ag2_native", "microsoft", "ag2_agentprof", "native"),
    Run("claude_agent_sdk", "mcp", "claude_agentprof"),
    Run("mcp", "mcp", "mcp_agentprof"),
    Run("mcp1", "mcp1", "mcp_agentprof"),
    Run("langchain_openinference", "langchain", "langchain_agents", "openinference"),
    Run("langchain_openllmetry", "langchain", "langchain_agents", "openllmetry", but=(_NO_REASONING,)),
    Run(
        "langchain_openinference_agentprof",
        "langchain",
        "langchain_agents",
        "openinference+agentprof",
        but=(_TRACES_OF_THEIR_OWN,),
    ),
    Run(
        "langchain_openllmetry_agentprof",
        "langchain",
        "langchain_agents",
        "openllmetry+agentprof",
        but=(_NO_REASONING,),
    ),
    Run("langchain_agentprof", "langchain", "langchain_agentprof"),
    Run("langgraph_agentprof", "langchain", "langgraph_agentprof"),
    Run("llama_index_agentprof", "hooks", "llama_index_agentprof"),
    Run("openai_agents_openinference", "agents", "openai_agents", "openinference"),
    Run("openai_agents_openllmetry", "agents", "openai_agents", "openllmetry"),
    Run("smolagents_agentprof", "small", "smolagents_agentprof"),
    Run("dspy_agentprof", "hooks", "dspy_agentprof"),
    Run("haystack_agentprof", "hooks", "haystack_agentprof"),
    Run("crewai_agentprof", "crewai", "crewai_agentprof"),
    Run("openai_agents_agentprof", "agents", "openai_agents_agentprof"),
    _litellm("litellm", "litellm_calls", {}, *_STREAM_WITHOUT_PARTS),
    _litellm(
        "litellm_request_span",
        "litellm_calls",
        {"USE_OTEL_LITELLM_REQUEST_SPAN": "true"},
        *_STREAM_WITHOUT_PARTS,
    ),
    _litellm("litellm_v2", "litellm_v2", {"LITELLM_OTEL_V2": "true"}, _NO_REASONING),
    Run("litellm_agentprof", "litellm", "litellm_calls", "agentprof", has_tool_spans=False),
    _clients("openai", "genai"),
    _clients("openai", "openllmetry", _NO_STREAMED_REASONING),
    _clients("openai", "openinference"),
    _clients("openai", "genai+openllmetry"),
    _clients("openai", "openllmetry+genai"),
    _clients("openai", "genai+openinference"),
    _clients("openai", "openinference+genai"),
    _clients("openai", "agentprof"),
    _clients("openai", "agentprof+genai"),
    _clients("openai", "genai+agentprof"),
    _clients("openai", "agentprof+openllmetry"),
    _clients("openai", "agentprof+openinference"),
    _clients("anthropic", "native"),
    _clients("anthropic", "agentprof"),
    _clients("anthropic", "agentprof+native"),
    _clients("anthropic", "agentprof+openinference"),
    _clients("anthropic", "agentprof+openllmetry"),
    _clients("anthropic", "genai"),
    _clients("anthropic", "openllmetry", _NO_REASONING, _NO_STREAM_FLAG, _ONE_TOO_MANY),
    _clients("anthropic", "openinference"),
    _clients("anthropic", "native+genai"),
    _clients("anthropic", "native+openllmetry"),
    _clients("anthropic", "native+openinference"),
    _clients("anthropic", "genai+openllmetry"),
    _clients(
        "anthropic",
        "openllmetry+genai",
        But("output", "the inner span of a stream says so", calls=(4,), by=1),
    ),
    _clients("anthropic", "genai+openinference"),
    _clients("anthropic", "openinference+genai"),
    _clients("anthropic", "genai+openinference+openllmetry+native"),
    Run("logfire_openai", "logfire", "logfire_openai", has_tool_spans=False),
    Run("langfuse_openai", "small", "langfuse_openai", has_tool_spans=False),
    Run(
        "smolagents_openinference",
        "small",
        "smolagents_openinference",
        but=(_NO_REASONING, But("cache_read", "smolagents passes on input and output alone")),
    ),
    Run("crewai_openinference", "crewai", "crewai_openinference"),
)
