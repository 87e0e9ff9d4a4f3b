"""The records of a container as a whole: closed when it is retired, moved when it is renamed.

Each function is one transaction's work.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from kharness.host.state.database import add, texts

ENTRY_COLUMNS = "name, kind, image_id, previous, digest, git_commit, who, at, session, tests, note"
"""An entry of the ledger, in the order of its fields."""
RETIRE = "retire"
"""The ledger's word for the end of a container; what is older does not count for a later one of the same name."""

RENAME = "rename"
"""The ledger's word for another name."""


def retire(connection: sqlite3.Connection, *, project: str, row: tuple[Any, ...], forget: Iterable[str]) -> None:
    """Add an entry of the ledger, and remove what would be taken for a later container's: verdicts and facts."""
    connection.execute("DELETE FROM verdict WHERE project = ? AND name = ?", texts((project, row[0])))
    tell(connection, project=project, row=row, forget=forget)


def tell(connection: sqlite3.Connection, *, project: str, row: tuple[Any, ...], forget: Iterable[str]) -> None:
    """Add an entry of the ledger, and remove facts."""
    add(connection, "release", f"{ENTRY_COLUMNS}, project", [(*row, project)])
    forget_facts(connection, project=project, keys=forget)


def rename(
    connection: sqlite3.Connection, *, project: str, old: str, new: str, facts: Iterable[tuple[str, str]]
) -> None:
    """Let the records of one name be those of another; `facts` are keys as (from, to), and what is there already stays.

    The hardening of layers stays under its name: it belongs to all projects.
    """
    for table in ("verdict", "release", "build"):
        text = f"UPDATE {table} SET name = ? WHERE project = ? AND name = ?"  # noqa: S608 - from this file
        connection.execute(text, (new, project, old))
    for before, after in facts:
        connection.execute(
            "REPLACE INTO fact (project, key, value) SELECT project, ?3, value FROM fact AS found "
            "WHERE project = ?1 AND key = ?2 AND value != '' AND NOT EXISTS "
            "(SELECT 1 FROM fact WHERE project = ?1 AND key = ?3 AND value != '')",
            (project, before, after),
        )
        forget_facts(connection, project=project, keys=[before])


def forget_facts(connection: sqlite3.Connection, *, project: str, keys: Iterable[str]) -> None:
    """Remove facts."""
    connection.executemany("DELETE FROM fact WHERE project = ? AND key = ?", [(project, key) for key in keys])
