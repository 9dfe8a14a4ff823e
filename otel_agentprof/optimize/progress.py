"""How far a run is: told to a function, or shown as a bar where somebody looks at the terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Progress = Callable[[int, int], object] | bool | None


@contextmanager
def reporting(progress: Progress, total: int) -> Iterator[Callable[[int], object] | None]:
    """Give the function that is told how many of ``total`` are done; None where nobody wants to know."""
    if callable(progress):
        tell = progress
        yield lambda done: tell(done, total)
    elif progress and sys.stderr.isatty():
        from rich.console import Console  # noqa: PLC0415 - rich is slow to load
        from rich.progress import Progress as Bar  # noqa: PLC0415 - likewise

        with Bar(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("calls", total=total)
            yield lambda done: bar.update(task, completed=done)
    else:
        yield None
