"""What has to begin anew in a child process: locks that other threads of the parent held."""

from __future__ import annotations

import os
import weakref
from typing import Final, Protocol


class Forked(Protocol):
    """Has something that a child must not take over."""

    def after_fork(self) -> None:
        """Begin anew; called in the child, where only this thread is."""
        ...


_watched: Final[weakref.WeakSet[Forked]] = weakref.WeakSet()


def watch(what: Forked) -> None:
    """Have :meth:`Forked.after_fork` called in every child, as long as the object lives."""
    _watched.add(what)


def _after_fork() -> None:
    for each in tuple(_watched):
        each.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
