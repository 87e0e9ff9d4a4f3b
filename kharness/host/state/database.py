"""The tables of the state database, as the steps that lead to them.

A step is never changed once it was published: add another one. `PRAGMA user_version` is the number of steps taken.
Only what SQLite 3.34 knows (2020, still that of long-lived distributions) is used.

Rows of the state: how they are added, and how their texts are kept.

A SQLite file that several processes write to: opened late, migrated once, its failures named.

Connections are short-lived, so that threads, forks and killed processes leave nothing behind.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from kharness.errors import StateError

APPLICATION_ID = 0x6B686172
"""`PRAGMA application_id`, which tells our files from other SQLite databases: "khar"."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE verdict (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL, mode TEXT NOT NULL, inputs TEXT NOT NULL,
            image_id TEXT NOT NULL, outcome TEXT NOT NULL, tests INTEGER NOT NULL, at REAL NOT NULL,
            session TEXT NOT NULL)""",
        "CREATE INDEX verdict_by_inputs ON verdict (name, mode, inputs)",
        """CREATE TABLE release (
            id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, kind TEXT NOT NULL, image_id TEXT NOT NULL,
            previous TEXT, digest TEXT, git_commit TEXT, who TEXT NOT NULL, at REAL NOT NULL, session TEXT NOT NULL,
            tests INTEGER NOT NULL, note TEXT NOT NULL)""",
        "CREATE INDEX release_by_name ON release (name)",
        """CREATE TABLE build (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL, image_id TEXT NOT NULL, digest TEXT NOT NULL,
            base TEXT NOT NULL, at REAL NOT NULL)""",
        "CREATE INDEX build_by_name ON build (name)",
        "CREATE TABLE fact (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    ),
    (
        """CREATE TABLE operation (
            id TEXT PRIMARY KEY, name TEXT NOT NULL, phase TEXT NOT NULL, note TEXT NOT NULL, began REAL NOT NULL,
            body TEXT NOT NULL)""",
    ),
    (
        """CREATE TABLE hardening (
            chain TEXT PRIMARY KEY, name TEXT NOT NULL, image_id TEXT NOT NULL, at REAL NOT NULL,
            body TEXT NOT NULL)""",
    ),
    (
        # Rows from before there were projects have an empty one, until a project takes them over.
        "ALTER TABLE verdict ADD COLUMN project TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE release ADD COLUMN project TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE build ADD COLUMN project TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE operation ADD COLUMN project TEXT NOT NULL DEFAULT ''",
        "DROP INDEX verdict_by_inputs",
        "DROP INDEX release_by_name",
        "DROP INDEX build_by_name",
        "CREATE INDEX verdict_by_inputs ON verdict (project, name, mode, inputs)",
        "CREATE INDEX release_by_name ON release (project, name)",
        "CREATE INDEX build_by_name ON build (project, name)",
        "ALTER TABLE fact RENAME TO fact_without_project",
        """CREATE TABLE fact (
            project TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (project, key))""",
        "INSERT INTO fact SELECT '', key, value FROM fact_without_project",
        "DROP TABLE fact_without_project",
    ),
)


def add(connection: sqlite3.Connection, table: str, columns: str, rows: Iterable[tuple[Any, ...]]) -> tuple[int, ...]:
    """Add rows, and return their numbers. `table` and `columns`, joined by commas, are the schema's own names."""
    places = ", ".join("?" * len(columns.split(",")))
    # Only a fact, and the hardening of layers, have a key that can be there already.
    text = f"REPLACE INTO {table} ({columns}) VALUES ({places})"  # noqa: S608 - names of the schema alone
    return tuple(connection.execute(text, texts(row)).lastrowid or 0 for row in rows)


def texts(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the values with the odd bytes of texts that are not UTF-8 escaped."""
    return tuple(value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value for value in row)


T = TypeVar("T")

BUSY_TIMEOUT = 10.0
"""Seconds that SQLite waits for another writer."""
_TRIES = 5
SMALLEST = 64 << 10
"""Bytes that SQLite needs at the least: less than that is a full disk."""


class Database:
    """The file at `path`. Nothing is opened, created or migrated before the first `read` or `write`.

    What is written outlives the process; where it is `durable`, a loss of power as well, for which each write waits.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path = path
        self._synchronous = "FULL" if durable else "OFF"
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
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            if not self._ready:
                _prepare(connection, self.path)
                self._ready = True
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
