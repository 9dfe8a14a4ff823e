"""Ctrl-C, heard also where a suite runs in the background of a shell, which switches it off."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def heard() -> Iterator[None]:
    """Let Ctrl-C interrupt this process, and the programs that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
