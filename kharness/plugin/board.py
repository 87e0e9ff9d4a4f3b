"""Where the controller publishes what it launched and workers look it up: a directory of small JSON files.

A file appears by an atomic rename, so a reader sees all of it or nothing. To wait for a notice is to wait for the lock
on a file beside it, which the controller holds until it publishes the notice, or ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kharness.host.session.owner import Owner, current_owner, liveness

PREFIX = "kharness-board-"
COLLECTED, REFUSED = ".collected", ".refused"
"""Notices of workers to the controller: which test belongs to which directory, and what is a usage error. No container
directory's name begins with a dot.
"""


@dataclass(frozen=True, slots=True)
class Board:
    """A session's notices, one per container directory."""

    path: Path
    _held: dict[str, int] = field(default_factory=dict)

    @classmethod
    def create(cls) -> Board:
        """Make a board in the temporary directory, after removing those of dead sessions."""
        owner = current_owner()
        for old in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            if _dead(old, owner):
                shutil.rmtree(old, ignore_errors=True)
        board = cls(Path(tempfile.mkdtemp(prefix=PREFIX)))
        (board.path / "owner.json").write_text(json.dumps(owner.labels()), encoding="utf-8")
        return board

    def expect(self, names: Iterable[str]) -> None:
        """Let `wait` wait for these notices, until this process publishes them or ends."""
        for name in names:
            self._held[name] = file = os.open(self._lock(name), os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX)

    def publish(self, name: str, **notice: Any) -> None:
        """Publish a notice; the last one stays. Nothing happens once the board is taken down."""
        temporary = self.path / f".{name}.{os.getpid()}"
        try:
            temporary.write_text(json.dumps(notice), encoding="utf-8")
            temporary.rename(self.path / f"{name}.notice.json")
        except FileNotFoundError:
            if self.path.exists():
                raise
        finally:
            self._let_go(name)

    def look(self, name: str) -> dict[str, Any] | None:
        """Return the notice, or None when there is none yet."""
        try:
            found: dict[str, Any] = json.loads((self.path / f"{name}.notice.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return found

    def wait(self, name: str) -> dict[str, Any]:
        """Wait for a notice that is expected; the session's own time limits end what takes too long."""
        if (found := self.look(name)) is not None:
            return found
        try:
            with self._lock(name).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH)
        except FileNotFoundError:
            pass
        return self.look(name) or {"error": f"{name}: the session has ended"}

    def remove(self) -> None:
        """Take the board down."""
        shutil.rmtree(self.path, ignore_errors=True)
        for name in tuple(self._held):
            self._let_go(name)

    def _lock(self, name: str) -> Path:
        return self.path / f"{name}.lock"

    def _let_go(self, name: str) -> None:
        # A process that a test forked has the same descriptors: closing this one would not unlock the file.
        if (file := self._held.pop(name, None)) is not None:
            fcntl.flock(file, fcntl.LOCK_UN)
            os.close(file)


def _dead(path: Path, here: Owner) -> bool:
    try:
        owner = Owner.from_labels(json.loads((path / "owner.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return False
    return owner is not None and liveness(owner, here) == "dead"
