"""The checks of a container as items of its settings file, and what is said of those that neither pass nor fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kharness.plugin.attach import attached
from kharness.plugin.items import REPORT_NAME
from kharness.plugin.stash import INFO

if TYPE_CHECKING:
    from kharness.plan.policy.check import Check
    from kharness.plan.policy.verdict import Judgement
    from kharness.plugin.declared import SettingsFile

MARK = "policy"
NOTED = pytest.StashKey[tuple[str, str]]()
"""On an item: how a check ended that did not fail, and what is to be said of it."""
REPORT_NOTED = "kharness_noted"
"""The same on its report; it travels from workers to the controller."""
LETTERS = {"reported": "w", "waived": "v", "unused": "w"}
SHOWN = ("reported", "unused")
"""What is worth a line at the end; what was waived was decided."""


class CheckFailed(Exception):  # noqa: N818 - pytest's own are called so
    """A check found something that counts; the text is all that a person is told."""


class CheckItem(pytest.Item):
    """One check of one container."""

    parent: SettingsFile
    check: Check[Any]

    def runtest(self) -> None:
        """Look, and fail with what was found where it counts."""
        from kharness.plan.policy.verdict import Ruling  # noqa: PLC0415 - not before a check runs
        from kharness.report.policy import failure  # noqa: PLC0415

        judgement = self._judge()
        if judgement.ruling is Ruling.FAILED:
            raise CheckFailed(failure(self.check, judgement, settings_file=self.parent.nodeid or str(self.path)))
        if judgement.ruling is not Ruling.CLEAN:
            said = "; ".join((*judgement.findings, *([judgement.note] if judgement.note else [])))
            self.stash[NOTED] = (judgement.ruling.value, said)
            self.user_properties.append((f"kharness.{judgement.ruling.value}", said))

    def _judge(self) -> Judgement:
        from kharness.ops.policy import examine  # noqa: PLC0415

        here = attached(self.parent.directory, self.config.stash[INFO], self.config)
        if here.error is not None:
            # One cause, thirty checks: only the first of them tells it.
            pytest.skip(f"{self.parent.directory.name} was not launched; the first of its checks says why")
        return examine(here.evidence, self.check)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], **_: object) -> str:  # type: ignore[override]
        """Tell what a person needs; where a check cannot look, why."""
        from kharness.errors import KharnessError  # noqa: PLC0415

        if isinstance(excinfo.value, CheckFailed):
            return str(excinfo.value)
        if isinstance(excinfo.value, KharnessError):
            return f"{self.check.name}\n  it cannot be seen: {excinfo.value}"
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Name the file and the check."""
        return self.path, None, self.check.name


def check_items(file: SettingsFile, checks: tuple[Check[Any], ...]) -> Iterator[pytest.Item]:
    """Make the items of a container's checks, marked with the modes in which they make sense."""
    for check in checks:
        item: CheckItem = CheckItem.from_parent(file, name=check.name)
        item.check = check
        item.add_marker(MARK)
        for mode in sorted(check.modes):
            item.add_marker(mode.mark)
        yield item


class PolicyReports:
    """Registered in every process: it shows what checks noted, and says it once more at the end."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Iterator[None]:
        """Let the report have what the item noted."""
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
        """Say what was found and does not count here, a line each, whoever it is said of."""
        for ruling in SHOWN:
            found: dict[str, list[str]] = {}
            for report in terminalreporter.stats.get(ruling, ()):
                said = f"{report.nodeid.rpartition('::')[2]}: {getattr(report, REPORT_NOTED)[1]}"
                found.setdefault(said, []).append(getattr(report, REPORT_NAME))
            for said, names in found.items():
                terminalreporter.line(f"{ruling}: {', '.join(names)}: {said}", yellow=True)
