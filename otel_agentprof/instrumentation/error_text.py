"""What may be told of an exception: its type always, its text only where it quotes nothing that was said.

    raised by             what spans tell
    your code, Python     type, text and stack trace
    a package             type, and a stack trace without the text

Clients, frameworks and validators quote prompts, answers and arguments in their errors, and who wraps such an
error quotes it in turn: one of them anywhere in a chain or a group silences all of it.
"""

from __future__ import annotations

import functools
import os
import sys
import traceback
from itertools import islice
from typing import TYPE_CHECKING, Final

from otel_agentprof.instrumentation import libraries, tracing

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST: Final = 100  # exceptions that are looked at; what has more is not told
_OWN: Final = frozenset({"__main__", "otel_agentprof"})
_PARSERS: Final = frozenset({"pydantic", "pydantic_core"})  # what clients read answers with, wherever it lies
_QUOTING: Final = frozenset(  # Python's own that repeat a command, a file's line, a whole stack trace
    {"subprocess", "configparser", "concurrent.futures.process", "multiprocessing.pool"}
)
_PACKAGES: Final = ("site-packages", "dist-packages")
_CAUSE: Final = "The above exception was the direct cause of the following exception:"
_CONTEXT: Final = "During handling of the above exception, another exception occurred:"


def may_be_told(error: BaseException) -> bool:
    """Return whether the text of an exception, and of all that is printed with it, is its program's own."""
    family = tuple(islice(_family(error), _MOST + 1))
    return len(family) <= _MOST and not any(map(_may_quote, family))


def stack_trace(error: BaseException) -> str:
    """Return what Python prints of an exception, with its type in the place of its text."""
    seen: set[int] = set()
    todo, parts = [error], []
    while todo and len(seen) < _MOST:
        for one, link in _chain(todo.pop(0), seen):
            stack = "".join(traceback.format_tb(one.__traceback__))
            head = "Traceback (most recent call last):\n" if stack else ""
            parts.append(f"{head}{stack}{tracing.error_type(one)}\n{link}")
            todo += _members(one)
    return "\n".join(parts)


def _family(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and all that its stack trace or its text shows, each once."""
    seen: set[int] = set()
    todo = [error]
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        todo += _members(one)
        todo += (given for given in one.args if isinstance(given, BaseException))
        if (before := _before(one)) is not None:
            todo.append(before)


def _chain(error: BaseException, seen: set[int]) -> list[tuple[BaseException, str]]:
    """Return an exception and those before it, oldest first, and how each led to the next."""
    found: list[tuple[BaseException, str]] = []
    one: BaseException | None = error
    link = ""
    while one is not None and id(one) not in seen and len(seen) < _MOST:
        seen.add(id(one))
        found.append((one, link))
        link = f"\n{_CONTEXT if one.__cause__ is None else _CAUSE}\n"
        one = _before(one)
    return found[::-1]


def _before(error: BaseException) -> BaseException | None:
    """Return the exception that Python prints above this one."""
    if error.__cause__ is not None:
        return error.__cause__
    return None if error.__suppress_context__ else error.__context__


def _members(error: BaseException) -> tuple[BaseException, ...]:
    return error.exceptions if isinstance(error, BaseExceptionGroup) else ()


def _may_quote(error: BaseException) -> bool:
    """Return whether what one exception says may be what somebody else was given."""
    module = type(error).__module__
    if module in _QUOTING or (isinstance(error, SyntaxError) and error.text):  # it prints the line
        return True
    return not (_is_own(module) and (error.__traceback__ is None or _is_own(_raised_in(error))))


def _raised_in(error: BaseException) -> object:
    """Return the name of the module that raised an exception; None for code that belongs to none."""
    entry = error.__traceback__
    while entry is not None and entry.tb_next is not None:
        entry = entry.tb_next
    return None if entry is None else entry.tb_frame.f_globals.get("__name__")


def _is_own(module: object) -> bool:
    """Return whether a module is the program's or Python's; what cannot be found is not."""
    if not isinstance(module, str):
        return False
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top in _OWN:
        return True
    if top in _PARSERS or libraries.is_of_ours(module):
        return False
    found = sys.modules.get(top)
    places = list(getattr(found, "__path__", ())) or [getattr(found, "__file__", None)]
    return not any(place is None or _holds_packages(os.path.dirname(place)) for place in places)  # noqa: PTH120 - text in, text out


@functools.lru_cache(maxsize=256)
def _holds_packages(directory: str) -> bool:
    """Return whether packages are installed in a directory, or it cannot be read, as inside a zip file."""
    if directory.endswith(_PACKAGES):
        return True
    try:
        return any(name.endswith(".dist-info") for name in os.listdir(directory))  # noqa: PTH208 - names only
    except OSError:
        return True
