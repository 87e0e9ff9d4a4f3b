"""What `settings.yaml` itself declares, as items: a container directory is checked without any test file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.plugin.stash import SessionInfo
from kharness.settings.catalog import ContainerDir


class BrokenSettings(pytest.Item):
    """The one failing item of a directory whose settings cannot be used."""

    problems = ""

    def runtest(self) -> None:
        """Fail with the problems."""
        pytest.fail(self.problems, pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Name the file."""
        return self.path, None, f"{self.path}: settings"


class SettingsFile(pytest.File):
    """The settings of a container directory."""

    directory: ContainerDir
    info: SessionInfo

    def collect(self) -> Iterator[pytest.Item]:
        """Make the items: those that are declared, or one for settings that cannot be used."""
        problems = self.info.broken.get(self.directory.name)
        if problems is not None:
            item: BrokenSettings = BrokenSettings.from_parent(self, name="settings")
            item.problems = problems
            yield item
