"""Sessions under way: started in the background, waited for, interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.projects import Project


@dataclass
class Running:
    """A session under way; its output goes to a file."""

    project: Project
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self.log.read_text()

    def until(self, condition: Callable[[], object], *, seconds: float = 120) -> None:
        """Wait for something to be true while the session runs."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.02)

    def says(self, text: str) -> None:
        """Wait until it has said something."""
        self.until(lambda: text in self.output)

    def send(self, number: signal.Signals) -> None:
        """Send as a terminal does for SIGINT, to the whole group, and as a service manager otherwise."""
        if number is signal.SIGINT:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def end(self) -> int:
        """Wait for its end; returns the exit status."""
        return self.process.wait(timeout=120)


@contextmanager
def started(project: Project, *args: str, machine: Path | None = None) -> Iterator[Running]:
    """Start a session in a process group of its own, as on a terminal."""
    command = [*as_machine(machine), sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *args]
    log = project.path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=project.path,
            env={**project.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield Running(project, process, log)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def as_machine(file: Path | None) -> list[str]:
    """Return what goes before a command to let it run as on another machine, with the machine id in the file.

    What a dead session of another machine left is nobody's business, and other tests' sessions let it lie.
    """
    if file is None:
        return []
    mount = 'mount --bind "$1" /etc/machine-id && shift && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", mount, "sh", str(file)]
