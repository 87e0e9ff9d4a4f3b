"""The checks of a container as items of its settings file, and how those that neither pass nor fail are reported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kharness.errors import visible
from kharness.plugin.attach import Attached
from kharness.plugin.stash import REPORT_NAME

if TYPE_CHECKING:
    from kharness.plan.checks.check import Check, Judgement

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


def check_items(file: pytest.File, here: Attached, checks: tuple[Check[Any], ...]) -> Iterator[pytest.Item]:
    """Make the items of a container's checks, marked with the modes in which they make sense."""
    for check in checks:
        item: CheckItem = CheckItem.from_parent(file, name=check.name)
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
