"""What the plugin keeps with pytest's configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from kharness.plugin.board import Board
from kharness.plugin.seen import Seen
from kharness.plugin.selection import Selection

if TYPE_CHECKING:
    from kharness.ops.instance import Instance


@dataclass
class SessionInfo:
    """What every process of a session shares: the controller makes it, workers get it with their input."""

    session: str
    selection: Selection
    board: Board
    broken: dict[str, str] = field(default_factory=dict)
    """Directories whose settings cannot be used, with all their problems."""
    unchanged: dict[str, str] = field(default_factory=dict)
    """Directories that passed with exactly these inputs, with the image id of that time."""
    idle: list[str] = field(default_factory=list)
    """Directories of a fleet that nothing starts, and that have no production container."""
    seen: Seen = field(default_factory=Seen)
    began: dict[str, str] = field(default_factory=dict)
    """The digest of settings and tests of each selected directory, as the session found them."""
    places: dict[str, str] = field(default_factory=dict)
    """In a controller of workers: the container directory of each test, by node id."""

    def to_plain(self) -> dict[str, Any]:
        """Return what a worker must be told."""
        return {
            "session": self.session,
            "board": str(self.board.path),
            "broken": self.broken,
            "unchanged": self.unchanged,
            "idle": self.idle,
            "began": self.began,
        }


INFO = pytest.StashKey[SessionInfo]()
NAME = pytest.StashKey[str]()
"""On an item: the container directory that it belongs to."""
ID = pytest.StashKey[str]()
"""On an item: its node id when it was collected; pytest-xdist adds groups to it later."""
LIBRARY = pytest.StashKey[dict[str, "Instance"]]()
"""On the configuration: the living instances of `kharness.instance_fixture`, by fixture name."""


def is_worker(config: pytest.Config) -> bool:
    """Whether this process runs tests for a controller of pytest-xdist."""
    return hasattr(config, "workerinput")
