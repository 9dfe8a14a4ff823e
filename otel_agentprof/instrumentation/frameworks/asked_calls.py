"""Tool calls that models asked for, until each is run: for frameworks that lose the ids on the way.

chat    asks for  call_1 search(a)   call_2 search(b)        note
tool              search(b)  ->  call_2                      claim: by name and arguments
"""

from __future__ import annotations

import json
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

_MOST_AGENTS: Final = 10_000


class AskedCall(NamedTuple):
    """A call that a model asked for; the arguments as JSON text, or parsed."""

    id: str
    name: str
    arguments: Any


class AskedCalls:
    """What was asked for and not run yet, by agent; tools may start on several threads at once."""

    def __init__(self) -> None:
        self._open: dict[Hashable, list[AskedCall]] = {}
        self._lock = Lock()

    def note(self, agent: Hashable, calls: Iterable[AskedCall]) -> None:
        """Note what the last answer to an agent asks for; what was open before is not run any more."""
        with self._lock:
            self._open.pop(agent, None)
            if len(self._open) >= _MOST_AGENTS:
                for old in list(islice(self._open, _MOST_AGENTS // 10)):
                    del self._open[old]
            self._open[agent] = list(calls)

    def claim(self, agent: Hashable, name: str, arguments: Any) -> str | None:
        """Return the id of the call that is run now; None where nothing of that name was asked for."""
        with self._lock:
            asked = self._open.get(agent, [])
            alike = [call for call in asked if call.name == name]
            exact = [call for call in alike if _are_equal(call.arguments, arguments)]
            for call in (exact or alike)[:1]:
                asked.remove(call)
                return call.id
        return None

    def forget(self, agent: Hashable) -> None:
        """Drop what is left: the agent is done."""
        with self._lock:
            self._open.pop(agent, None)


def _are_equal(one: Any, other: Any) -> bool:
    try:
        return bool(_parsed(one) == _parsed(other))
    except Exception:  # noqa: BLE001 - what tools are given may compare in any way, as arrays do
        return False


def _parsed(arguments: Any) -> Any:
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments
