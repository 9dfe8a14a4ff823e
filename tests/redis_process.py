"""A Redis server of our own, on a socket in a temporary folder; Debian's package ``redis-server``."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import redis

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REQUIRED = "AGENTPROF_REQUIRE_REDIS"  # .ci/run sets it: there, a server that is missing is a failure


@contextmanager
def running(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a server; give its URL and its process. Skip where there is none to run."""
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get(REQUIRED):
            pytest.fail("redis-server is not installed, and has to be")
        pytest.skip("redis-server is not installed: apt-get install redis-server")
    path = folder / "redis.sock"
    process = subprocess.Popen(
        [program, "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_for(str(path), process)
        yield f"unix://{path}", process
    finally:
        process.kill()
        process.wait(20)


def _wait_for(path: str, process: subprocess.Popen[Any]) -> None:
    client = redis.Redis(unix_socket_path=path)
    while process.poll() is None:
        try:
            client.ping()
        except redis.ConnectionError:  # not there, or still loading
            threading.Event().wait(0.02)
        else:
            client.close()
            return
    pytest.fail("redis-server did not start")
