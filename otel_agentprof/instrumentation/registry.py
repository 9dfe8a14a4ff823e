"""What is patched, what is not, and why; and the way back.

A module is patched when it is imported, never before: nothing is imported that the user did not import.
"""

from __future__ import annotations

import inspect
import logging
import sys
import threading
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal

import wrapt

from otel_agentprof import config
from otel_agentprof.instrumentation import foreign
from otel_agentprof.instrumentation.method import PatchedMethod, Slot, wrapper
from otel_agentprof.instrumentation.providers import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_agentprof.instrumentation.engine import Engine
    from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec

_LOGGER = logging.getLogger(__name__)
State = Literal["patched", "waiting", "foreign", "missing"]


@dataclass(frozen=True, slots=True)
class Target:
    """One method and what became of it.

    Attributes:
        state: ``patched``; ``waiting`` for its module to be imported; ``foreign``: another package had
            wrapped it, so we stepped back; ``missing``: this version of the client has no such method.
        detail: Who wrapped it, or what is missing.
    """

    provider: str
    path: str
    state: State
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Patch:
    owner: type
    name: str
    original: Any
    ours: Any


class Registry:
    """The patches of this process; there is one, :data:`REGISTRY`."""

    def __init__(self) -> None:
        self.slots = {provider.name: Slot() for provider in PROVIDERS}
        self._lock = threading.RLock()
        self._patches: dict[str, _Patch] = {}
        self._targets: dict[str, Target] = {}
        self._hooked: set[str] = set()
        self._switched: dict[str, str] = {}

    def patch(self, engine: Engine, providers: Iterable[ProviderSpec]) -> None:
        """Send the calls of some providers through ``engine``, as soon as their modules are there."""
        with self._lock:
            for provider in providers:
                self.slots[provider.name].engine = engine
                self._switch_native_off(provider)
                for spec in provider.calls:
                    for path in spec.targets:
                        self._hook(provider, spec, path)

    def unpatch(self, names: Iterable[str] | None = None) -> None:
        """Put back the very attributes that were there before; all providers where no names are given."""
        with self._lock:
            wanted = set(self.slots if names is None else names)
            for name in wanted:
                self.slots[name].engine = None
            for path, patch in list(self._patches.items()):
                if self._targets[path].provider in wanted:
                    # Someone else's wrapper around ours stays: ours inside it now only passes on.
                    if _itself(patch.owner.__dict__.get(patch.name)) is patch.ours:
                        setattr(patch.owner, patch.name, patch.original)
                    del self._patches[path], self._targets[path]
            for variable in [v for v in self._switched if self._switched[v] in wanted]:
                del self._switched[variable]
                config.unset(variable)

    def targets(self) -> tuple[Target, ...]:
        """Return what became of every method that we were asked to patch."""
        with self._lock:
            return tuple(self._targets.values())

    def is_active(self, provider: str) -> bool:
        """Return whether calls of a provider go through an engine."""
        return self.slots[provider].engine is not None

    def _hook(self, provider: ProviderSpec, spec: CallSpec, path: str) -> None:
        module_name = path.partition(":")[0]
        self._targets.setdefault(path, Target(provider.name, path, "waiting"))

        def imported(module: Any) -> None:
            with self._lock:
                if self.is_active(provider.name) and path not in self._patches:
                    self._apply(provider, spec, path, module)

        if path in self._hooked:
            if module_name in sys.modules:
                imported(sys.modules[module_name])
            return
        self._hooked.add(path)
        wrapt.register_post_import_hook(imported, module_name)

    def _apply(self, provider: ProviderSpec, spec: CallSpec, path: str, module: Any) -> None:
        class_name, _, name = path.partition(":")[2].partition(".")
        owner = getattr(module, class_name, None)
        original = None if owner is None else owner.__dict__.get(name)
        if owner is None or original is None:
            _LOGGER.debug("%s has no %s", provider.name, path)
            self._targets[path] = Target(
                provider.name, path, "missing", f"not in {provider.name} {_version(provider)}"
            )
            return
        if (copied := self._copied_from(original)) is not None:
            original = copied  # the class took over our wrapper together with the function (Bedrock, Vertex)
        elif (other := foreign.wrapper_of(original, module)) is not None:
            _LOGGER.debug("%s is wrapped by %s already; left alone", path, other)
            self._targets[path] = Target(provider.name, path, "foreign", other)
            return
        is_async = inspect.iscoroutinefunction(inspect.unwrap(original))
        ours = PatchedMethod(original, wrapper(self.slots[provider.name], provider, spec, is_async=is_async))
        setattr(owner, name, ours)
        self._patches[path] = _Patch(owner, name, original, ours)
        self._targets[path] = Target(provider.name, path, "patched")

    def _copied_from(self, attribute: Any) -> Any:
        ours = _itself(attribute)
        for patch in self._patches.values():
            if patch.ours is ours:
                return patch.original
        return None

    def _switch_native_off(self, provider: ProviderSpec) -> None:
        if provider.native_switch is None:
            return
        variable, off = provider.native_switch
        if config.set_if_unset(variable, off):
            self._switched[variable] = provider.name


def _itself(attribute: Any) -> Any:
    """Return a wrapper itself: taken from a class as an attribute it comes bound, and remembers of what."""
    return getattr(attribute, "_self_parent", None) or attribute


def _version(provider: ProviderSpec) -> str:
    try:
        return metadata.version(provider.name)
    except metadata.PackageNotFoundError:
        return "?"


REGISTRY = Registry()
