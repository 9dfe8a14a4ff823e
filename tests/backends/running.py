"""Programs that serve: started on free ports, waited for until they are ready, ended by their pid."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

PATIENCE_S: Final = 120.0  # of a machine that is busy with other things
_POLL_S: Final = 0.02
_TRIES: Final = 3
_REQUIRED: Final = "AGENTPROF_REQUIRE_BACKENDS"
# Proxies of the environment do not know this machine's own address.
_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Start:
    """How to start a program: its command, and the address that answers 200 when it is ready."""

    command: Sequence[str]
    ready_url: str
    environment: Mapping[str, str] = field(default_factory=dict)


def absent(name: str, why: str) -> NoReturn:
    """Skip the test with a reason, or fail where ``AGENTPROF_REQUIRE_BACKENDS`` names the backend."""
    if name in os.environ.get(_REQUIRED, "").replace(" ", "").split(","):
        pytest.fail(f"{_REQUIRED} asks for {name}: {why}")
    pytest.skip(why)


def program(name: str, variable: str) -> str:
    """Return the path of a backend's program that a variable names."""
    path = os.environ.get(variable)
    if not path:
        absent(name, f"no {name} here: {variable} is not set (.ci/backends builds Jaeger and the Collector)")
    if not os.access(path, os.X_OK):
        absent(name, f"{variable}={path} is no program")
    return path


def fetch(url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> bytes:
    """Return what a local server answers.

    Raises:
        OSError: It does not answer, or with another status than 2xx.
    """
    request = urllib.request.Request(url, data=body, headers=dict(headers or {}))  # noqa: S310 - http, of our own
    with _DIRECT.open(request, timeout=PATIENCE_S) as answer:
        data: bytes = answer.read()
        return data


def until(look: Callable[[], _Found], what: str) -> _Found:
    """Return the first result that is true; a backend needs a moment before it shows what it has taken."""
    end = time.monotonic() + PATIENCE_S
    while not (found := look()):
        if time.monotonic() > end:
            pytest.fail(f"waited in vain for {what}; the last look showed {str(found)[:500]}")
        time.sleep(_POLL_S)
    return found


def or_none(look: Callable[[], _Found]) -> _Found | None:
    """Return what a server shows, None where it does not have it (yet)."""
    try:
        return look()
    except urllib.error.HTTPError as error:
        if error.code in (404, 503):
            return None
        raise AssertionError(f"{error.url}: {error.code} {error.read()[:500]!r}") from error


@contextmanager
def started(
    prepare: Callable[[Sequence[int]], Start], *, port_count: int, log: Path
) -> Iterator[Sequence[int]]:
    """Run a program until the block ends; give the ports on which it serves.

    A port that was free may be taken by somebody else meanwhile: then it is tried again with others.

    Args:
        prepare: Writes the configuration for the ports, and says how to start.
        port_count: How many are needed.
        log: Where the program's output goes.
    """
    with ExitStack() as stack:
        for _ in range(_TRIES):
            ports = free_ports(port_count)
            start = prepare(ports)
            process = stack.enter_context(_running(start, log))
            if _is_ready(process, start.ready_url):
                yield ports
                return
        pytest.fail(f"{start.command[0]} does not start:\n{log.read_text()[-3000:]}")


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody uses at this moment."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def _running(start: Start, log: Path) -> Iterator[subprocess.Popen[Any]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    with log.open("ab") as output:
        process = subprocess.Popen(
            start.command, env={**kept, **start.environment}, stdout=output, stderr=output, cwd=log.parent
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_ready(process: subprocess.Popen[Any], url: str) -> bool:
    """Wait until a program answers; return False if it has ended instead."""

    def answers() -> bool:
        try:
            fetch(url)
        except OSError:
            return False
        return True

    return until(lambda: process.poll() is not None or answers(), url) and process.poll() is None
