"""A command that is told something can fail and hang as it likes."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest

from kharness.host.machine.programs import tell_command


def test_it_gets_the_text(tmp_path: Path) -> None:
    assert tell_command(["tee", str(tmp_path / "heard")], "news\n", timeout=60) == ""
    assert (tmp_path / "heard").read_text() == "news\n"


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["sh", "-c", "echo first; echo no mail server >&2; exit 3"], "sh: ended with status 3: no mail server"),
        (["false"], "false: ended with status 1: it printed nothing"),
        (["/nowhere/mail"], "/nowhere/mail: No such file or directory"),
        (["/etc/passwd"], "/etc/passwd: Permission denied"),
    ],
)
def test_what_went_wrong_with_it_is_returned(argv: list[str], problem: str) -> None:
    assert tell_command(argv, "news", timeout=60) == problem


def test_a_command_that_does_not_listen_is_no_problem() -> None:
    assert tell_command(["true"], "news" * 100_000, timeout=60) == ""


def test_a_command_that_hangs_is_killed_with_what_it_started(tmp_path: Path) -> None:
    began = time.monotonic()
    script = f"sleep 61 & echo $! >{tmp_path}/pid; sleep 60"
    said = tell_command(["sh", "-c", script], "news", timeout=1)
    assert said == "sh: did not end within 1 s, and was killed"
    assert time.monotonic() - began < 40
    started = Path("/proc") / (tmp_path / "pid").read_text().strip()
    with suppress(FileNotFoundError):
        while " Z " not in (started / "stat").read_text():
            assert time.monotonic() - began < 40
