"""What the processes of a session keep and exchange: the session's facts, what collection saw, and the stash's keys."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kharness.plan.gate.refusals import Collected
from kharness.plan.session.modes import READINESS, Mode, runs_in
from kharness.plugin.board import Board
from kharness.plugin.selection import Selection
from kharness.settings.catalog import ContainerDir

if TYPE_CHECKING:
    from kharness.ops.session.instance import Instance


@dataclass
class CollectionRecord:
    """What collection saw before any other hook could change it: tests by container directory, and errors."""

    tests: dict[str, list[Collected]] = field(default_factory=dict)
    errors: dict[str, list[str]] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    """How many tests do not run because the session has no mode."""

    def add(self, directory: ContainerDir, item: pytest.Item, *, check: bool = False) -> None:
        """Note a test, or a check of the settings; its file is given relative to the container directory."""
        name = directory.name
        file = _below(item.path, directory.path)
        marks = frozenset(mark.name for mark in item.iter_markers())
        found = Collected(nodeid=item.nodeid, file=file, marks=marks, check=check)
        self.tests.setdefault(name, []).append(found)

    def add_error(self, name: str, text: str) -> None:
        """Note a file that could not be collected."""
        self.errors.setdefault(name, []).append(text)

    def expected(self, name: str, mode: Mode) -> tuple[Collected, ...]:
        """Return the tests and checks of a directory that run in the mode."""
        return tuple(test for test in self.tests.get(name, ()) if runs_in(mode, test.marks))

    def names(self, name: str) -> frozenset[str]:
        """Return the names of all tests of a directory, in every mode."""
        return frozenset(test.name for test in self.tests.get(name, ()) if not test.check)

    def unrun(self, name: str, mode: Mode, *, launch: bool) -> tuple[str, ...]:
        """Return the tests for the other readiness mode; with `launch`, those for production run as well."""
        modes = {mode, Mode.IN_PROD} if launch else {mode}
        return tuple(
            test.nodeid
            for test in self.tests.get(name, ())
            if not test.check
            and any(runs_in(each, test.marks) for each in READINESS)
            and not any(runs_in(each, test.marks) for each in modes)
        )

    def to_plain(self) -> dict[str, Any]:
        """Return plain values, for the way from a worker to the controller."""
        return {
            "tests": {
                name: [[test.nodeid, test.file, sorted(test.marks), test.check] for test in tests]
                for name, tests in self.tests.items()
            },
            "errors": self.errors,
            "left_out": self.left_out,
        }

    def merge(self, plain: Mapping[str, Any]) -> None:
        """Take over what a worker saw. All workers see the same; what only one saw counts, too."""
        for name, tests in plain["tests"].items():
            known = {test.nodeid for test in self.tests.get(name, ())}
            self.tests.setdefault(name, []).extend(
                Collected(nodeid=nodeid, file=file, marks=frozenset(marks), check=check)
                for nodeid, file, marks, check in tests
                if nodeid not in known
            )
        for name, errors in plain["errors"].items():
            found = self.errors.setdefault(name, [])
            found.extend(error for error in errors if error not in found)
        self.left_out.update(plain["left_out"])


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
    unreleased: list[str] = field(default_factory=list)
    """Directories of a fleet of which nothing was ever released here, so that nothing can run."""
    asks_host: str = ""
    """The directory whose items have the checks of the host itself; each directory's have them where it is empty."""
    seen: CollectionRecord = field(default_factory=CollectionRecord)
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
            "unreleased": self.unreleased,
            "asks_host": self.asks_host,
            "began": self.began,
        }


INFO = pytest.StashKey[SessionInfo]()
NAME = pytest.StashKey[str]()
"""On an item: the container directory that it belongs to."""
ID = pytest.StashKey[str]()
"""On an item: its node id when it was collected; pytest-xdist adds groups to it later."""
REPORT_NAME, REPORT_ID, REPORT_COUNTED = "kharness_name", "kharness_id", "kharness_counted"
"""Attributes of reports: container directory, node id as collected, counted with an earlier report of the same cause.

They travel from workers to the controller.
"""
LIBRARY = pytest.StashKey[dict[str, "Instance"]]()
"""On the configuration: the living instances of `kharness.instance_fixture`, by fixture name."""


def is_worker(config: pytest.Config) -> bool:
    """Whether this process runs tests for a controller of pytest-xdist."""
    return hasattr(config, "workerinput")


def _below(file: Path, directory: Path) -> str:
    # The two may be reached through different links, and the file itself may be one.
    for base in (directory, directory.resolve()):
        if file.is_relative_to(base):
            return str(file.relative_to(base))
    return os.path.relpath(file.parent.resolve() / file.name, directory.resolve())
