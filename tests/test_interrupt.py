"""The suite itself, interrupted: it ends, however it was started."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
INTERRUPTED = 2
SLEEPER = """\
import time


def test_it(capsys):
    with capsys.disabled():
        print("begun", flush=True)
    time.sleep(600)
"""


def test_a_suite_in_the_background_ends_with_sigint(tmp_path: Path) -> None:
    """A shell without job control lets what it starts in the background ignore SIGINT."""
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").touch()
    (tmp_path / "test_it.py").write_text(SLEEPER)
    background = 'trap "" INT; exec "$@"'
    command = ["sh", "-c", background, "sh", sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "0", "-s"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            said = next(line for line in process.stdout if "begun" in line)
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, "KeyboardInterrupt" in said) == (INTERRUPTED, True), said
