"""One attribute of a framework, replaced by ours, and the way back: where no hook tells what is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> Callable[[], None]:
    """Replace an attribute of a class or a module.

    Args:
        owner: The class or module.
        name: Of the attribute, which may be inherited.
        make: Takes what ``owner`` has now (a ``classmethod`` as such), returns what it shall have.

    Returns:
        What puts the very same object back, unless somebody else has replaced ours meanwhile.
    """
    is_own = name in vars(owner)
    original = vars(owner)[name] if is_own else getattr(owner, name)
    ours = make(original)
    setattr(owner, name, ours)

    def restore() -> None:
        if vars(owner).get(name) is not ours:
            return
        if is_own:
            setattr(owner, name, original)
        else:
            delattr(owner, name)

    return restore
