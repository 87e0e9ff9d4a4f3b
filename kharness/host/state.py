"""What is remembered between sessions: verdicts, releases, builds, hardening, facts; one database per engine.

Texts that are not UTF-8 (a user's name, a path in a note) are kept with their odd bytes escaped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from kharness.errors import StateError
from kharness.host.database import Database
from kharness.plan.hardening import Hardening
from kharness.plan.operation import Operation, Phase

_ENTRY_COLUMNS = "name, kind, image_id, previous, digest, git_commit, who, at, session, tests, note"

Outcome = Literal["passed", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a container directory's tests ended in a mode, for exactly these inputs; `at` is seconds since the epoch."""

    name: str
    mode: str
    inputs: str
    image_id: str
    outcome: Outcome
    tests: int
    at: float
    session: str

    @property
    def passed(self) -> bool:
        """Whether every test passed."""
        return self.outcome == "passed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the ledger is told; `kind` is promote, untested, launch, relaunch, rollback, undone or found."""

    name: str
    kind: str
    image_id: str
    previous: str | None
    digest: str | None
    commit: str | None
    who: str
    at: float
    session: str
    tests: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(Entry):
    """An entry of the ledger; numbers grow and are never used again."""

    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Journaled:
    """An operation that is not over; `note` is why it was to be undone."""

    operation: Operation
    phase: Phase
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRecord:
    """A build: `digest` stands for what the image was made from, `base` for the image it is on."""

    name: str
    image_id: str
    digest: str
    base: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HardeningRecord:
    """What was done to the image of directory `name` when it was built; `chain` stands for all of its layers."""

    chain: str
    name: str
    image_id: str
    at: float
    hardening: Hardening


class State:
    """The state database at `path`; every method raises `StateError` and may be called from any thread or process.

    It is opened at the first call. A database that is damaged, read-only or from a newer version is refused before
    anything in it is changed.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database(path)

    @property
    def path(self) -> Path:
        """The database's file."""
        return self._database.path

    def record_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        """Remember how a session's tests ended, of all its directories at once: each write waits for the disk."""
        rows = [astuple(verdict) for verdict in verdicts]
        if rows:
            self._insert("verdict", "name, mode, inputs, image_id, outcome, tests, at, session", *rows)

    def verdict(self, name: str, mode: str, inputs: str) -> Verdict | None:
        """Return the latest verdict for exactly these inputs, or None."""
        return self._verdict("name = ? AND mode = ? AND inputs = ?", (name, mode, inputs))

    def verdict_of_image(self, name: str, image_id: str) -> Verdict | None:
        """Return the latest verdict for an image of a directory, in whatever mode, or None."""
        return self._verdict("name = ? AND image_id = ?", (name, image_id))

    def last_verdicts(self) -> Mapping[str, Verdict]:
        """Return the latest verdict of each container directory, in whatever mode and for whatever inputs."""
        columns = "name, mode, inputs, image_id, outcome, tests, at, session"
        rows = self._select(
            f"SELECT {columns} FROM verdict WHERE id IN (SELECT max(id) FROM verdict GROUP BY name)",  # noqa: S608
            (),
        )
        found = (Verdict(**_named(Verdict, row)) for row in rows)
        return {verdict.name: verdict for verdict in found}

    def record_release(self, entry: Entry) -> int:
        """Add an entry to the ledger and return its number."""
        return self._insert("release", _ENTRY_COLUMNS, astuple(entry))

    def releases(self, name: str | None = None, limit: int = 50) -> tuple[Release, ...]:
        """Return the latest entries of the ledger, newest first; of one container directory, or of all."""
        rows = self._select(
            f"SELECT {_ENTRY_COLUMNS}, id FROM release "  # noqa: S608 - from this file
            "WHERE ?1 IS NULL OR name = ?1 ORDER BY id DESC LIMIT ?2",
            (name, limit),
        )
        return tuple(Release(**_named(Release, row)) for row in rows)

    def begin(self, operation: Operation) -> None:
        """Remember an operation before it changes anything."""
        row = (operation.id, operation.name, Phase.OPEN.value, "", operation.at, operation.to_json())
        self._insert("operation", "id, name, phase, note, began, body", row)

    def decide(self, operation: str, entries: Iterable[Entry]) -> None:
        """Remember that it is to be kept, and tell the ledger of it, both or neither."""
        rows = [astuple(entry) for entry in entries]

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE operation SET phase = ? WHERE id = ?", (Phase.KEEP.value, operation))
            _add(connection, "release", _ENTRY_COLUMNS, rows)

        self._database.write(work)

    def doubt(self, operation: str, note: str) -> None:
        """Remember why it is to be undone, for whoever undoes it."""
        values = _texts((note, operation))
        self._database.write(
            lambda connection: connection.execute("UPDATE operation SET note = ? WHERE id = ?", values)
        )

    def end(self, operation: str, entries: Iterable[Entry] = ()) -> None:
        """Forget an operation that is over, and tell the ledger of it, both or neither.

        An operation that another process has ended meanwhile is not told of again.
        """
        rows = [astuple(entry) for entry in entries]

        def work(connection: sqlite3.Connection) -> None:
            if connection.execute("DELETE FROM operation WHERE id = ?", (operation,)).rowcount:
                _add(connection, "release", _ENTRY_COLUMNS, rows)

        self._database.write(work)

    def operations(self, name: str | None = None) -> tuple[Journaled, ...]:
        """Return the operations that are not over, the oldest first; of one container directory, or of all."""
        rows = self._select(
            "SELECT id, phase, note, body FROM operation WHERE ?1 IS NULL OR name = ?1 ORDER BY began", (name,)
        )
        return tuple(self._journaled(*row) for row in rows)

    def record_build(self, *, name: str, image_id: str, digest: str, base: str, at: float) -> None:
        """Remember a build."""
        row = astuple(BuildRecord(name=name, image_id=image_id, digest=digest, base=base, at=at))
        self._insert("build", "name, image_id, digest, base, at", row)

    def builds(self, name: str, limit: int = 50) -> tuple[BuildRecord, ...]:
        """Return a directory's latest builds, newest first."""
        rows = self._select(
            "SELECT name, image_id, digest, base, at FROM build WHERE name = ? ORDER BY id DESC LIMIT ?", (name, limit)
        )
        return tuple(BuildRecord(**_named(BuildRecord, row)) for row in rows)

    def record_hardening(self, record: HardeningRecord) -> None:
        """Remember what was done to layers, in place of what was said of exactly these before."""
        row = (record.chain, record.name, record.image_id, record.at, record.hardening.to_json())
        self._insert("hardening", "chain, name, image_id, at, body", row)

    def hardening(self, chains: Iterable[str]) -> HardeningRecord | None:
        """Return what was done to the first of these chains of layers of which something is known, or None."""
        for chain in chains:
            rows = self._select("SELECT chain, name, image_id, at, body FROM hardening WHERE chain = ?", (chain,))
            if rows:
                return self._hardening(*rows[0])
        return None

    def hardened(self) -> frozenset[str]:
        """Return all chains of layers of which it is known what was done to them."""
        return frozenset(str(chain) for (chain,) in self._select("SELECT chain FROM hardening", ()))

    def forget_hardening(self, chains: Iterable[str]) -> None:
        """Forget what was done to these layers."""
        rows = [(chain,) for chain in chains]
        if rows:
            text = "DELETE FROM hardening WHERE chain = ?"
            self._database.write(lambda connection: connection.executemany(text, rows))

    def set_fact(self, key: str, value: str) -> None:
        """Remember a value under a key, in place of an earlier one."""
        self._insert("fact", "key, value", (key, value))

    def fact(self, key: str) -> str | None:
        """Return the value under a key, or None."""
        rows = self._select("SELECT value FROM fact WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else None

    def set_facts(self, facts: Mapping[str, str]) -> None:
        """Remember several values, all or none."""
        if facts:
            self._insert("fact", "key, value", *facts.items())

    def facts(self, prefix: str) -> Mapping[str, str]:
        """Return the values of all keys that begin so, by the rest of the key."""
        rows = self._select("SELECT key, value FROM fact WHERE substr(key, 1, ?) = ?", (len(prefix), prefix))
        return {str(key)[len(prefix) :]: str(value) for key, value in rows}

    def _verdict(self, where: str, values: tuple[str, ...]) -> Verdict | None:
        rows = self._select(
            "SELECT name, mode, inputs, image_id, outcome, tests, at, session FROM verdict "  # noqa: S608 - from this file
            f"WHERE {where} ORDER BY id DESC LIMIT 1",
            values,
        )
        return Verdict(**_named(Verdict, rows[0])) if rows else None

    def _journaled(self, number: str, phase: str, note: str, body: str) -> Journaled:
        try:
            return Journaled(operation=Operation.from_json(body), phase=Phase(phase), note=note)
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"{self.path}: the journal's operation {number} cannot be read: {error!r}") from error

    def _hardening(self, chain: str, name: str, image: str, at: float, body: str) -> HardeningRecord:
        try:
            said = Hardening.from_json(body)
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"{self.path}: what was done to {image} cannot be read: {error!r}") from error
        return HardeningRecord(chain=chain, name=name, image_id=image, at=at, hardening=said)

    def _insert(self, table: str, columns: str, *rows: tuple[Any, ...]) -> int:
        return self._database.write(lambda connection: _add(connection, table, columns, rows))[-1]

    def _select(self, text: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return self._database.read(lambda connection: connection.execute(text, _texts(values)).fetchall())


def _add(connection: sqlite3.Connection, table: str, columns: str, rows: Iterable[tuple[Any, ...]]) -> tuple[int, ...]:
    places = ", ".join("?" * len(columns.split(",")))
    # Only a fact, and the hardening of layers, have a key that can be there already.
    text = f"REPLACE INTO {table} ({columns}) VALUES ({places})"  # noqa: S608 - names from this file alone
    return tuple(connection.execute(text, _texts(row)).lastrowid or 0 for row in rows)


def _named(kind: type[Any], row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip((field.name for field in fields(kind)), row, strict=True))


def _texts(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value for value in row)
