"""A file as a back end: it survives restarts, a kill while it is written, a full disk and other writers."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from otel_agentprof import PromptCache
from otel_agentprof.optimize.sqlite_file import SqliteFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.db"


@pytest.fixture
def file(path: Path) -> Iterator[SqliteFile]:
    made = SqliteFile(str(path), max_size=3, max_bytes=1000)
    yield made
    made.close()


def test_answers_are_there_after_a_restart(path: Path) -> None:
    code = (
        "import sys; from otel_agentprof import PromptCache;"
        "cache = PromptCache(backend=f'sqlite:{sys.argv[1]}');"
        "print(cache.get('a', 'm')); cache.set('a', 'm', {'text': 'A'})"
    )

    runs = [
        subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]

    assert [run.stdout.strip() for run in runs] == ["None", "{'text': 'A'}"]


@pytest.mark.skipif(os.name != "posix", reason="no modes of files here")
def test_only_its_owner_can_read_the_file(file: SqliteFile, path: Path) -> None:
    file.set("a", b"A")

    assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}


def test_the_least_recently_used_goes_first(file: SqliteFile) -> None:
    for key in "abc":
        file.set(key, key.encode())
    file.get("a")
    file.set("d", b"d")
    file.set("c", b"c2")

    assert [file.get(key) for key in "abcd"] == [b"a", None, b"c2", b"d"]


def test_entries_have_no_more_bytes_than_they_may(file: SqliteFile) -> None:
    file.set("a", b"x" * 600)
    file.set("b", b"y" * 600)
    file.set("c", b"z" * 100, 60)
    file.set("c", b"z" * 2000)

    assert [file.get(key) and len(file.get(key) or b"") for key in "abc"] == [None, 600, None]
    file.delete("b")
    file.delete("b")
    assert file.get("b") is None


def test_a_closed_file_is_opened_again(file: SqliteFile) -> None:
    file.set("a", b"A")

    file.close()
    file.close()

    assert file.get("a") == b"A"


def test_threads_and_other_connections_write_at_the_same_time(path: Path) -> None:
    files = [SqliteFile(str(path), max_size=100, max_bytes=None) for _ in range(2)]

    def write(number: int) -> None:
        files[number % 2].set(f"{number % 20}", b"x" * number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(60)))

    assert all(files[0].get(str(number)) is not None for number in range(20))
    for each in files:
        each.close()


_WRITER = """
import sys, threading
from otel_agentprof import PromptCache
cache = PromptCache(backend=f"sqlite:{sys.argv[1]}", max_size=10_000)
for number in range(100_000):
    cache.set(number, "m", {"text": f"{number} " * 200})
    print(number, flush=True)
"""


def test_a_process_that_is_killed_while_writing_loses_its_last_write_at_most(path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, path], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    with writer.stdout as told:
        for line in told:
            if int(line) == 40:
                break
        writer.send_signal(signal.SIGKILL)
        written = 41 + len(told.readlines())
    writer.wait(20)

    cache = PromptCache(backend=f"sqlite:{path}", max_size=10_000)
    found = [cache.get(number, "m") for number in range(written)]

    assert writer.returncode == -signal.SIGKILL
    assert found == [{"text": f"{number} " * 200} for number in range(written)]
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_a_full_disk_keeps_what_is_there(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = PromptCache(backend=f"sqlite:{path}")
    cache.set("a", "m", "A")
    backend: SqliteFile = cache._shelf._store._backend  # type: ignore[union-attr,assignment]  # made above
    assert backend._opened is not None
    backend._opened.execute("PRAGMA max_page_count=1").close()  # no less than it has

    for number in range(3):
        cache.set(number, "m", "x" * 100_000)

    assert cache.get("a", "m") == "A"
    assert cache.get(0, "m") is None
    (warning,) = caplog.records
    assert "OperationalError: database or disk is full; calls go through" in warning.getMessage()
    backend.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_disk_quota_ends_no_program(path: Path) -> None:
    code = """
import resource, signal, sys
from otel_agentprof import PromptCache
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
cache = PromptCache(backend=f"sqlite:{sys.argv[1]}")
cache.set("a", "m", "A")
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
for number in range(20):
    cache.set(number, "m", "x" * 50_000)
print(cache.get("a", "m"))
"""

    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "A"
    assert done.stderr.count("calls go through") == 1


def test_what_is_no_database_lets_calls_through(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(b"no database at all, but long enough to be looked at " * 100)
    before = path.read_bytes()
    cache = PromptCache(backend=f"sqlite:{path}")

    cache.set("a", "m", "A")

    assert cache.get("a", "m") is None
    assert path.read_bytes() == before
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_place_that_cannot_be_written_lets_calls_through(tmp_path: Path) -> None:
    cache = PromptCache(backend=f"sqlite:{tmp_path / 'no' / 'such' / 'place'}")

    cache.set("a", "m", "A")

    assert cache.get("a", "m") is None


def test_a_broken_entry_is_a_miss_and_goes(path: Path) -> None:
    cache = PromptCache(backend=f"sqlite:{path}")
    cache.set("a", "m", "A")
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE answers SET data = substr(data, 1, length(data) - 2)")

    assert cache.get("a", "m") is None

    assert connection.execute("SELECT count(*) FROM answers").fetchone() == (0,)
    connection.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_opens_the_file_anew(file: SqliteFile) -> None:
    file.set("a", b"A")
    with file._lock:  # as if another thread were in the midst of it
        pid = os.fork()
        if pid == 0:
            file.set("b", b"B")
            os._exit(0 if file.get("a") == b"A" else 1)

    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert file.get("b") == b"B"
    assert threading.active_count()
