"""Run a command at a terminal of its own, as a program of a host: `terminal.py TEXT KEYS COMMAND...`.

When it has printed the text, the keys are typed, the escapes of a Python literal read; what it prints is passed on, and
its exit status is this program's.
"""

from __future__ import annotations

import os
import pty
import select
import sys
import time

MOST = 120.0
"""Seconds until the keys are typed all the same, and seconds until the command is ended after that."""


def main(text: str, keys: str, *command: str) -> int:
    """Return the exit status of the command."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execvp(command[0], command)
    said, typed, deadline = b"", False, time.monotonic() + MOST
    while True:
        ready = select.select([terminal], [], [], 0.2)[0]
        try:
            piece = os.read(terminal, 4096) if ready else None
        except OSError:
            # The last process at the terminal has ended.
            piece = b""
        if piece == b"":
            break
        said += piece or b""
        late = time.monotonic() > deadline
        if not typed and (late or text.encode() in said) and not piece:
            os.write(terminal, keys.encode().decode("unicode_escape").encode())
            typed, deadline = True, time.monotonic() + MOST
        elif typed and late:
            os.kill(pid, 9)
    sys.stdout.buffer.write(said)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
