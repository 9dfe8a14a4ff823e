"""The models of a trace, by the names that people give them: versions and vendors may be left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_agentprof.model.counting.calls import family

if TYPE_CHECKING:
    from collections.abc import Iterable


def called(models: Iterable[str | None], name: str) -> tuple[str, ...]:
    """Return the models that a name means: that very one, else those it is short for, as they occur.

    >>> called(["gpt-4o-2024-08-06", None, "gpt-4o-mini"], "gpt-4o")
    ('gpt-4o-2024-08-06',)
    """
    known = dict.fromkeys(filter(None, models))
    if name in known:
        return (name,)
    wanted = family(name)
    return tuple([model for model in known if family(model) == wanted])
