"""A bar on the terminal while a server gives many traces, one after another."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from otel_agentprof import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def fetching() -> Iterator[Callable[[int, int], object] | None]:
    """Yield what to call with how many traces of how many are there; None where nobody looks at stderr."""
    if not sys.stderr.isatty():
        yield None
        return
    bar = _Bar()
    try:
        yield bar
    finally:
        bar.stop()


class _Bar:
    """The bar, drawn from the moment on at which there is more than one trace to wait for."""

    def __init__(self) -> None:
        self._progress: Any = None
        self._task: Any = None

    def __call__(self, done: int, total: int) -> None:
        if total < 2:  # noqa: PLR2004 - one trace is there, or is not
            return
        if self._progress is None:
            self._start()
        self._progress.update(self._task, completed=done, total=total)

    def stop(self) -> None:
        """Take the bar away: what is reported next stands alone."""
        if self._progress is not None:
            self._progress.stop()

    def _start(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - slow import, only where there is something to show
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415 - likewise

        is_coloured = environment.is_color_wanted(is_terminal=True)
        console = Console(file=sys.stderr, no_color=not is_coloured, highlight=False)
        columns = (TextColumn("agentprof: fetching traces"), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(*columns, console=console, transient=True)
        self._task = self._progress.add_task("", total=None)
        self._progress.start()
