"""Count the function calls that a piece of code makes: a cost that is the same on every machine."""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls by kind; the call of the counted callable itself is among them."""

    python: int
    c: int

    @property
    def total(self) -> int:
        return self.python + self.c


def calls_of(action: Callable[[], object], *, warm_up: int = 8) -> Calls:
    """Return the calls that one ``action()`` makes on this thread, after some uncounted ones."""
    for _ in range(warm_up):
        action()
    counted = {"call": 0, "c_call": 0}

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        if event in counted:
            counted[event] += 1

    previous, collects = sys.getprofile(), gc.isenabled()
    gc.disable()  # a collection would run finalisers that have nothing to do with the action
    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(previous)
        if collects:
            gc.enable()
    # The second sys.setprofile above is seen by the profiler that it switches off.
    return Calls(counted["call"], counted["c_call"] - 1)
