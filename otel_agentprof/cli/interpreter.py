"""Another interpreter, run in our place: it gets the signals that we get, and we end as it ends.

The terminal sends Ctrl-C to both of us, `kill` to us alone: only what came to us alone is passed on.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from otel_agentprof.errors import AgentProfError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_PATIENCE_S: Final = 0.5
BY_SIGNAL: Final = 128  # what a shell adds to the number of the signal that ended a program
_PASSED_ON: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH")


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run this Python with some arguments and wait for its end; return the exit code that a shell would show.

    Raises:
        AgentProfError: The interpreter cannot be started.
    """
    if not sys.executable:
        raise AgentProfError("this Python does not know where its interpreter is (sys.executable is empty)")
    command = [sys.executable, *arguments]
    wait = _run_with_signals if hasattr(signal, "sigtimedwait") else _run_plainly
    try:
        code = wait(command, environment)
    except (OSError, ValueError) as error:  # ValueError: a NUL in an argument
        raise AgentProfError(f"cannot start {sys.executable}: {error}") from error
    return code if code >= 0 else BY_SIGNAL - code


def _run_with_signals(command: Sequence[str], environment: Mapping[str, str]) -> int:
    passed_on = {getattr(signal, name) for name in _PASSED_ON}
    watched = {*passed_on, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    try:
        child = subprocess.Popen(  # noqa: S603 - the very program that the user asked for
            command,
            env=environment,
            preexec_fn=_unblocked(before),  # noqa: PLW1509 - the command line has no threads here
        )
        while (code := child.poll()) is None:
            came = signal.sigtimedwait(watched, _PATIENCE_S)
            # A positive code: the kernel sent it, for the terminal, and so to the child too.
            if came is not None and came.si_signo in passed_on and came.si_code <= 0:
                child.send_signal(came.si_signo)
        return code
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _unblocked(mask: set[signal.Signals | int]) -> Callable[[], None]:
    def unblock() -> None:  # pragma: no cover - runs between fork and exec, where nothing is measured
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    return unblock


def _run_plainly(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run it where signals cannot be told apart (macOS, Windows): Ctrl-C reaches both of us."""
    child = subprocess.Popen(command, env=environment)  # noqa: S603 - the very program that the user asked for
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue
