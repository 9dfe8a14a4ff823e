"""What becomes of each library that we know: installed, patched, left to somebody, or skipped, and why."""

from __future__ import annotations

import importlib
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import TracerProvider

from otel_agentprof import __version__, api, config
from otel_agentprof.instrumentation import libraries, versions
from otel_agentprof.instrumentation.engine import Engine
from otel_agentprof.instrumentation.framework import FrameworkSpec
from otel_agentprof.instrumentation.registry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_agentprof.instrumentation.libraries import Library
    from otel_agentprof.instrumentation.registry import State, Target
    from otel_agentprof.instrumentation.spec import ProviderSpec

    Spec = ProviderSpec | FrameworkSpec

_TOLD: Final = {
    "attached": "attached",
    "unfit": "left alone",
    "broken": "could not be instrumented",
}


def rows() -> Iterator[dict[str, Any]]:
    """Yield one row per library: instrument as ``instrument()`` would, look, and take it back."""
    specs = {library.name: _loaded(library) for library in libraries.known().values()}
    targets = _targets({name: spec for name, spec in specs.items() if not isinstance(spec, str)})
    for library in libraries.known().values():
        spec = specs[library.name]
        own = [target for target in targets if target.provider == library.name]
        if isinstance(spec, str):
            yield _row(library, None, "?", [f"cannot be loaded: {spec}"], own)
            continue
        version = versions.installed(spec.distribution)
        notes = [] if version is None else list(notes_of(spec, own))
        yield _row(library, version, spec.distribution, notes, own)


def _row(
    library: Library, version: str | None, supported: str, notes: list[str], targets: list[Target]
) -> dict[str, Any]:
    return {
        "name": library.name,
        "kind": library.kind,
        "version": version,
        "supported": supported,
        "methods": dict(Counter(target.state for target in targets)),
        "notes": notes,
    }


def _loaded(library: Library) -> Spec | str:
    try:
        return library.load()
    except Exception as error:  # noqa: BLE001 - somebody else's entry point may fail in any way
        return f"{type(error).__name__}: {error}"


def _targets(specs: dict[str, Spec]) -> tuple[Target, ...]:
    if config.is_sdk_disabled():
        return ()
    chosen = [library for library in api.chosen_libraries() if library.name in specs]
    REGISTRY.patch(Engine(TracerProvider(shutdown_on_exit=False), version=__version__), chosen)
    try:
        for library in chosen:
            spec = specs[library.name]
            if versions.installed(spec.distribution) is not None:
                _import_all(library, spec)
        return REGISTRY.targets()
    finally:
        REGISTRY.unpatch()


def _import_all(library: Library, spec: Spec) -> None:
    modules = [library.module] if library.module else []
    if not isinstance(spec, FrameworkSpec):
        modules += [path.partition(":")[0] for call in spec.calls for path in call.targets]
    for path in dict.fromkeys(modules):
        try:
            importlib.import_module(path)
        except Exception:  # noqa: BLE001, S112 - a library that is broken or lacks an extra: its methods stay "waiting"
            continue


def notes_of(spec: Spec, targets: list[Target]) -> Iterator[str]:
    """Yield what there is to say of an installed library."""
    states: Counter[State] = Counter(target.state for target in targets)
    if not targets:
        yield "left alone: OTEL_SDK_DISABLED or OTEL_PYTHON_DISABLED_INSTRUMENTATIONS says so"
    for target in targets:
        if target.state in _TOLD:
            yield f"{_TOLD[target.state]}: {target.detail}"
    if states["patched"]:
        yield f"patched: {states['patched']} methods"
    for owner in sorted({target.detail for target in targets if target.state == "foreign"}):
        methods = [target.path.partition(":")[2] for target in targets if target.detail == owner]
        yield f"wrapped by {owner} and left to it: {', '.join(methods)}"
    if states["missing"]:
        yield f"not in this version: {states['missing']} methods"
    if states["waiting"] and isinstance(spec, FrameworkSpec):
        yield f"not importable here: {', '.join(t.path for t in targets if t.state == 'waiting')}"
    elif states["waiting"]:
        yield f"not importable here, perhaps an extra is not installed: {states['waiting']} methods"
    if not isinstance(spec, FrameworkSpec):
        yield from _native(spec)


def _native(spec: ProviderSpec) -> Iterator[str]:
    if spec.native_switch is None:
        return
    variable, off = spec.native_switch
    if (chosen := config.value_of(variable)) is None:
        yield f"can trace itself: switched off by {variable}={off} while we are on"
    elif chosen != off:
        yield f"traces itself, as {variable}={chosen} asks: its own spans are used"
