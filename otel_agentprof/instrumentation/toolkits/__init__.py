"""Tools that agents use, patched as clients are: vector stores, search, browsers. One file of data each."""

from __future__ import annotations

from typing import Final

MODULES: Final[dict[str, str]] = {}
