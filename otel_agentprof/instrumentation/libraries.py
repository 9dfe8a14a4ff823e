"""All libraries that we know, by name. A library's file is loaded when the library itself is imported.

providers/     LLM clients         ProviderSpec    patched methods
toolkits/      tools               ProviderSpec    patched methods
frameworks/    agent frameworks    FrameworkSpec   the framework's own hook
contrib.py     HTTP, databases     FrameworkSpec   OpenTelemetry's own instrumentations
entry points   of other packages   ProviderSpec    group ``otel_agentprof.providers``
"""

from __future__ import annotations

import functools
import logging
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from otel_agentprof.instrumentation import contrib, frameworks, providers, toolkits
from otel_agentprof.instrumentation.spec import ProviderSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from otel_agentprof.instrumentation.framework import FrameworkSpec

_SHARED: Final = frozenset({"azure", "google"})  # namespaces: many firms' packages, or unlike ones, in each
_LOGGER = logging.getLogger(__name__)
_GROUP: Final = "otel_agentprof.providers"
Kind = Literal["provider", "toolkit", "framework", "contrib", "entry point"]


class Library(NamedTuple):
    """A library that can be instrumented.

    Attributes:
        name: As in ``instrument(include=["openai"])``.
        kind: Which room its file is in.
        module: Its import makes the file needed; None: at once.
        entry: Where somebody else's spec comes from.
    """

    name: str
    kind: Kind
    module: str | None
    entry: metadata.EntryPoint | None = None

    def load(self) -> ProviderSpec | FrameworkSpec:
        """Return what we know of the library.

        Raises:
            Exception: Of any kind, for somebody else's entry point that cannot be loaded.
            TypeError: For one that is no ProviderSpec.
            ValueError: For one of another name than its entry point's.
        """
        if self.entry is not None:
            spec: Any = self.entry.load()
            if not isinstance(spec, ProviderSpec):
                raise TypeError(f"{self.entry.value} is a {type(spec).__name__}, expected a ProviderSpec")
            if spec.name != self.name:
                raise ValueError(
                    f"{self.entry.value} calls itself {spec.name!r}, its entry point {self.name!r}"
                )
            return spec
        if self.kind == "contrib":
            return contrib.spec_of(self.name)
        found: ProviderSpec | FrameworkSpec = import_module(f"{_ROOMS[self.kind]}.{self.name}").SPEC
        return found

    def preload(self) -> None:
        """Import what will be imported for it, now, while no lock is held.

        OpenTelemetry's own instrumentations import libraries, which another thread may be importing and may
        ask us about: under a lock of ours each would wait for the other.
        """
        if self.kind == "contrib":
            contrib.preload(self.name)

    def is_disabled_by(self, names: AbstractSet[str]) -> bool:
        """Return whether it is among the names in ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS``."""
        return f"agentprof_{self.name}" in names or (self.kind == "contrib" and self.name in names)


_ROOMS: Final = {
    "provider": providers.__name__,
    "toolkit": toolkits.__name__,
    "framework": frameworks.__name__,
}


@functools.cache
def known() -> Mapping[str, Library]:
    """Return every library by name; what others registered cannot take the name of one of ours."""
    found = {name: Library(name, "provider", module) for name, module in providers.MODULES.items()}
    found |= {name: Library(name, "toolkit", module) for name, module in toolkits.MODULES.items()}
    found |= {name: Library(name, "framework", module) for name, module in frameworks.MODULES.items()}
    found |= {name: Library(name, "contrib", row.module) for name, row in contrib.TABLE.items()}
    for entry in metadata.entry_points(group=_GROUP):
        if entry.name in found:
            _LOGGER.warning(
                "%s is ours already: the entry point %s is not used; give it another name",
                entry.name,
                entry.value,
            )
        else:
            found[entry.name] = Library(entry.name, "entry point", None, entry)
    return found


@functools.cache
def _packages() -> frozenset[str]:
    return frozenset(map(_package, (*providers.MODULES.values(), *frameworks.MODULES.values())))


def is_of_ours(module: str) -> bool:
    """Return whether a module belongs to a client or a framework that we know.

    Their errors quote prompts and answers; and what they do for themselves is no tool of the program's.
    """
    return _package(module) in _packages()


def _package(module: str) -> str:
    top, _, rest = module.partition(".")
    return f"{top}.{rest.partition('.')[0]}" if top in _SHARED else top
