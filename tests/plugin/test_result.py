"""The exit status and the files of a session's result, also where a hook changes them after the decision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kharness.plan.gate.result import SessionResult
from kharness.plugin.result import ExitStatus, add_junit_properties


class Process:
    """A pytest process: its session, and what it does at its very end."""

    def __init__(self, directory: Path, **options: Any) -> None:
        option = {"kharness_result": None, "kharness_json": None, "promote": False, "launch": False, **options}
        self._cleanups: list[Callable[[], None]] = []
        self.config = SimpleNamespace(
            option=SimpleNamespace(**option),
            invocation_params=SimpleNamespace(dir=directory),
            add_cleanup=self._cleanups.append,
            getoption=lambda name, default=None: option.get(name, default),
        )
        self.session = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
        self.status = ExitStatus(cast("pytest.Config", self.config))

    def finish(self, *, decided: int | None = None, later: int | None = None) -> int:
        """Let the session decide on a status, and a hook set another one later; returns the exit status."""
        session = cast("pytest.Session", self.session)
        hook = self.status.pytest_sessionfinish(session)
        next(hook)
        if decided is not None:
            session.exitstatus = decided
            self.status.decide(session, SessionResult(status=decided, session="abc"))
        with pytest.raises(StopIteration):
            hook.send(None)
        if later is not None:
            session.exitstatus = later
        for cleanup in self._cleanups:
            cleanup()
        return int(session.exitstatus)


@pytest.mark.parametrize(
    ("decided", "later", "asked", "status"),
    [
        (0, None, True, 0),
        (1, 0, True, 1),
        (None, None, True, 3),
        (1, 0, False, 0),
        (0, 4, True, 4),
    ],
)
def test_no_hook_makes_a_success_of_what_was_refused(
    tmp_path: Path,
    *,
    decided: int | None,
    later: int | None,
    asked: bool,
    status: int,
) -> None:
    assert Process(tmp_path, promote=asked).finish(decided=decided, later=later) == status


def test_both_files_have_the_status_that_was_decided(tmp_path: Path) -> None:
    process = Process(tmp_path, kharness_result=str(tmp_path / "one"), kharness_json="two", launch=True)
    process.finish(decided=1, later=0)
    for name in ("one", "two"):
        assert SessionResult.from_json((tmp_path / name).read_text()) == SessionResult(status=1, session="abc")


def test_a_later_failure_is_the_status_of_the_result(tmp_path: Path) -> None:
    Process(tmp_path, kharness_json="result").finish(decided=0, later=3)
    assert SessionResult.from_json((tmp_path / "result").read_text()) == SessionResult(status=3, session="abc")


def test_a_session_without_a_decision_leaves_no_result_of_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "result").write_text("old")
    Process(tmp_path, kharness_json="result").finish()
    assert not (tmp_path / "result").exists()
    with pytest.raises(pytest.UsageError, match="cannot be replaced"):
        Process(tmp_path, kharness_json=".")


def test_a_file_that_cannot_be_written_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Process(tmp_path, kharness_json="missing/result").finish(decided=0)
    assert f"{tmp_path}/missing/result: cannot be written" in capsys.readouterr().err


def test_without_a_junit_file_no_property_is_made(tmp_path: Path) -> None:
    add_junit_properties(cast("pytest.Config", Process(tmp_path).config), SessionResult(status=0))
