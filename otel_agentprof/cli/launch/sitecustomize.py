"""Run by the interpreter that ``agentprof run`` starts, as its ``site`` module imports it.

Everything that made this happen is put back before the program begins: its imports, its environment and the
interpreters that it starts are as they would be without us.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Final

_DIRECTORY: Final = str(Path(__file__).parent)
_HOME: Final = str(Path(__file__).parents[3])  # where otel_agentprof is: perhaps only known to our parent


def _record() -> None:
    is_known = _HOME in sys.path
    if not is_known:
        sys.path.append(_HOME)
    try:
        from otel_agentprof import environment  # noqa: PLC0415 - needs the path

        path = environment.take_recording(_DIRECTORY)
        if path is not None:
            from otel_agentprof.cli import recording  # noqa: PLC0415 - likewise

            recording.begin(path)
    except Exception as error:  # noqa: BLE001 - the program must run, recorded or not
        sys.stderr.write(f"agentprof: nothing is recorded: {type(error).__name__}: {error}\n")
    finally:
        if not is_known:
            sys.path.remove(_HOME)


def _hand_over() -> None:
    """Let a ``sitecustomize`` of the user's do what it would have done without this one."""
    while _DIRECTORY in sys.path:
        sys.path.remove(_DIRECTORY)
    ours = sys.modules.pop(__name__)
    try:
        importlib.import_module(__name__)
    except ModuleNotFoundError as error:
        if error.name != __name__:
            raise
    finally:
        sys.modules.setdefault(__name__, ours)


if _DIRECTORY in sys.path and __name__ == "sitecustomize":
    _record()
    _hand_over()
