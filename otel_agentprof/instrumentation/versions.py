"""Which version of a library is installed, and whether it is one that we know to work."""

from __future__ import annotations

import platform
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement


def installed(distribution: str) -> str | None:
    """Return the installed version of what a requirement such as ``openai>=2`` names; None for none."""
    try:
        name = Requirement(distribution).name
        # What comes with the language is as old as the language is.
        return platform.python_version() if name == "python" else metadata.version(name)
    except (metadata.PackageNotFoundError, InvalidRequirement):
        return None


def problem(distribution: str) -> str | None:
    """Return why a library is left alone; None where nothing speaks against it.

    A module without a distribution (a source tree, a stand-in) is taken as it is: what it has is patched.
    """
    version = installed(distribution)
    if version is None or Requirement(distribution).specifier.contains(version, prereleases=True):
        return None
    return f"{version} is installed, {distribution} is known to work"
