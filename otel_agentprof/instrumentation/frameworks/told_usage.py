"""Tokens as frameworks tell them: mappings in the words of OpenAI's APIs, or shortened from these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

_INPUT: Final = ("prompt_tokens", "input_tokens")
_OUTPUT: Final = ("completion_tokens", "output_tokens")
_OF_INPUT: Final = ("prompt_tokens_details", "input_tokens_details")
_OF_OUTPUT: Final = ("completion_tokens_details", "output_tokens_details")
_READ: Final = ("cached_tokens", "cached_prompt_tokens", "cached_input_tokens")
_WRITTEN: Final = ("cache_write_tokens", "cache_creation_tokens")
_REASONING: Final = ("reasoning_tokens",)


def told_usage(told: Mapping[str, Any]) -> TokenUsage:
    """Return the tokens that a framework names; input and output include their parts there too."""
    taken, made = _first(told, _OF_INPUT) or {}, _first(told, _OF_OUTPUT) or {}
    return TokenUsage(
        input=_first(told, _INPUT) or 0,
        output=_first(told, _OUTPUT) or 0,
        cache_read=_first(taken, _READ) or _first(told, _READ) or 0,
        cache_write=_first(taken, _WRITTEN) or _first(told, _WRITTEN) or 0,
        reasoning=_first(made, _REASONING) or _first(told, _REASONING) or 0,
    )


def _first(told: Any, names: tuple[str, ...]) -> Any:
    """Return the first of some values that is there; objects are read as mappings are."""
    for name in names:
        value = told.get(name) if hasattr(told, "get") else getattr(told, name, None)
        if value:
            return value
    return None
