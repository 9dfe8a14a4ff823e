"""Frameworks that trace themselves: there is a switch to flip, or nothing to do at all."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from otel_agentprof import environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_agentprof.instrumentation.framework import Attachment


def nothing(_attachment: Attachment) -> Callable[[], None]:
    """Leave a framework alone that needs nothing of us."""
    return _no_way_back


def without_content(variable: str, off: str) -> Callable[[Attachment], Callable[[], None]]:
    """Return an ``attach`` that keeps content off a framework's spans by the variable that it reads.

    Where content is wanted, or the user has set the variable, everything stays as it is.
    """

    def attach(attachment: Attachment) -> Callable[[], None]:
        if attachment.captures_content or not environment.set_if_unset(variable, off):
            return _no_way_back
        return functools.partial(environment.unset, variable)

    return attach


def _no_way_back() -> None:
    return
