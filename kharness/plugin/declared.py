"""What `settings.yaml` declares, as items of that file: its expectations and its checks, without any test file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kharness.errors import KharnessError, visible
from kharness.plugin.attach import Attached, attached
from kharness.plugin.context import host_of, settings_of
from kharness.plugin.options import is_listing
from kharness.plugin.stash import REPORT_NAME, SessionInfo
from kharness.settings.catalog import ContainerDir

if TYPE_CHECKING:
    from _pytest._code.code import TerminalRepr

    from kharness.plan.checks.check import Check, Judgement
    from kharness.plan.expect import Declared
    from kharness.settings.host import HostSettings
    from kharness.settings.model import Settings


MARK = "policy"
NOTED = pytest.StashKey[tuple[str, str, str]]()
"""On an item: how a check ended that did not fail, its findings, and what they concern where not the container."""
REPORT_NOTED = "kharness_noted"
"""The same on its report; it travels from workers to the controller."""
HOST = "this host"
LETTERS = {"reported": "w", "waived": "v", "unused": "w"}
SHOWN = ("reported", "unused")
"""Rulings that are worth a line at the end; waived findings were decided before."""


class CheckFailed(Exception):  # noqa: N818 - pytest's own are called so
    """A check found something that counts; the text is all that is printed."""


class CheckItem(pytest.Item):
    """One check of one container."""

    check: Check[Any]
    here: Attached

    def runtest(self) -> None:
        """Examine, and fail with the findings where they count."""
        from kharness.plan.checks.check import Ruling  # noqa: PLC0415 - not before a check runs
        from kharness.report.checks import failure  # noqa: PLC0415

        judgement = self._judge()
        if judgement.ruling is Ruling.FAILED:
            raise CheckFailed(
                failure(self.check, judgement, settings_file=getattr(self.parent, "nodeid", "") or str(self.path))
            )
        if judgement.ruling is not Ruling.CLEAN:
            said = "; ".join((*judgement.findings, *([judgement.note] if judgement.note else [])))
            whose = HOST if self.check.of_host else ""
            self.stash[NOTED] = (judgement.ruling.value, said, whose)
            self.user_properties.append((f"kharness.{judgement.ruling.value}", said))

    def _judge(self) -> Judgement:
        from kharness.ops.checks import examine  # noqa: PLC0415

        if self.here.error is not None:
            # One cause, thirty checks: only the first of them reports it.
            pytest.skip(f"{self.here.name} was not launched; the first of its checks says why")
        return examine(self.here.evidence, self.check)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], **_: object) -> str:  # type: ignore[override]
        """Return the findings; where a check cannot look, the reason."""
        from kharness.errors import KharnessError  # noqa: PLC0415

        if isinstance(excinfo.value, CheckFailed):
            return str(excinfo.value)
        if isinstance(excinfo.value, KharnessError):
            return f"{self.check.name}\n  it cannot be seen: {excinfo.value}"
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Name the file and the check."""
        return self.path, None, self.check.name


def check_items(
    file: pytest.File, here: Attached, checks: tuple[Check[Any], ...], *, prefix: str = ""
) -> Iterator[pytest.Item]:
    """Make the items of a container's checks, marked with the modes in which they make sense.

    `prefix` tells those of several containers in one file apart.
    """
    for check in checks:
        item: CheckItem = CheckItem.from_parent(file, name=f"{prefix}{check.name}")
        item.check, item.here = check, here
        item.add_marker(MARK)
        for mode in sorted(check.modes):
            item.add_marker(mode.mark)
        yield item


class PolicyReports:
    """Registered in every process: it shows what checks noted, and repeats it at the end."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Iterator[None]:
        """Copy what the item noted to its report."""
        report: pytest.TestReport = yield  # type: ignore[assignment]
        if report.when == "call" and report.passed and (noted := item.stash.get(NOTED, None)):
            setattr(report, REPORT_NOTED, list(noted))
        return report  # type: ignore[return-value]

    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
        """Count what was noted beside what passed."""
        noted = getattr(report, REPORT_NOTED, None)
        if noted is None:
            return None
        ruling = str(noted[0])
        return ruling, LETTERS[ruling], (ruling.upper(), {"yellow": True})

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print what was found and does not count here, a line each, with the containers that it concerns."""
        for ruling in SHOWN:
            found: dict[str, list[str]] = {}
            for report in terminalreporter.stats.get(ruling, ()):
                _, text, whose = getattr(report, REPORT_NOTED)
                # Names of files in the container are among the findings.
                said = visible(f"{report.nodeid.rpartition('::')[2]}: {text}")
                found.setdefault(said, []).append(whose or getattr(report, REPORT_NAME))
            for said, names in found.items():
                terminalreporter.line(f"{ruling}: {', '.join(names)}: {said}", yellow=True)


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
