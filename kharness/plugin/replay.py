"""The reports of a pytest process that a session started: written there, and replayed here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kharness.ops.session.pytests import ChildResult
from kharness.plan.release.verification import collected_record, finished_record
from kharness.plugin.stash import SessionInfo


def reports_of(config: pytest.Config, records: Iterable[dict[str, Any]]) -> Iterator[pytest.TestReport]:
    """Make a child's test reports of their plain values, new ones at each call."""
    for data in records:
        report = config.hook.pytest_report_from_serializable(config=config, data=dict(data))
        if isinstance(report, pytest.TestReport):
            yield report


def replay(config: pytest.Config, records: Iterable[dict[str, Any]], *, heading: str) -> None:
    """Give a child's test reports to this session, under a heading of their own."""
    for report in reports_of(config, records):
        path, _, rest = report.nodeid.partition("::")
        # The same test may have run in this session, against the test instance.
        report.nodeid = f"{path}::{rest} [{heading}]"
        config.hook.pytest_runtest_logreport(report=report)


def failures(config: pytest.Config, result: ChildResult) -> str:
    """Return what a child's failed reports say, or the end of its output where it came to none."""
    failed = (report for report in reports_of(config, result.records) if report.failed)
    return "\n".join(f"{report.nodeid}\n{report.longreprtext}" for report in failed) or result.tail


class ReportWriter:
    """In the child: writes each report as it comes, so that a crash loses at most one.

    Before them it writes how many tests shall run, and after them that the session came to its end.
    """

    def __init__(self, config: pytest.Config, info: SessionInfo, path: str) -> None:
        self._config = config
        self._info = info
        self._file = Path(path).open("a", encoding="utf-8")  # noqa: SIM115 - open as long as the session

    def pytest_collection_finish(self) -> None:
        """Write what was collected, as it was before any hook could remove it."""
        seen, selection = self._info.seen, self._info.selection
        names = [directory.name for directory in selection.directories]
        mode = selection.mode
        tests = [test for name in names if mode for test in seen.expected(name, mode) if not test.check]
        errors = [error for name in names for error in seen.errors.get(name, ())]
        self._write(collected_record(len(tests), errors))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write one report."""
        self._write(self._config.hook.pytest_report_to_serializable(config=self._config, report=report))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write that the session came to its end."""
        self._write(finished_record())

    def pytest_unconfigure(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, record: dict[str, Any]) -> None:
        print(json.dumps(record), file=self._file, flush=True)
