"""A pytest process of its own, and its reports in this session's report.

The in-production tests that verify a launch, and the first release of a missing base, run that way: with the full
selection, their own gate, and no state shared with the session that needs them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from kharness.errors import LaunchError
from kharness.plugin.options import PROD_VARIABLE

NOISE = ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_CURRENT_TEST", PROD_VARIABLE)
TAIL = 30
PATIENCE, POLL = 30.0, 0.01
"""Seconds that an interrupted child may clean up, and between two looks whether it has."""
DEPTH = "KHARNESS_DEPTH"
"""How many sessions stand above this one: a first release that starts another is a loop beyond a few."""


@dataclass(frozen=True, kw_only=True)
class ChildResult:
    """How the process ended: exit status, its output, and its reports as plain values."""

    status: int
    output: str
    reports: tuple[dict[str, Any], ...]

    @property
    def tail(self) -> str:
        """The last lines of the output."""
        return "\n".join(self.output.splitlines()[-TAIL:])


class Children:
    """The processes that a session has started. Safe to use from threads."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, *args: str | Path, progress: Callable[[str], None] | None = None) -> ChildResult:
        """Run pytest with this session's root and ini file, in one process, and wait for it.

        `progress` gets each line of its output. Raises `LaunchError` once the session was interrupted.
        """
        with TemporaryDirectory(prefix="kharness-child-") as scratch:
            reports = Path(scratch) / "reports.jsonl"
            with self._start(f"--kharness-reports={reports}", *map(str, args)) as process:
                try:
                    output = _listen(process, progress)
                except BaseException:
                    _end(process)
                    raise
                finally:
                    self._running.discard(process)
            lines = reports.read_text(encoding="utf-8").splitlines() if reports.exists() else []
        return ChildResult(status=process.wait(), output=output, reports=tuple(map(json.loads, lines)))

    def stop(self) -> None:
        """Interrupt what runs, wait until it has cleaned up, and start nothing more."""
        with self._lock:
            self._stopped = True
            running = tuple(self._running)
        for process in running:
            _end(process)
        deadline = time.monotonic() + PATIENCE
        while self._running and time.monotonic() < deadline:
            # Who listens to it has its scratch directory to remove.
            time.sleep(POLL)

    def _start(self, *args: str) -> subprocess.Popen[str]:
        config = self._config
        root = ["--rootdir", str(config.rootpath)]
        if config.inipath is not None:
            root += ["-c", str(config.inipath)]
        command = [sys.executable, "-m", "pytest", *root, "-p", "no:cacheprovider", "-o", "addopts=", "--color=no"]
        command += ["--import-mode=importlib", *args]
        environ = {key: value for key, value in os.environ.items() if key not in NOISE}
        environ[DEPTH] = str(int(os.environ.get(DEPTH, "0")) + 1)
        with self._lock:
            if self._stopped:
                raise LaunchError("the session was interrupted")
            process = subprocess.Popen(  # noqa: S603 - our own interpreter, arguments never through a shell
                command,
                cwd=config.invocation_params.dir,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                # A terminal's interrupt is for this session, which ends its children in order.
                start_new_session=True,
            )
            self._running.add(process)
        return process


def _listen(process: subprocess.Popen[str], progress: Callable[[str], None] | None) -> str:
    output = []
    for line in process.stdout or ():
        output.append(line)
        if progress is not None and line.strip():
            progress(line.rstrip())
    process.wait()
    return "".join(output)


def _end(process: subprocess.Popen[str]) -> None:
    # Terminated, it cleans up as after an interrupt.
    process.terminate()
    try:
        process.wait(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def reports_of(config: pytest.Config, reports: Iterable[dict[str, Any]]) -> Iterator[pytest.TestReport]:
    """Make a child's test reports of their plain values, new ones at each call."""
    for data in reports:
        report = config.hook.pytest_report_from_serializable(config=config, data=dict(data))
        if isinstance(report, pytest.TestReport):
            yield report


def replay(config: pytest.Config, reports: Iterable[dict[str, Any]], *, heading: str) -> tuple[str, ...]:
    """Give a child's test reports to this session, under a heading of their own; returns the failed tests."""
    failed = []
    for report in reports_of(config, reports):
        if report.failed:
            failed.append(report.nodeid)
        path, _, rest = report.nodeid.partition("::")
        # The same test may have run in this session, against the test instance.
        report.nodeid = f"{path}::{rest} [{heading}]"
        config.hook.pytest_runtest_logreport(report=report)
    return tuple(dict.fromkeys(failed))


def failures(config: pytest.Config, result: ChildResult) -> str:
    """Return what a child's failed reports say, or the end of its output where it came to none."""
    failed = (report for report in reports_of(config, result.reports) if report.failed)
    return "\n".join(f"{report.nodeid}\n{report.longreprtext}" for report in failed) or result.tail


class ReportWriter:
    """In the child: writes each report as it comes, so that a crash loses at most one."""

    def __init__(self, config: pytest.Config, path: str) -> None:
        self._config = config
        self._file = Path(path).open("a", encoding="utf-8")  # noqa: SIM115 - open as long as the session

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write one report."""
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        print(json.dumps(data), file=self._file, flush=True)

    def pytest_unconfigure(self) -> None:
        """Close the file."""
        self._file.close()
