"""Which models are smaller siblings of which: the same vendor, family and generation, at a lower price.

Data only. That every name has a price, and a lower one than the name before it, a test holds against the
price table that is installed.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

# Each from the dearest to the cheapest.
FAMILIES: Final[tuple[tuple[str, ...], ...]] = (
    ("gpt-4o", "gpt-4o-mini"),
    ("gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano"),
    ("gpt-5-pro", "gpt-5", "gpt-5-mini", "gpt-5-nano"),
    ("gpt-5.2-pro", "gpt-5.2"),
    ("gpt-5.4-pro", "gpt-5.4", "gpt-5.4-mini", "gpt-5.4-nano"),
    ("gpt-5.5-pro", "gpt-5.5"),
    ("gpt-5.6-sol", "gpt-5.6-terra", "gpt-5.6-luna"),
    ("gpt-6-astra", "gpt-6-sol", "gpt-6-luna"),
    ("gpt-6.1-sol", "gpt-6.1-terra"),
    ("o1-pro", "o1", "o1-mini"),
    ("o3-pro", "o3", "o3-mini"),
    ("claude-3-opus", "claude-3-sonnet", "claude-3-haiku"),
    ("claude-3-5-sonnet", "claude-3-5-haiku"),
    ("claude-opus-4", "claude-sonnet-4"),
    ("claude-opus-4-0", "claude-sonnet-4-0"),
    ("claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5"),
    ("claude-opus-4-6", "claude-sonnet-4-6"),
    ("claude-opus-5", "claude-sonnet-5"),
    ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"),
    ("gemini-1.5-pro", "gemini-1.5-flash"),
    ("gemini-2.0-flash", "gemini-2.0-flash-lite"),
    ("gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite"),
    ("gemini-3-pro-preview", "gemini-3-flash-preview"),
    ("gemini-3.1-pro-preview", "gemini-3.1-flash-lite"),
    ("gemini-3.5-flash", "gemini-3.5-flash-lite"),
    ("mistral-large", "mistral-medium", "mistral-small-latest"),
    ("grok-3", "grok-3-mini"),
    ("command-r-plus", "command-r", "command-r7b"),
    ("nova-premier", "nova-pro", "nova-lite", "nova-micro"),
    ("sonar-pro", "sonar"),
    ("deepseek-v4-pro", "deepseek-v4-flash"),
)
_SIBLINGS: Final = {
    name: family[place + 1 :] for family in FAMILIES for place, name in enumerate(family[:-1])
}
_SELLER: Final = re.compile(r"(?:.*/)?(?:(?:[\w-]+\.)?(?:anthropic|amazon)\.)?")
_EDITION: Final = re.compile(r"(?:[-@]20\d\d-?[01]\d-?[0-3]\d)?(?:-latest)?(?:-v\d+(?::\d+)?)?$")


@lru_cache(maxsize=256)
def cheaper(model: str) -> tuple[str, ...]:
    """Return the cheaper siblings of a model as the same seller calls them, the nearest first.

    Nothing for the cheapest of a family, and for a model that is in no family here.

    >>> cheaper("gpt-4.1-2025-04-14")
    ('gpt-4.1-mini', 'gpt-4.1-nano')
    >>> cheaper("openai/gpt-4o")
    ('openai/gpt-4o-mini',)
    """
    match = _SELLER.match(model)
    seller = match.group() if match else ""
    name = _EDITION.sub("", model[len(seller) :])
    return tuple(seller + sibling for sibling in _SIBLINGS.get(name.lower(), ()))
