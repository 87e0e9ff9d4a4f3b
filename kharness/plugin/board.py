"""Where the controller publishes what it launched and workers look it up: a directory of small JSON files.

A file appears by an atomic rename, so a reader sees all of it or nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kharness.host.owner import Owner, current_owner, liveness

PREFIX = "kharness-board-"
COLLECTED, REFUSED = ".collected", ".refused"
"""Notices of workers to the controller: which test belongs to which directory, and what is a usage error. No container
directory's name begins with a dot.
"""
POLL = 0.01


@dataclass(frozen=True, slots=True)
class Board:
    """A session's notices, one per container directory."""

    path: Path

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

    def publish(self, name: str, **notice: Any) -> None:
        """Let everybody see a notice; the last one stays. Nothing happens once the board is taken down."""
        temporary = self.path / f".{name}.{os.getpid()}"
        try:
            temporary.write_text(json.dumps(notice), encoding="utf-8")
            temporary.rename(self.path / f"{name}.notice.json")
        except FileNotFoundError:
            if self.path.exists():
                raise

    def look(self, name: str) -> dict[str, Any] | None:
        """Return the notice, or None when there is none yet."""
        try:
            found: dict[str, Any] = json.loads((self.path / f"{name}.notice.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return found

    def want(self, name: str) -> None:
        """Say that somebody waits for this one."""
        with suppress(FileNotFoundError):
            (self.path / f"{name}.wanted").touch()

    def wanted(self, name: str) -> bool:
        """Whether somebody waits for it."""
        return (self.path / f"{name}.wanted").exists()

    def wait(self, name: str, *, meanwhile: Callable[[], None] | None = None) -> dict[str, Any]:
        """Wait for a notice; the session's own time limits end what takes too long."""
        self.want(name)
        while (found := self.look(name)) is None:
            if not self.path.exists():
                return {"error": f"{name}: the session has ended"}
            if meanwhile is not None:
                meanwhile()
            time.sleep(POLL)
        return found

    def remove(self) -> None:
        """Take the board down."""
        shutil.rmtree(self.path, ignore_errors=True)


def _dead(path: Path, here: Owner) -> bool:
    try:
        owner = Owner.from_labels(json.loads((path / "owner.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return False
    return owner is not None and liveness(owner, here) == "dead"
