"""The objects of clients and their plain dicts, read alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def part(holder: Any, name: str) -> Any:
    """Return a key of a mapping or an attribute of anything else; None where there is none."""
    if holder.__class__ is dict:  # asked of every chunk: what is no dict is found out slowly
        return holder.get(name)
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)


def items(holder: Any, name: str) -> list[Any]:
    """Return the items of a part that is a list; none of any other."""
    found = part(holder, name)
    return list(found) if isinstance(found, list | tuple) else []
