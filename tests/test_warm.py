"""What is started from the warm process is as if Python had been started for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import warm

PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-s")
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def ran(path: Path, text: str, *, timeout: float = 60, **environ: str) -> tuple[int, str]:
    """Run a test file with this text."""
    (path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (path / "test_it.py").write_text(text)
    return warm.run(PYTEST, cwd=path, environ={**ENVIRON, **environ}, timeout=timeout)


def test_it_has_a_process_a_directory_an_environment_and_streams_of_its_own(tmp_path: Path) -> None:
    text = (
        "import os, sys\ndef test_it():\n    print(os.getpid(), os.getcwd(), os.environ['A'], sys.stdin.read() == '')"
    )
    results = [ran(tmp_path, text, A=value) for value in ("one", "two")]
    assert [status for status, _ in results] == [0, 0]
    words = [said.split() for _, said in results]
    assert [each[1:4] for each in words] == [[str(tmp_path), value, "True"] for value in ("one", "two")]
    assert len({os.getpid(), *(int(each[0]) for each in words)}) == 3


def test_nothing_of_one_is_left_for_the_next(tmp_path: Path) -> None:
    text = "import kharness\ndef test_it():\n    assert not hasattr(kharness, 'left')\n    kharness.left = 1\n"
    assert [ran(tmp_path, text)[0] for _ in "12"] == [0, 0]


def test_its_end_is_told_as_that_of_any_process(tmp_path: Path) -> None:
    assert ran(tmp_path, "def test_it():\n    assert 1 == 2\n")[0] == 1
    assert ran(tmp_path, "import os\ndef test_it():\n    os._exit(7)\n")[0] == 7
    killed, _ = ran(tmp_path, "import os\ndef test_it():\n    os.kill(os.getpid(), 15)\n")
    assert killed == -signal.SIGTERM


def test_what_takes_too_long_is_killed(tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        ran(tmp_path, "import time\ndef test_it():\n    time.sleep(600)\n", timeout=0.5)


def test_what_python_reads_when_it_starts_needs_a_start() -> None:
    assert warm.is_warm(PYTEST, ENVIRON)
    assert warm.is_warm(PYTEST, {**ENVIRON, "PYTHONDONTWRITEBYTECODE": "1"})
    assert not warm.is_warm(PYTEST, {**ENVIRON, "PYTHONIOENCODING": "koi8-r"})
    assert not warm.is_warm((sys.executable, "-c", "pass"), ENVIRON)
    assert not warm.is_warm((sys.executable, "-m", "http.server"), ENVIRON)
