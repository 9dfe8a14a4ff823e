"""Agent frameworks, each through its own official hook: one small adapter per file."""

from __future__ import annotations

from typing import Final

MODULES: Final[dict[str, str]] = {
    "claude_agent_sdk": "claude_agent_sdk",
    "google_adk": "google.adk",
    "mcp": "mcp",
    "pydantic_ai": "pydantic_ai",
    "strands": "strands",
}
