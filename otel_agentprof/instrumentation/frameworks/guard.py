"""The one place where a failure of an adapter stays: counted, logged once, and the framework goes on."""

from __future__ import annotations

import functools
import logging
from collections import Counter
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_LOGGER = logging.getLogger(__name__)
failures: Counter[str] = Counter()  # per callback, in this process
_P = ParamSpec("_P")
_R = TypeVar("_R")


def guarded(func: Callable[_P, _R]) -> Callable[_P, _R | None]:
    """Return a callback that gives None where it fails, counts that, and logs the first failure."""
    site = f"{func.__module__}.{func.__qualname__}"

    @functools.wraps(func)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R | None:
        try:
            return func(*args, **kwargs)
        except Exception:
            failures[site] += 1
            if failures[site] == 1:
                _LOGGER.warning(
                    "%s failed; your program goes on, later cases are not told", site, exc_info=True
                )
            return None

    return call
