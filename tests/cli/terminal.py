"""A terminal that a person would sit at: a pseudo-terminal, and a program that it controls."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

PATIENCE = 120.0


class Terminal:
    """Runs a program with a window of so many rows and columns; `seen` is all that it has shown."""

    def __init__(
        self, command: Sequence[str], *, cwd: Path, environ: Mapping[str, str], rows: int = 24, columns: int = 80
    ) -> None:
        self._master, ours = pty.openpty()
        self.resize(rows, columns)
        self._process = subprocess.Popen(
            # Its own session, whose controlling terminal this is: or ctrl-c is nothing but a character.
            ["setsid", "--ctty", *command],
            cwd=cwd,
            env={**environ, "TERM": "xterm"},
            stdin=ours,
            stdout=ours,
            stderr=ours,
        )
        os.close(ours)
        self.seen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def resize(self, rows: int, columns: int) -> None:
        """Change the window; the kernel tells the program."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        """Type a text, control characters too."""
        os.write(self._master, text.encode())

    def send(self, number: int) -> None:
        """Send the program a signal, which is nobody's at the keyboard."""
        self._process.send_signal(number)

    def until(self, pattern: str, *, again: Callable[[], object] = lambda: None) -> str:
        """Wait until something new is shown that matches; returns what was shown up to there.

        `again` is called each half a second: what it does may come too early at first.
        """
        deadline = time.monotonic() + PATIENCE
        due = 0.0
        while not (found := re.search(pattern, self.seen)):
            assert time.monotonic() < deadline, f"{pattern!r} is not in {self.seen!r}"
            if time.monotonic() > due:
                due = time.monotonic() + 0.5
                again()
            assert self._read(), f"it ended, and {pattern!r} is not in {self.seen!r}"
        shown, self.seen = self.seen[: found.end()], self.seen[found.end() :]
        return shown

    def end(self) -> int:
        """Wait for its end; returns its status."""
        deadline = time.monotonic() + PATIENCE
        while self._read():
            assert time.monotonic() < deadline, f"it does not end after {self.seen!r}"
        return self._process.wait(PATIENCE)

    def _read(self) -> bool:
        if not select.select([self._master], [], [], 0.1)[0]:
            return self._process.poll() is None
        try:
            self.seen += os.read(self._master, 4096).decode("utf-8", "replace")
        except OSError:  # nobody has its other end any more
            return False
        return True
