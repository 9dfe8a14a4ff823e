"""What is patched, what is not, and why; and the way back.

A library is patched when it is imported, never before: nothing is imported that the user did not import.
A library that is missing, odd or broken is told by ``doctor`` and stops no other.
"""

from __future__ import annotations

import inspect
import logging
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import wrapt

from otel_agentprof import environment
from otel_agentprof.instrumentation import foreign, versions
from otel_agentprof.instrumentation.framework import FrameworkSpec, LeftAloneError, TracedByOthersError
from otel_agentprof.instrumentation.method import PatchedMethod, Slot, second_net, wrapper
from otel_agentprof.instrumentation.place import Place, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from otel_agentprof.instrumentation.engine import Engine
    from otel_agentprof.instrumentation.libraries import Library
    from otel_agentprof.instrumentation.spec import CallSpec, ProviderSpec

_LOGGER = logging.getLogger(__name__)
State = Literal["patched", "attached", "waiting", "foreign", "missing", "unfit", "broken"]


@dataclass(frozen=True, slots=True)
class Target:
    """One method, or one framework's hook, and what became of it.

    Attributes:
        state: ``patched``; ``attached`` to a framework's hook; ``waiting`` for its module to be imported;
            ``foreign``: another package had wrapped it, so we stepped back; ``missing``: this version of the
            library has no such method; ``unfit``: left alone, for its version or because it is taken care
            of already; ``broken``: it failed.
        detail: Who wrapped it, what is missing, what went wrong.
    """

    provider: str
    path: str
    state: State
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Patch:
    place: Place
    original: Any
    ours: Any


class Registry:
    """The patches of this process; there is one, :data:`REGISTRY`."""

    def __init__(self) -> None:
        self.slots: dict[str, Slot] = {}
        self._lock = threading.RLock()
        self._patches: dict[str, _Patch] = {}
        self._attached: dict[str, Callable[[], None]] = {}
        self._targets: dict[str, Target] = {}
        self._hooked: set[str] = set()
        self._switched: dict[str, str] = {}

    def patch(self, engine: Engine, chosen: Iterable[Library]) -> None:
        """Send the calls of some libraries through ``engine``, as soon as their modules are there."""
        chosen = tuple(chosen)
        for library in chosen:
            if library.module in sys.modules:
                library.preload()
        with self._lock:
            for library in chosen:
                self.slots.setdefault(library.name, Slot()).engine = engine
                if library.module is None:
                    self._try(library.name, library.name, self.take, library)
                else:
                    self._note(library.name, library.module, "waiting")
                    self._when_imported(library.name, library.module, _Taking(self, library))

    def unpatch(self, names: Iterable[str] | None = None) -> None:
        """Put back the very attributes that were there before; all libraries where no names are given."""
        with self._lock:
            wanted = set(self.slots if names is None else names)
            for name in wanted & set(self.slots):
                self.slots[name].engine = None
                if (detach := self._attached.pop(name, None)) is not None:
                    self._try(name, name, detach)
            for path, patch in list(self._patches.items()):
                if self._targets[path].provider in wanted:
                    # Someone else's wrapper around ours stays: ours inside it now only passes on.
                    if _itself(patch.place.content) is patch.ours:
                        patch.place.put(patch.original)
                    del self._patches[path]
            for path in [path for path, target in self._targets.items() if target.provider in wanted]:
                del self._targets[path]
            for variable in [v for v in self._switched if self._switched[v] in wanted]:
                del self._switched[variable]
                environment.unset(variable)

    def targets(self) -> tuple[Target, ...]:
        """Return what became of every method and hook that we were asked for."""
        with self._lock:
            return tuple(self._targets.values())

    def is_active(self, name: str) -> bool:
        """Return whether calls of a library go through an engine."""
        return name in self.slots and self.slots[name].engine is not None

    def _when_imported(self, name: str, module_name: str, work: Callable[[Any], None]) -> None:
        """Do some work as soon as a module is there; once per module and library, however often asked."""

        def imported(module: Any) -> None:
            if isinstance(work, _Taking) and self.is_active(name):
                work.library.preload()
            with self._lock:
                if self.is_active(name):
                    self._try(name, module_name, work, module)

        key = f"{name} {module_name} {getattr(work, 'path', '')}"
        if key in self._hooked:
            if module_name in sys.modules:
                imported(sys.modules[module_name])
            return
        self._hooked.add(key)
        wrapt.register_post_import_hook(imported, module_name)

    def _try(self, name: str, path: str, work: Callable[..., None], *args: Any) -> None:
        try:
            work(*args)
        except Exception as error:  # noqa: BLE001 - a library may fail in any way; the others go on
            self._note(name, path, "broken", f"{type(error).__name__}: {error}")
            _LOGGER.warning(
                "%s could not be instrumented: %s: %s; the program goes on", name, type(error).__name__, error
            )

    def _note(self, name: str, path: str, state: State, detail: str = "") -> None:
        self._targets[path] = Target(name, path, state, detail)

    def take(self, library: Library, module: Any = None) -> None:
        """Patch a library, or attach to it, now that it is there."""
        spec = library.load()
        self._targets.pop(library.module or "", None)
        problem = versions.problem(spec.distribution)
        if library.kind == "framework" and not versions.is_from(module, spec.distribution):
            # An adapter imports more of its framework: that must not be more of somebody else's package.
            problem = f"what is imported as {library.module} is not {spec.distribution}"
        if problem:
            self._note(library.name, library.name, "unfit", problem)
            _LOGGER.debug("%s is left alone: %s", library.name, problem)
        elif isinstance(spec, FrameworkSpec):
            self._attach(spec)
        else:
            self._switch_native_off(spec)
            for call in spec.calls:
                for path in call.places:
                    self._hook(spec, call, path)

    def _attach(self, spec: FrameworkSpec) -> None:
        engine = self.slots[spec.name].engine
        if engine is not None and spec.name not in self._attached:
            try:
                self._attached[spec.name] = spec.attach(engine.attachment)
            except TracedByOthersError as other:
                _LOGGER.debug("%s is traced by %s already; left alone", spec.name, other)
                self._note(spec.name, spec.name, "foreign", str(other))
                return
            except LeftAloneError as reason:
                self._note(spec.name, spec.name, "unfit", str(reason))
                return
        self._note(spec.name, spec.name, "attached", spec.note)

    def _hook(self, provider: ProviderSpec, spec: CallSpec, path: str) -> None:
        if path not in self._patches:
            self._note(provider.name, path, "waiting")
        self._when_imported(provider.name, path.partition(":")[0], _Patching(self, provider, spec, path))

    def apply(self, provider: ProviderSpec, spec: CallSpec, path: str, module: Any) -> None:
        """Patch one method of a module, unless that is done or somebody else did."""
        if path in self._patches:
            return
        place = place_of(module, path.partition(":")[2])
        if place is None:
            _LOGGER.debug("%s has no %s", provider.name, path)
            installed = versions.installed(provider.distribution)
            self._note(provider.name, path, "missing", f"not in {provider.name} {installed or '?'}")
            return
        original = place.content
        if (copied := self._copied_from(original)) is not None:
            original = copied  # the class took over our wrapper together with the function (Bedrock, Vertex)
        elif (other := foreign.wrapper_of(original, module)) is not None:
            _LOGGER.debug("%s is wrapped by %s already; left alone", path, other)
            self._note(provider.name, path, "foreign", other)
            return
        # A wrapper of the library's own may hide a coroutine function, or be one around a plain function.
        is_async = any(map(inspect.iscoroutinefunction, (original, inspect.unwrap(original))))
        make = second_net if path in spec.beneath else wrapper
        ours = PatchedMethod(original, make(self.slots[provider.name], provider, spec, is_async=is_async))
        place.put(ours)
        self._patches[path] = _Patch(place, original, ours)
        self._note(provider.name, path, "patched")

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
        if environment.set_if_unset(variable, off):
            self._switched[variable] = provider.name


class _Taking:
    """The patching of a library, when it is there."""

    __slots__ = ("_registry", "library")

    def __init__(self, registry: Registry, library: Library) -> None:
        self._registry, self.library = registry, library

    def __call__(self, module: Any) -> None:
        self._registry.take(self.library, module)


class _Patching:
    """The patching of one method, when its module is there."""

    __slots__ = ("_provider", "_registry", "_spec", "path")

    def __init__(self, registry: Registry, provider: ProviderSpec, spec: CallSpec, path: str) -> None:
        self._registry, self._provider, self._spec, self.path = registry, provider, spec, path

    def __call__(self, module: Any) -> None:
        self._registry.apply(self._provider, self._spec, self.path, module)


def _itself(attribute: Any) -> Any:
    """Return a wrapper itself: taken from a class as an attribute it comes bound, and remembers of what."""
    return getattr(attribute, "_self_parent", None) or attribute


REGISTRY = Registry()
