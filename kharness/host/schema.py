"""The tables of the state database, as the steps that lead to them.

A step is never changed once it was published: add another one. `PRAGMA user_version` is the number of steps taken.
Only what SQLite 3.34 knows (2020, still that of long-lived distributions) is used.
"""

from __future__ import annotations

APPLICATION_ID = 0x6B686172
"""`PRAGMA application_id`, by which our files are told from other SQLite databases: "khar"."""

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
)
