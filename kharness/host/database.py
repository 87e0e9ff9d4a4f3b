"""A SQLite file that several processes write to: opened late, migrated once, its failures named.

Connections are short-lived, so that threads, forks and killed processes leave nothing behind.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from kharness.errors import StateError
from kharness.host.schema import APPLICATION_ID, MIGRATIONS

T = TypeVar("T")

BUSY_TIMEOUT = 10.0
"""Seconds that SQLite waits for another writer."""
_TRIES = 5
SMALLEST = 64 << 10
"""Bytes that SQLite needs at the least: less than that is a full disk."""


class Database:
    """The file at `path`. Nothing is opened, created or migrated before the first `read` or `write`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ready = False

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` makes of a connection. Raises `StateError`."""
        return self._attempt(work, begin="BEGIN")

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Like `read`, in a transaction that is committed at the end. `work` may be run again."""
        return self._attempt(work, begin="BEGIN IMMEDIATE")

    def _attempt(self, work: Callable[[sqlite3.Connection], T], *, begin: str) -> T:
        # The busy timeout covers waiting for a writer; opening and closing the write-ahead log can still be refused.
        for last in (*[False] * (_TRIES - 1), True):
            try:
                with self._open() as connection, _transaction(connection, begin):
                    return work(connection)
            except sqlite3.Error as error:
                if last or not _is_busy(error):
                    raise StateError(_explain(self.path, error)) from error
                time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - spreads the tries, keeps no secret
        raise AssertionError("unreachable")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(f"{self.path}: its directory cannot be made: {error.strerror}") from error
        # isolation_level None: transactions are begun where they are written, not where Python guesses them.
        with closing(sqlite3.connect(self.path, timeout=BUSY_TIMEOUT, isolation_level=None)) as connection:
            if not self._ready:
                _prepare(connection, self.path)
                self._ready = True
            connection.execute("PRAGMA synchronous = FULL")
            # The journal has the whole request of a container, its variables with it: nothing of that outlives its row.
            connection.execute("PRAGMA secure_delete = ON")
            yield connection


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    # Everything is looked at before anything is changed.
    if _check(connection, path) == len(MIGRATIONS):
        return
    if _pragma(connection, "journal_mode = WAL") != "wal":
        raise StateError(f"{path}: its file system should allow SQLite's write-ahead log, and does not")
    with _transaction(connection, "BEGIN EXCLUSIVE"):
        # Another process may have been faster.
        version = _check(connection, path)
        for number, step in enumerate(MIGRATIONS[version:], start=version + 1):
            for statement in step:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _check(connection: sqlite3.Connection, path: Path) -> int:
    version = int(_pragma(connection, "user_version"))
    empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if _pragma(connection, "application_id") != APPLICATION_ID and not empty:
        raise StateError(f"{path}: should be kharness's state database, not another SQLite file")
    if version > len(MIGRATIONS):
        raise StateError(
            f"{path}: is from a newer kharness (schema {version}, this one knows {len(MIGRATIONS)}); "
            "nothing was changed; use that version again"
        )
    return version


def _pragma(connection: sqlite3.Connection, text: str) -> int | str:
    value: int | str = connection.execute(f"PRAGMA {text}").fetchone()[0]
    return value


def _is_busy(error: sqlite3.Error) -> bool:
    return _code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _code(error: sqlite3.Error) -> int:
    # The lower byte is the primary code; errors of the module itself have none.
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < SMALLEST
    except OSError:
        return False


def _explain(path: Path, error: sqlite3.Error) -> str:
    match _code(error):
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            what = "is damaged; move it away or restore it from a backup"
        case sqlite3.SQLITE_ERROR if "no such" in str(error):
            what = "is damaged, a part of its schema is missing; move it away or restore it from a backup"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            what = "cannot be written"
        case sqlite3.SQLITE_CANTOPEN:
            what = "cannot be opened"
        case sqlite3.SQLITE_IOERR if _is_full(path):
            # Making room in the shared memory file fails with this code.
            what = "cannot be written, the disk is full"
        case sqlite3.SQLITE_FULL:
            what = "cannot be written, the disk is full"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            what = f"cannot be written, another process has been writing for more than {BUSY_TIMEOUT:.0f} s"
        case _:
            what = "cannot be used"
    return f"{path}: {what} ({error})"
