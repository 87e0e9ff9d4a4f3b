"""What `settings.yaml` itself declares, as items: a container directory is checked without any test file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.errors import SettingsError
from kharness.plugin.attach import attached
from kharness.plugin.expectations import expectations
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
        from kharness.settings.load import load_settings  # noqa: PLC0415 - with container directories alone

        problems = self.info.broken.get(self.directory.name)
        try:
            settings = None if problems else load_settings(self.directory.path)
        except SettingsError as error:
            problems, settings = str(error), None
        if settings is None:
            item: BrokenSettings = BrokenSettings.from_parent(self, name="settings")
            item.problems = problems or ""
            yield item
            return
        here = attached(self.directory, self.info, self.config)
        yield from expectations(self, settings.expect, here)
