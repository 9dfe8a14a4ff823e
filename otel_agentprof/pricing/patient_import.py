"""Importing on a thread of ours a module that other threads look up in ``sys.modules``.

While a module is being imported it is in there already, half done. ``import`` waits for the rest, a look into
``sys.modules`` does not: openai 2.x takes httpx2 from there if it finds it, and fails in the middle of the
user's call. Here an attribute that is not there yet is waited for instead.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

from wrapt import notify_module_loaded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


@contextmanager
def patient_import(name: str) -> Iterator[None]:
    """Let others wait for the module ``name`` if its import happens inside this block."""
    finder = _Finder(name)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder(MetaPathFinder):
    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _PatientLoader(spec, spec.loader)
        return spec


class _PatientLoader(Loader):
    def __init__(self, spec: ModuleSpec, loader: Loader) -> None:
        self._spec, self._loader = spec, loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        def awaited(name: str) -> Any:
            whole = vars(importlib.import_module(module.__name__))  # returns when the import is over
            if name not in whole:
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            return whole[name]

        vars(module)["__getattr__"] = awaited
        try:
            self._loader.exec_module(module)
        finally:
            if vars(module).get("__getattr__") is awaited:  # else it has one of its own
                del vars(module)["__getattr__"]
            module.__loader__ = self._loader
            self._spec.loader = self._loader
        # Hooks of wrapt's wait for an import by finding the module themselves; this time we did.
        notify_module_loaded(module)
