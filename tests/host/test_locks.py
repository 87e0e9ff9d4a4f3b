from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.locks import lock

HOLD = """\
import sys
from pathlib import Path
from kharness.host.locks import lock
with lock(Path(sys.argv[1]), "build-web", timeout=60):
    print("held", flush=True)
    input()
"""


@contextmanager
def holder(directory: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_lock_says_who_holds_it_since_when(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        today = time.strftime("%Y-%m-%d")
        text = (
            rf"build-web is locked by pid {process.pid} \(-c {re.escape(str(tmp_path))}\), since {today} \d\d:\d\d:\d\d"
        )
        with pytest.raises(HostError, match=text), lock(tmp_path, "build-web", timeout=0.05):
            pytest.fail("it is held")


def test_a_killed_holder_holds_no_longer(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.kill()
        process.wait()
    with lock(tmp_path, "build-web", timeout=60):
        pass


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        threading.Timer(0.2, process.kill).start()
        with lock(tmp_path, "build-web", timeout=60):
            assert process.wait(60) is not None


def test_threads_exclude_one_another(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        with lock(tmp_path, "x", timeout=120):
            inside += 1
            most = max(most, inside)
            time.sleep(0.01)
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_locks_of_other_names_are_free(tmp_path: Path) -> None:
    with lock(tmp_path, "a", timeout=0), lock(tmp_path, "b", timeout=0):
        pass


def test_a_failure_inside_passes_and_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), lock(tmp_path, "a", timeout=0):
        raise ValueError("mine")
    with lock(tmp_path, "a", timeout=0):
        pass


def test_the_same_thread_cannot_take_a_lock_twice(tmp_path: Path) -> None:
    with (
        lock(tmp_path, "a", timeout=0),
        pytest.raises(HostError, match=f"a is locked by pid {os.getpid()}"),
        lock(tmp_path, "a", timeout=0.05),
    ):
        pytest.fail("it is held")


def test_a_holder_that_left_no_note_is_another_process(tmp_path: Path) -> None:
    with lock(tmp_path, "a", timeout=0):
        (tmp_path / "a.holder").unlink()
        with pytest.raises(HostError, match=r"^a is locked by another process$"), lock(tmp_path, "a", timeout=0.05):
            pytest.fail("it is held")


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "-x", "a\nb"])
def test_a_name_that_is_no_files_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(HostError, match="should be a name that can be a file's"), lock(tmp_path, name, timeout=0):
        pytest.fail("it is no name")


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    directory = tmp_path / "file" / "locks"
    with pytest.raises(HostError, match=r"file/locks/a\.lock: cannot be locked"), lock(directory, "a", timeout=0):
        pytest.fail("it is no directory")
