"""A process that brings containers back to life when the one that stopped them dies.

Nobody can clean up after SIGKILL but somebody else. The guard waits for the end of a pipe, which the kernel closes
however its owner ends; unless it has been told that all is well, it sends the requests that undo the freeze.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

_UNIX = "unix://"
_SCRIPT = """
import socket, sys
if not sys.stdin.buffer.read(1):
    for path in sys.argv[2:]:
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(sys.argv[1])
            engine.sendall(f"POST {path} HTTP/1.0\\r\\nHost: engine\\r\\nContent-Length: 0\\r\\n\\r\\n".encode())
            engine.recv(4096)
"""


@contextmanager
def guarded(endpoint: str, requests: Iterable[str]) -> Iterator[None]:
    """Have these paths posted to a local engine if this process dies inside the block.

    For an engine that is not behind a unix socket nothing is done: what needs a guard is for local engines only.
    """
    if not endpoint.startswith(_UNIX):
        yield
        return
    # In a session of its own, so that Ctrl-C does not reach it; without site packages, so that it starts at once.
    guard = subprocess.Popen(  # noqa: S603 - this module's own text
        [sys.executable, "-I", "-S", "-c", _SCRIPT, endpoint.removeprefix(_UNIX), *requests],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        with suppress(OSError):
            guard.communicate(b".")


def unpause_request(container: str) -> str:
    """Return the path that thaws a paused container."""
    return f"/containers/{container}/unpause"


def start_request(container: str) -> str:
    """Return the path that starts a stopped container."""
    return f"/containers/{container}/start"
