"""What becomes of each library that we know: installed, patched, left to somebody, or skipped, and why."""

from __future__ import annotations

import importlib
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import TracerProvider

from otel_agentprof import __version__, api, environment
from otel_agentprof.instrumentation import libraries, versions
from otel_agentprof.instrumentation.engine import Engine
from otel_agentprof.instrumentation.framework import FrameworkSpec
from otel_agentprof.instrumentation.registry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
    targets, reasons = _targets({name: spec for name, spec in specs.items() if not isinstance(spec, str)})
    for library in libraries.known().values():
        spec = specs[library.name]
        own = [target for target in targets if target.provider == library.name]
        if isinstance(spec, str):
            yield _row(library, None, "?", [f"cannot be loaded: {spec}"], own)
            continue
        version = versions.installed(spec.distribution)
        notes = [] if version is None else list(notes_of(spec, own, reasons))
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


def _targets(specs: dict[str, Spec]) -> tuple[tuple[Target, ...], dict[str, str]]:
    """Return what became of every method, and of the modules that could not be imported, why not."""
    if environment.is_sdk_disabled():
        return (), {}
    reasons: dict[str, str] = {}
    chosen = [library for library in api.chosen_libraries() if library.name in specs]
    REGISTRY.patch(Engine(TracerProvider(shutdown_on_exit=False), version=__version__), chosen)
    try:
        for library in chosen:
            spec = specs[library.name]
            if versions.installed(spec.distribution) is not None:
                reasons |= _import_all(library, spec)
        return REGISTRY.targets(), reasons
    finally:
        REGISTRY.unpatch()


def _import_all(library: Library, spec: Spec) -> dict[str, str]:
    reasons: dict[str, str] = {}
    modules = [library.module] if library.module else []
    if not isinstance(spec, FrameworkSpec):
        modules += [path.partition(":")[0] for call in spec.calls for path in call.places]
    for path in dict.fromkeys(modules):
        try:
            importlib.import_module(path)
        except Exception as error:  # noqa: BLE001 - broken, or lacks an extra: its methods stay "waiting"
            reasons[path] = f"{type(error).__name__}: {error}"
    return reasons


def notes_of(spec: Spec, targets: list[Target], reasons: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield what there is to say of an installed library.

    Args:
        spec: What we know of it.
        targets: What became of its methods, or of its hook.
        reasons: Why modules could not be imported, by their paths.
    """
    states: Counter[State] = Counter(target.state for target in targets)
    if not targets:
        yield "left alone: OTEL_SDK_DISABLED or OTEL_PYTHON_DISABLED_INSTRUMENTATIONS says so"
    for target in targets:
        if target.state in _TOLD:
            yield f"{_TOLD[target.state]}: {target.detail}"
    if states["patched"]:
        yield f"patched: {_methods(states['patched'])}"
    for owner in sorted({target.detail for target in targets if target.state == "foreign"}):
        methods = [target.path.partition(":")[2] for target in targets if target.detail == owner]
        yield f"wrapped by {owner} and left to it: {', '.join(methods)}"
    if states["missing"]:
        yield f"not in this version: {_methods(states['missing'])}"
    yield from _waiting(targets, reasons or {})
    if not isinstance(spec, FrameworkSpec):
        yield from _native(spec)


def _waiting(targets: list[Target], reasons: Mapping[str, str]) -> Iterator[str]:
    """Yield what could not be imported, once for each reason."""
    modules = [target.path.partition(":")[0] for target in targets if target.state == "waiting"]
    told = Counter(reasons.get(module, f"{module} was not imported") for module in modules)
    for reason, count in told.items():
        of_methods = f" ({_methods(count)})" if count > 1 else ""
        yield f"not importable here: {reason}{of_methods}"


def _methods(count: int) -> str:
    return f"{count} method" if count == 1 else f"{count} methods"


def _native(spec: ProviderSpec) -> Iterator[str]:
    if spec.native_switch is None:
        if spec.native_scope is not None:
            yield "can trace itself: where the program asks it to, two spans show a call, counted once"
        return
    variable, off = spec.native_switch
    if (chosen := environment.value_of(variable)) is None:
        yield f"can trace itself: switched off by {variable}={off} while we are on"
    elif chosen != off:
        yield f"traces itself, as {variable}={chosen} asks: its own spans are used"
