"""The one place where errors of the processor, and of what it calls, come to rest."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

_LOGGER = logging.getLogger(__name__)


class Failures:
    """Errors counted, told once per site, never raised: the program that we look at must not notice."""

    def __init__(self) -> None:
        """Start with no failure."""
        self.count = 0
        self._told: set[str] = set()

    def contained(self, site: str) -> _Guard:
        """Return a context manager at which an exception of its block ends."""
        return _Guard(self, site)

    def record(self, site: str, error: BaseException) -> None:
        """Count an error; the first one of each site is logged."""
        self.count += 1
        if site not in self._told:
            self._told.add(site)
            _LOGGER.warning("%s failed; further failures there are only counted", site, exc_info=error)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Guard:
    failures: Failures
    site: str

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        # A callback that calls sys.exit() would end nothing but our thread. Ctrl-C has to go on.
        if isinstance(error, (Exception, SystemExit)):
            self.failures.record(self.site, error)
            return True
        return False
