"""Which version of a library is installed, and whether it is one that we know to work."""

from __future__ import annotations

import platform
import re
from importlib import metadata
from pathlib import Path
from typing import Any, Final

_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_LEAST: Final = re.compile(r"([A-Za-z0-9._-]+)>=([0-9][0-9A-Za-z.]*)")  # all that our own specs ever say
_RELEASE: Final = re.compile(r"\d+(?:\.\d+)*")


def installed(distribution: str) -> str | None:
    """Return the installed version of what a requirement such as ``openai>=2`` names; None for none."""
    named = _NAME.match(distribution)
    if named is None:
        return None
    if named[0] == "python":  # what comes with the language is as old as the language is
        return platform.python_version()
    try:
        return metadata.version(named[0])
    except metadata.PackageNotFoundError:
        return None


def problem(distribution: str) -> str | None:
    """Return why a library is left alone; None where nothing speaks against it.

    A module without a distribution (a source tree, a stand-in) is taken as it is: what it has is patched.
    """
    version = installed(distribution)
    if version is None or _satisfies(version, distribution):
        return None
    return f"{version} is installed, {distribution} is known to work"


def is_from(module: Any, distribution: str) -> bool:
    """Return whether a module is what a distribution installed, and not another one of the same name.

    ``agents`` or ``mcp`` may as well be a folder of the user's own. What a distribution keeps elsewhere (an
    editable install) is taken for its own.
    """
    named = _NAME.match(distribution)
    try:
        home = metadata.distribution(named[0] if named else "")
    except (metadata.PackageNotFoundError, ValueError):
        return False
    installed = Path(str(home.locate_file(f"{module.__name__.replace('.', '/')}/__init__.py")))
    file = getattr(module, "__file__", None)
    return file is None or not installed.exists() or installed.samefile(file)


def _satisfies(version: str, distribution: str) -> bool:
    plain = _LEAST.fullmatch(distribution)
    if plain is not None:
        return _release(version) >= _release(plain[2])
    from packaging.requirements import Requirement  # noqa: PLC0415 - 8 ms, for other people's specs only

    return Requirement(distribution).specifier.contains(version, prereleases=True)


def _release(version: str) -> tuple[int, ...]:
    """Return the numbers of a version; a pre-release counts as what it leads to."""
    found = _RELEASE.match(version)
    numbers = tuple(map(int, found[0].split("."))) if found else ()
    while numbers and numbers[-1] == 0:
        numbers = numbers[:-1]
    return numbers
