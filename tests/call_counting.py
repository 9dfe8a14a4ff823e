"""Count the function calls that a piece of code makes: a cost that is the same on every machine."""

from __future__ import annotations

import gc
import re
import sys
from dataclasses import dataclass
from functools import cache
from inspect import CO_COROUTINE
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

# Packages and modules that work as often as the network lets them wait.
_MACHINERY: Final = re.compile(
    r"/(asyncio|aiohttp|aiohappyeyeballs|anyio|concurrent|httpcore)/|/(_weakrefset|selectors|socket|ssl)\.py$"
)


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls by kind; the call of the counted callable itself is among them."""

    python: int
    c: int

    @property
    def total(self) -> int:
        return self.python + self.c


def calls_of(action: Callable[[], object], *, warm_up: int = 8, over_network: bool = False) -> Calls:
    """Return the calls that one ``action()`` makes on this thread, after some uncounted ones.

    Of an action ``over_network`` those are left out whose number is chance: what event loops and sockets do,
    and that coroutines go on after each wait.
    """
    for _ in range(warm_up):
        action()
    counted = {"call": 0, "c_call": 0}
    begun: set[FrameType] = set()

    def count(frame: FrameType, event: str, _argument: Any) -> None:
        if event not in counted or (over_network and _is_machinery(frame.f_code)):
            return
        if over_network and event == "call" and frame.f_code.co_flags & CO_COROUTINE:
            if frame in begun:
                return
            begun.add(frame)
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


@cache
def _is_machinery(code: CodeType) -> bool:
    return _MACHINERY.search(code.co_filename) is not None
