"""Collecting garbage between tests, without a look at the modules of all the clients each time."""

from __future__ import annotations

import gc
import sys

_frozen_modules = 0


def collect() -> None:
    """Collect what is garbage, and have later collections leave alone what has been imported by now.

    With every client's modules a collection takes 0.1 s, and there are two in each test of a client.
    """
    global _frozen_modules  # noqa: PLW0603 - the collector is the process's too
    gc.collect()
    if len(sys.modules) > _frozen_modules:
        _frozen_modules = len(sys.modules)
        gc.freeze()
