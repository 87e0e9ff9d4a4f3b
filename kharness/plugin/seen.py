"""What collection saw of container directories, before any other hook could change it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kharness.plan.gate import Collected
from kharness.plan.modes import Mode, runs_in
from kharness.settings.catalog import ContainerDir


@dataclass
class Seen:
    """Tests by container directory, and what went wrong while they were collected."""

    tests: dict[str, list[Collected]] = field(default_factory=dict)
    errors: dict[str, list[str]] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    """How many tests do not run because the session has no mode."""

    def add(self, directory: ContainerDir, item: pytest.Item, *, check: bool = False) -> None:
        """Note a test, or a check of the settings; its file is told relative to the container directory."""
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


def _below(file: Path, directory: Path) -> str:
    # The two may be reached through different links, and the file itself may be one.
    for base in (directory, directory.resolve()):
        if file.is_relative_to(base):
            return str(file.relative_to(base))
    return os.path.relpath(file.parent.resolve() / file.name, directory.resolve())
