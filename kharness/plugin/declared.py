"""What `settings.yaml` itself declares, as items: a container directory is checked without any test file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kharness.errors import KharnessError
from kharness.plugin.attach import attached
from kharness.plugin.expectations import expectations
from kharness.plugin.hosting import host_of
from kharness.plugin.stash import SessionInfo
from kharness.settings.catalog import ContainerDir

if TYPE_CHECKING:
    from kharness.settings.host import HostSettings
    from kharness.settings.model import Settings


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
            return
        if self.info.selection.mode is None and not self.info.selection.listing:
            # Nothing of it would run, and what is wrong with it is nothing to a session about something else.
            return
        from kharness.settings.load import load_settings  # noqa: PLC0415 - in projects with container directories

        try:
            settings = load_settings(self.directory.path, below=host_of(self.config).defaults)
            yield from _declared(self, settings)
        except KharnessError as error:
            raise self.CollectError(str(error)) from error


def declares(settings: Settings, host: HostSettings) -> bool:
    """Whether a directory's settings have items, which a complete session runs."""
    from kharness.plan.policy.catalog import profile_of  # noqa: PLC0415 - it loads all checks

    return settings.expect.declares or profile_of(settings, default=host.policy) != "none"


def _declared(file: SettingsFile, settings: Settings) -> Iterator[pytest.Item]:
    from kharness.plan.policy.catalog import checks_for  # noqa: PLC0415
    from kharness.plugin.policy import check_items  # noqa: PLC0415

    yield from expectations(file, settings.expect, attached(file.directory, file.info, file.config))
    yield from check_items(file, checks_for(settings, default=host_of(file.config).policy))
