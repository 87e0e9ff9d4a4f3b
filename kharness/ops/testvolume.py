"""A test instance's volume, as tests read, write and question it."""

from __future__ import annotations

import time
from pathlib import Path

from kharness.errors import UsageError
from kharness.host.baseline import Baseline
from kharness.plan.facts import Change

POLL = 0.05
"""Seconds between two looks at a file."""


class TestVolume:
    """The directory on the host that a test instance has mounted in place of production's."""

    __test__ = False

    def __init__(self, path: Path, *, note: Path | None = None) -> None:
        self.path = path
        """The directory itself, for whatever has no method here."""
        self._note = note

    def read_text(self, name: str) -> str:
        """Return a file's text."""
        return (self.path / name).read_text(encoding="utf-8")

    def write_text(self, name: str, text: str) -> Path:
        """Write a file, with the directories above it; returns its path on the host."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def changes(self) -> tuple[Change, ...]:
        """Return what was added, changed and removed since the launch, by paths in the volume, sorted.

        A directory counts as changed when its owner or mode is. Raises `UsageError` for a volume that is production's
        own: nobody knows what it was like before. Raises `HostError`.
        """
        if self._note is None:
            raise UsageError(f"{self.path}: is no test instance's own volume, so nobody knows what it was like before")
        return Baseline.load(self._note).changes()

    def wait_for(self, name: str, text: str, *, timeout: float = 5.0) -> str:
        """Wait until the file contains the text and return all of it; AssertionError says what it had instead."""
        deadline = time.monotonic() + timeout
        while True:
            path = self.path / name
            found = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
            if found is not None and text in found:
                return found
            if time.monotonic() > deadline:
                state = "does not exist" if found is None else f"has {found[-200:]!r}"
                raise AssertionError(f"{name}: expected {text!r} within {timeout:g} s, but it {state}")
            time.sleep(POLL)
