"""Where a method is: an attribute of a class or a module, or what a function closes over.

openai.resources.embeddings:Embeddings.create       an attribute
litellm.main:completion.<original_function>         what a decorator keeps: it reaches also those who took
the decorated function before we came
"""

from __future__ import annotations

from types import CellType
from typing import Any, NamedTuple


class Place(NamedTuple):
    """A place that holds a function.

    Attributes:
        owner: A class, a module, or the cell of a variable.
        name: Of the attribute; for a cell, of what it holds.
    """

    owner: Any
    name: str

    @property
    def content(self) -> Any:
        """What is there now, as it is there: no attribute of a base, nothing bound; None for nothing."""
        return (
            self.owner.cell_contents if isinstance(self.owner, CellType) else vars(self.owner).get(self.name)
        )

    def put(self, function: Any) -> None:
        """Put something else there."""
        setattr(self.owner, self.name, function)


def place_of(module: Any, path: str) -> Place | None:
    """Return the place that a path such as ``Class.method`` leads to; None where it leads nowhere."""
    *owners, name = path.split(".")
    owner = module
    for part in owners:
        owner = getattr(owner, part, None)
    if name.startswith("<"):
        code = getattr(owner, "__code__", None)
        kept = {} if code is None else dict(zip(code.co_freevars, owner.__closure__ or (), strict=True))
        owner, name = kept.get(name.strip("<>")), "cell_contents"
    return None if owner is None or Place(owner, name).content is None else Place(owner, name)
