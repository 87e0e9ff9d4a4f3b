"""A process that brings containers back to life when the one that stopped them dies, or is stopped itself.

After SIGKILL only another process can clean up. The guard waits for the end of a pipe, which the kernel closes
however its owner ends, and no longer than it was told; unless it hears that all is well, it sends the requests that
undo the freeze.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress

_UNIX = "unix://"
_SCRIPT = """
import select, socket, sys
heard = select.select([sys.stdin], [], [], float(sys.argv[2]))[0]
if not (heard and sys.stdin.buffer.read(1)):
    for path in sys.argv[3:]:
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(sys.argv[1])
            engine.sendall(f"POST {path} HTTP/1.0\\r\\nHost: engine\\r\\nContent-Length: 0\\r\\n\\r\\n".encode())
            engine.recv(4096)
"""


class Guard:
    """Has paths posted to a local engine unless `dismiss` is called, within so many `seconds`, by a living process.

    For an engine that is not behind a unix socket nothing is done: what needs a guard is for local engines only.
    """

    def __init__(self, endpoint: str, requests: Iterable[str], *, seconds: float) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        if endpoint.startswith(_UNIX):
            # In a session of its own, so that Ctrl-C and Ctrl-Z do not reach it; without site packages, so that it
            # starts at once.
            socket = endpoint.removeprefix(_UNIX)
            self._process = subprocess.Popen(  # noqa: S603 - this module's own text
                [sys.executable, "-I", "-S", "-c", _SCRIPT, socket, str(seconds), *requests],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def dismiss(self) -> None:
        """Say that all is well."""
        self._end(b".")

    def call(self) -> None:
        """Say that it is not, and wait until the guard has done what it can."""
        self._end(b"")

    def _end(self, word: bytes) -> None:
        if self._process is not None:
            with suppress(OSError):
                self._process.communicate(word)
            self._process = None


def unpause_request(container: str) -> str:
    """Return the path that thaws a paused container."""
    return f"/containers/{container}/unpause"


def start_request(container: str) -> str:
    """Return the path that starts a stopped container."""
    return f"/containers/{container}/start"
