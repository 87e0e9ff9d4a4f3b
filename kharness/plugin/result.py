"""What pytest gets of a session's result: exit status, summary, JUnit properties, and files for other programs."""

from __future__ import annotations

import sys
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kharness.errors import visible

if TYPE_CHECKING:
    from kharness.plan.gate.result import SessionResult

COLOURS = {"good": "green", "bad": "red", "doubtful": "yellow"}


class ExitStatus:
    """Registered in the controller. After all hooks a status of 0 stays only where the session decided on 0.

    The process that started the session believes the file of `--kharness-result`, not the exit status.
    """

    def __init__(self, config: pytest.Config) -> None:
        option = config.option
        base = config.invocation_params.dir
        self._paths = [base / path for path in (option.kharness_result, option.kharness_json) if path]
        self._asked = bool(option.promote or option.launch)
        self._session: pytest.Session | None = None
        self._decided: int | None = None
        self._result: SessionResult | None = None
        for path in self._paths:
            # The result of an earlier session must not be taken for this one's.
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise pytest.UsageError(f"{path}: cannot be replaced: {error.strerror}") from error
        # After every hook, also those that take pytest down.
        config.add_cleanup(self._keep)

    def decide(self, session: pytest.Session, result: SessionResult) -> None:
        """Note the status and the result that the session ends with."""
        self._decided = int(session.exitstatus)
        self._result = result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Stay outside of all other hooks, one of which may try to exit."""
        self._session = session
        try:
            return (yield)
        except SystemExit as error:
            if not self._asked or error.code not in {0, None}:
                raise
            session.exitstatus = pytest.ExitCode.OK
            return []

    def _keep(self) -> None:
        session, decided = self._session, self._decided
        if session is None:
            return
        if self._asked and session.exitstatus == pytest.ExitCode.OK and decided != 0:
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR if decided is None else decided
            why = "nothing was decided" if decided is None else "what was asked for was not done"
            print(f"kharness: a hook set the exit status to 0, but {why}", file=sys.stderr)  # noqa: T201
        if self._result is not None and decided is not None:
            result = replace(self._result, status=decided or int(session.exitstatus))
            for path in self._paths:
                _write(path, result)


def _write(path: Path, result: SessionResult) -> None:
    from kharness.host.session.results import write_result  # noqa: PLC0415 - only where a program reads it

    try:
        write_result(path, result)
    except OSError as error:
        print(f"kharness: {path}: cannot be written: {error.strerror}", file=sys.stderr)  # noqa: T201


def summarize(reporter: pytest.TerminalReporter, result: SessionResult) -> None:
    """Write the last section."""
    from kharness.report.gate import session_lines  # noqa: PLC0415 - at the end

    lines = tuple(session_lines(result))
    if lines:
        reporter.section("kharness", "=", cyan=True)
    for line in lines:
        colour = COLOURS.get(line.tone)
        reporter.line(visible(line.text), **({colour: True} if colour else {}))


def count_refused(reporter: pytest.TerminalReporter, result: SessionResult) -> None:
    """Let pytest's last line count what was refused or undone, and be red though every test passed."""
    refused = [each.name for each in result.services if not each.ok]
    # Reports, because other plugins look into everything that is counted.
    reports = [
        pytest.TestReport(name, (name, None, name), {}, "failed", None, "teardown") for name in refused or ["session"]
    ]
    # The category "failed" makes the line red; an empty list adds nothing to its count.
    for category, more in (("failed", []), ("refused", reports)):
        reporter._add_stats(category, more)  # noqa: SLF001 - a new category in `stats` alone changes no colour


def add_junit_properties(config: pytest.Config, result: SessionResult) -> None:
    """Add properties of each service to the file of `--junit-xml`, if there is one."""
    if not config.getoption("xmlpath", default=None):
        return
    from _pytest.junitxml import xml_key  # noqa: PLC0415 - only the fixture of a test has a public way to it

    from kharness.report.gate import junit_properties  # noqa: PLC0415

    if (xml := config.stash.get(xml_key, None)) is not None:
        for name, value in junit_properties(result):
            xml.add_global_property(name, visible(value))
