"""What other threads see of a module while we import it."""

from __future__ import annotations

import importlib
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
import wrapt

from otel_agentprof.pricing.patient_import import patient_import

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAME = "a_module_that_takes_its_time"


class Gate:
    """Where the module of a test stops in the middle."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate()
    (tmp_path / f"{NAME}.py").write_text(
        "import sys\nEARLY = 1\nsys.gate.reached.set()\nsys.gate.opened.wait(10)\nLATE = 2\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "gate", made, raising=False)
    yield made
    made.opened.set()
    sys.modules.pop(NAME, None)


def seen_while_half_done(gate: Gate, look: Callable[[Any], object]) -> object:
    """Look at the half-done module on another thread, and let its import go on only when that looks."""
    seen: list[object] = []
    is_looking = threading.Event()

    def importing() -> None:
        with patient_import(NAME):
            importlib.import_module(NAME)

    def looking() -> None:
        module = sys.modules[NAME]
        is_looking.set()
        try:
            seen.append(look(module))
        except AttributeError as error:
            seen.append(error)

    importer, looker = threading.Thread(target=importing), threading.Thread(target=looking)
    importer.start()
    assert gate.reached.wait(10)
    looker.start()
    assert is_looking.wait(10)
    gate.opened.set()
    looker.join()
    importer.join()
    return seen[0]


def test_what_is_there_already_is_seen_at_once(gate: Gate) -> None:
    assert seen_while_half_done(gate, lambda module: module.EARLY) == 1


def test_what_is_not_there_yet_is_waited_for(gate: Gate) -> None:
    assert seen_while_half_done(gate, lambda module: module.LATE) == 2


def test_what_will_never_be_there_is_missed_as_ever(gate: Gate) -> None:
    error = seen_while_half_done(gate, lambda module: module.NEVER)

    assert str(error) == f"module '{NAME}' has no attribute 'NEVER'"


def test_nothing_of_it_stays(gate: Gate) -> None:
    gate.opened.set()
    finders = list(sys.meta_path)

    with patient_import(NAME):
        module = importlib.import_module(NAME)

    assert sys.meta_path == finders
    assert "__getattr__" not in vars(module)
    assert module.__spec__ is not None
    assert type(module.__spec__.loader).__module__ == type(module.__loader__).__module__
    assert "agentprof" not in type(module.__loader__).__module__


def test_a_module_with_a_getattr_of_its_own_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"{NAME}.py").write_text("def __getattr__(name): return name.upper()\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    with patient_import(NAME):
        module = importlib.import_module(NAME)

    assert module.anything == "ANYTHING"
    del sys.modules[NAME]


def test_a_module_finds_its_own_data_while_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{NAME}.py").write_text("TEXT = __loader__.get_data(__file__)\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    with patient_import(NAME):
        module = importlib.import_module(NAME)

    assert module.TEXT.startswith(b"TEXT")
    del sys.modules[NAME]


def test_a_module_that_is_missing_or_broken_fails_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{NAME}.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    with patient_import(NAME), pytest.raises(ZeroDivisionError):
        importlib.import_module(NAME)
    with patient_import("no_such_module"), pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_module")

    assert NAME not in sys.modules


def test_who_waits_for_the_import_hears_of_it(gate: Gate) -> None:
    heard: list[str] = []
    wrapt.register_post_import_hook(lambda module: heard.append(module.__name__), NAME)
    gate.opened.set()

    with patient_import(NAME):
        importlib.import_module(NAME)

    assert heard == [NAME]
