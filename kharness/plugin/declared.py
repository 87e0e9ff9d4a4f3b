"""What `settings.yaml` declares, as items of that file: its expectations and its checks, without any test file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kharness.errors import KharnessError
from kharness.plugin.attach import Attached, attached
from kharness.plugin.checks import check_items
from kharness.plugin.context import host_of, settings_of
from kharness.plugin.options import is_listing
from kharness.plugin.stash import SessionInfo
from kharness.settings.catalog import ContainerDir

if TYPE_CHECKING:
    from _pytest._code.code import TerminalRepr

    from kharness.plan.expect import Declared
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


class Expectation(pytest.Item):
    """One expectation; needs the container, and nothing else of pytest."""

    declared: Declared
    here: Attached

    def setup(self) -> None:
        """Wait for the container; fails when it could not be launched."""
        if not is_listing(self.config):
            _ = self.here.instance

    def runtest(self) -> None:
        """Look until it holds."""
        from kharness.ops.expect.declared import check  # noqa: PLC0415 - nothing heavy loads before a test needs it

        check(self.here.instance, self.declared.wanted)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str | TerminalRepr:
        """Return what was expected, what was seen, and where it is declared: a traceback would show only our code."""
        match excinfo.value:
            case KharnessError() as error:
                failure = str(error)
            case pytest.fail.Exception(msg=str(failure)):
                pass
            case _:
                return super().repr_failure(excinfo, style)
        return failure if self.here.error else f"{failure}\ndeclared: {self.path_and_place}"

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Name the container and the expectation; of a name alone pytest would take the dots for its own."""
        return self.path, None, f"{self.path.parent.name}: {self.name}"

    @property
    def path_and_place(self) -> str:
        """Where it is declared: `containers/web/settings.yaml: expect.http[0]`."""
        file = self.parent.nodeid if self.parent else ""
        # Outside the root directory a file may have no node id.
        return f"{file or self.path}: {self.declared.place}"


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
            # None of its items would run, and its faults do not concern a session about something else.
            return
        try:
            host = host_of(self.config)
            settings = settings_of(self.config, self.directory, below=host.defaults)
            here = attached(self.directory, self.info, self.config)
            yield from self._expectations(settings, here)
            yield from self._checks(settings, host, here)
        except KharnessError as error:
            raise self.CollectError(str(error)) from error

    def _expectations(self, settings: Settings, here: Attached) -> Iterator[Expectation]:
        if not settings.expect.declares:
            return
        from kharness.plan.expect import declared  # noqa: PLC0415 - settings' models load where there are settings

        for each in declared(settings.expect):
            item: Expectation = Expectation.from_parent(self, name=each.name)
            item.declared, item.here = each, here
            for mark in each.marks:
                item.add_marker(mark)
            yield item

    def _checks(self, settings: Settings, host: HostSettings, here: Attached) -> Iterator[pytest.Item]:
        from kharness.plan.checks.catalog import checks_for  # noqa: PLC0415 - it loads all checks

        asks_host = self.info.asks_host in {"", self.directory.name}
        checks = checks_for(settings, default=host.policy)
        return check_items(self, here, tuple(check for check in checks if asks_host or not check.of_host))


def declares(settings: Settings, host: HostSettings) -> bool:
    """Whether a directory's settings have items, which a complete session runs."""
    from kharness.plan.checks.catalog import profile_of  # noqa: PLC0415 - it loads all checks

    return settings.expect.declares or profile_of(settings, default=host.policy) != "none"
