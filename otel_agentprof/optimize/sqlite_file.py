"""A file as a back end: SQLite, least recently used first out, for threads and processes at the same time.

A write is one transaction in the write-ahead log: a process that is killed in the midst of it loses that
entry and nothing else.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from typing import Final

from otel_agentprof.optimize import forks

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, data BLOB NOT NULL, size INTEGER NOT NULL,
                                    used INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_use ON answers (used, size);
"""
_OWNER_ONLY: Final = 0o600  # answers may be anybody's secrets
_BUSY_S: Final = 0.5  # how long another process may be in the midst of a write
_NEXT: Final = "(SELECT coalesce(max(used), 0) + 1 FROM answers)"  # counts uses: no clock that could jump


class SqliteFile:
    """Entries in a file, which is made when it is first needed.

    Every method may raise ``sqlite3.Error``, and ``OSError`` where the place cannot be written.
    """

    def __init__(self, path: str, *, max_size: int, max_bytes: int | None) -> None:
        self._path = path
        self._max_size = max_size
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None
        self._of_parent: list[sqlite3.Connection | None] = []
        forks.watch(self)

    def __del__(self) -> None:
        self.close()

    def after_fork(self) -> None:
        """Begin anew in a child: a connection must not be carried over a fork, nor be closed by the child."""
        self._lock = threading.Lock()
        self._of_parent.append(self._opened)
        self._opened = None

    def get(self, key: str) -> bytes | None:
        """Return an entry, which is now the last one to go; None where there is none."""
        with self._lock, self._connection() as connection:
            with closing(connection.execute("SELECT data FROM answers WHERE key = ?", (key,))) as found:
                row = found.fetchone()
            if row is not None:
                connection.execute(f"UPDATE answers SET used = {_NEXT} WHERE key = ?", (key,))  # noqa: S608 - ours
        return None if row is None else bytes(row[0])

    def set(self, key: str, data: bytes, ttl_s: int | None = None) -> None:
        """Keep an entry, and let others go for it; its own text says how long it holds."""
        del ttl_s
        size = len(data)
        if self._max_bytes is not None and size > self._max_bytes:
            return self.delete(key)
        with self._lock, self._connection() as connection:
            connection.execute(
                f"INSERT OR REPLACE INTO answers VALUES (?, ?, ?, {_NEXT})",  # noqa: S608 - ours
                (key, data, size),
            )
            self._make_room(connection)
        return None

    def delete(self, key: str) -> None:
        """Forget an entry, if it is there."""
        with self._lock, self._connection() as connection:
            connection.execute("DELETE FROM answers WHERE key = ?", (key,))

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        with self._lock:
            opened, self._opened = self._opened, None
            if opened is not None:
                opened.close()

    def _connection(self) -> sqlite3.Connection:
        if self._opened is not None:
            return self._opened
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, _OWNER_ONLY))
        connection = sqlite3.connect(self._path, timeout=_BUSY_S, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
            connection.execute("PRAGMA synchronous=NORMAL").close()
            connection.executescript(_SCHEMA).close()
        except BaseException:
            connection.close()
            raise
        self._opened = connection
        return connection

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """Let the least recently used go, one by one: a write makes room for itself."""
        while True:
            count, size = connection.execute("SELECT count(*), sum(size) FROM answers").fetchone()
            if count <= self._max_size and (self._max_bytes is None or size <= self._max_bytes):
                return
            connection.execute("DELETE FROM answers WHERE used = (SELECT min(used) FROM answers)")
