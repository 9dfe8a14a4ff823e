"""Agent frameworks, each through its own official hook: one small adapter per file."""

from __future__ import annotations

from typing import Final

MODULES: Final[dict[str, str]] = {
    "langchain": "langchain_core.callbacks",
    "llama_index": "llama_index_instrumentation",
    "crewai": "crewai",
    "dspy": "dspy",
    "haystack": "haystack",
    "openai_agents": "agents",
    "smolagents": "smolagents",
    "ag2": "ag2",
    "agent_framework": "agent_framework",
    "autogen": "autogen_core",
    "claude_agent_sdk": "claude_agent_sdk",
    "google_adk": "google.adk",
    "mcp": "mcp",
    "pydantic_ai": "pydantic_ai",
    "strands": "strands",
}
