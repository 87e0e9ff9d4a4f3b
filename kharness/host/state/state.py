"""What is remembered between sessions: verdicts, releases, builds, hardening, facts; one database per engine.

Every record belongs to a project, and a project sees its own alone. What is known of an image's layers, and facts about
the engine itself, belong to all.

Texts that are not UTF-8 (a user's name, a path in a note) are kept with their odd bytes escaped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Literal

from kharness.errors import StateError
from kharness.host.state import lives
from kharness.host.state.database import Database, add, texts
from kharness.host.state.lives import ENTRY_COLUMNS, RETIRE
from kharness.plan.image.hardening import Hardening
from kharness.plan.release.operation import Operation, Phase

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
    """An entry for the ledger.

    `kind` is promote, untested, launch, relaunch, rollback, undone, found, retire, rename or restore.
    """

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
    """A project's part of the state database at `path`; every method raises `StateError`, from any thread or process.

    It is opened at the first call. A database that is damaged, read-only or from a newer version is refused before
    anything in it is changed. Without `durable` a loss of power may take what was written last.
    """

    def __init__(self, path: Path, *, project: str, durable: bool = True) -> None:
        self._database = Database(path, durable=durable)
        self._project = project

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
        """Return the latest verdict for an image of a directory, in any mode, or None."""
        return self._verdict("name = ? AND image_id = ?", (name, image_id))

    def last_verdicts(self) -> Mapping[str, Verdict]:
        """Return the latest verdict of each container directory, in any mode and for any inputs."""
        columns = "name, mode, inputs, image_id, outcome, tests, at, session"
        rows = self._select(
            f"SELECT {columns} FROM verdict WHERE id IN "  # noqa: S608 - from this file
            "(SELECT max(id) FROM verdict WHERE project = ? GROUP BY name)",
            (self._project,),
        )
        found = (Verdict(**_named(Verdict, row)) for row in rows)
        return {verdict.name: verdict for verdict in found}

    def record_release(self, entry: Entry) -> int:
        """Add an entry to the ledger and return its number."""
        return self._insert("release", ENTRY_COLUMNS, astuple(entry))

    def releases(self, name: str | None = None, limit: int = 50) -> tuple[Release, ...]:
        """Return the latest entries of the ledger, newest first; of one container directory, or of all."""
        rows = self._select(
            f"SELECT {ENTRY_COLUMNS}, id FROM release "  # noqa: S608 - from this file
            "WHERE project = ?3 AND (?1 IS NULL OR name = ?1) ORDER BY id DESC LIMIT ?2",
            (name, limit, self._project),
        )
        return tuple(Release(**_named(Release, row)) for row in rows)

    def releases_in_use(self, name: str, limit: int = 1000) -> tuple[Release, ...]:
        """Return the latest entries of a container, newest first, without those from before it was last retired."""
        found = self.releases(name, limit=limit)
        ended = next((number for number, each in enumerate(found) if each.kind == RETIRE), len(found))
        return found[:ended]

    def names(self) -> frozenset[str]:
        """Return the names of all containers of which the ledger, verdicts or builds have something."""
        tables = ("release", "verdict", "build", "operation")
        text = " UNION ".join(f"SELECT name FROM {table} WHERE project = ?1" for table in tables)  # noqa: S608
        return frozenset(str(name) for (name,) in self._select(text, (self._project,)))

    def retire(self, entry: Entry, *, forget: Iterable[str]) -> None:
        """Close the records of a container, all or nothing: an entry in the ledger; verdicts and facts go."""
        self._database.write(partial(lives.retire, project=self._project, row=astuple(entry), forget=tuple(forget)))

    def tell(self, entry: Entry, *, forget: Iterable[str]) -> None:
        """Add an entry to the ledger and forget the facts `forget`, both or neither."""
        self._database.write(partial(lives.tell, project=self._project, row=astuple(entry), forget=tuple(forget)))

    def rename(self, old: str, new: str, *, facts: Iterable[tuple[str, str]]) -> None:
        """Let all records of one name be those of another, and the facts under keys as (from, to), all or nothing."""
        self._database.write(partial(lives.rename, project=self._project, old=old, new=new, facts=tuple(facts)))

    def names_in_use(self) -> frozenset[str]:
        """Return the names of all containers of which something was released since they were last retired."""
        rows = self._select(
            "SELECT name FROM release WHERE project = ?1 GROUP BY name "
            "HAVING max(id) > coalesce(max(CASE WHEN kind = ?2 THEN id END), 0)",
            (self._project, RETIRE),
        )
        return frozenset(str(name) for (name,) in rows)

    def recorded_images(self) -> frozenset[str]:
        """Return the ids of all images that the ledger has, of any container directory."""
        return frozenset(str(image) for (image,) in self._select("SELECT DISTINCT image_id FROM release", ()))

    def begin(self, operation: Operation) -> None:
        """Remember an operation before it changes anything."""
        row = (operation.id, operation.name, Phase.OPEN.value, "", operation.at, operation.to_json())
        self._insert("operation", "id, name, phase, note, began, body", row)

    def decide(self, operation: str, entries: Iterable[Entry]) -> None:
        """Record that it is kept, and its entries in the ledger, both or neither."""
        rows = [astuple(entry) for entry in entries]

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE operation SET phase = ? WHERE id = ?", (Phase.KEEP.value, operation))
            self._add(connection, "release", ENTRY_COLUMNS, rows)

        self._database.write(work)

    def doubt(self, operation: str, note: str) -> None:
        """Record why it is to be undone, for the command that undoes it."""
        values = texts((note, operation))
        self._database.write(
            lambda connection: connection.execute("UPDATE operation SET note = ? WHERE id = ?", values)
        )

    def end(self, operation: str, entries: Iterable[Entry] = ()) -> None:
        """Forget an operation that is over, and record its entries in the ledger, both or neither.

        An operation that another process has ended meanwhile gets no second entry.
        """
        rows = [astuple(entry) for entry in entries]

        def work(connection: sqlite3.Connection) -> None:
            if connection.execute("DELETE FROM operation WHERE id = ?", (operation,)).rowcount:
                self._add(connection, "release", ENTRY_COLUMNS, rows)

        self._database.write(work)

    def operations(self, name: str | None = None) -> tuple[Journaled, ...]:
        """Return the operations that are not over, the oldest first; of one container directory, or of all."""
        rows = self._select(
            "SELECT id, phase, note, body FROM operation "
            "WHERE project = ?2 AND (?1 IS NULL OR name = ?1) ORDER BY began",
            (name, self._project),
        )
        return tuple(self._journaled(*row) for row in rows)

    def record_build(self, *, name: str, image_id: str, digest: str, base: str, at: float) -> None:
        """Remember a build."""
        row = astuple(BuildRecord(name=name, image_id=image_id, digest=digest, base=base, at=at))
        self._insert("build", "name, image_id, digest, base, at", row)

    def builds(self, name: str | None, limit: int = 50) -> tuple[BuildRecord, ...]:
        """Return the latest builds of a directory, or of all, newest first; `limit` -1 is none."""
        rows = self._select(
            "SELECT name, image_id, digest, base, at FROM build "
            "WHERE project = ?1 AND (?2 IS NULL OR name = ?2) ORDER BY id DESC LIMIT ?3",
            (self._project, name, limit),
        )
        return tuple(BuildRecord(**_named(BuildRecord, row)) for row in rows)

    def record_hardening(self, record: HardeningRecord) -> None:
        """Record what was done to layers, in place of an earlier record of the same layers."""
        row = (record.chain, record.name, record.image_id, record.at, record.hardening.to_json())
        columns = "chain, name, image_id, at, body"
        self._database.write(lambda connection: add(connection, "hardening", columns, [row]))

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
        return self._fact(self._project, key)

    def forget(self, keys: Iterable[str]) -> None:
        """Forget the values under these keys."""
        self._database.write(partial(lives.forget_facts, project=self._project, keys=tuple(keys)))

    def set_engine_fact(self, key: str, value: str) -> None:
        """Remember a value that holds for all projects on this engine."""
        self._database.write(lambda connection: add(connection, "fact", "project, key, value", [("", key, value)]))

    def engine_fact(self, key: str) -> str | None:
        """Return the value that holds for all projects on this engine, or None."""
        return self._fact("", key)

    def set_facts(self, facts: Mapping[str, str]) -> None:
        """Remember several values, all or none."""
        if facts:
            self._insert("fact", "key, value", *facts.items())

    def facts(self, prefix: str) -> Mapping[str, str]:
        """Return the values of all keys that begin so, by the rest of the key."""
        rows = self._select(
            "SELECT key, value FROM fact WHERE project = ? AND substr(key, 1, ?) = ?",
            (self._project, len(prefix), prefix),
        )
        return {str(key)[len(prefix) :]: str(value) for key, value in rows}

    def has_released(self, name: str, image_id: str) -> bool:
        """Whether the ledger, or the journal, has a release of this image by this project."""
        found = self._select(
            "SELECT 1 FROM release WHERE project = ? AND name = ? AND image_id = ? LIMIT 1",
            (self._project, name, image_id),
        )
        return bool(found) or any(image_id in entry.operation.images for entry in self.operations(name))

    def without_project(self) -> Mapping[str, frozenset[str]]:
        """Return the names released before there were projects, which none has taken over, with their images' ids."""
        found: dict[str, set[str]] = {}
        for name, image in self._select("SELECT DISTINCT name, image_id FROM release WHERE project = ''", ()):
            found.setdefault(str(name), set()).add(str(image))
        for row in self._select("SELECT id, phase, note, body FROM operation WHERE project = ''", ()):
            operation = self._journaled(*row).operation
            found.setdefault(operation.name, set()).update(operation.images)
        return {name: frozenset(images) for name, images in found.items()}

    def take_over(self, names: Iterable[str]) -> None:
        """Give this project the records of these names from before there were projects, and a copy of the facts."""
        rows = [(self._project, name) for name in names]

        def work(connection: sqlite3.Connection) -> None:
            for table in ("verdict", "release", "build", "operation"):
                text = f"UPDATE {table} SET project = ? WHERE project = '' AND name = ?"  # noqa: S608 - from this file
                connection.executemany(text, rows)
            connection.execute(
                "INSERT OR IGNORE INTO fact SELECT ?, key, value FROM fact WHERE project = ''", (self._project,)
            )

        self._database.write(work)

    def _fact(self, project: str, key: str) -> str | None:
        rows = self._select("SELECT value FROM fact WHERE project = ? AND key = ?", (project, key))
        return str(rows[0][0]) if rows else None

    def _verdict(self, where: str, values: tuple[str, ...]) -> Verdict | None:
        rows = self._select(
            "SELECT name, mode, inputs, image_id, outcome, tests, at, session FROM verdict "  # noqa: S608 - from this file
            f"WHERE project = ? AND {where} ORDER BY id DESC LIMIT 1",
            (self._project, *values),
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
        return self._database.write(lambda connection: self._add(connection, table, columns, rows))[-1]

    def _add(
        self, connection: sqlite3.Connection, table: str, columns: str, rows: Iterable[tuple[Any, ...]]
    ) -> tuple[int, ...]:
        return add(connection, table, f"{columns}, project", [(*row, self._project) for row in rows])

    def _select(self, text: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return self._database.read(lambda connection: connection.execute(text, texts(values)).fetchall())


def _named(kind: type[Any], row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip((field.name for field in fields(kind)), row, strict=True))
