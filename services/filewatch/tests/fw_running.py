"""A filewatch process of a test's own, and what a client can do with it."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SERVICE = Path(__file__).resolve().parent.parent
FAST = '[server]\nlisten = "127.0.0.1:0"\n[scan]\nevery = 0.05\nstale_after = 60\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A process that serves on `port` of 127.0.0.1."""

    process: subprocess.Popen[bytes]
    port: int
    log_file: Path

    @property
    def log(self) -> str:
        """All it has logged."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def get(self, path: str = "/healthz", *, method: str = "GET") -> tuple[int, str]:
        """Ask: status and body."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def connect(self) -> socket.socket:
        """Connect, and send nothing."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def raw(self, sent: bytes) -> bytes:
        """Send bytes and return all that comes back."""
        with self.connect() as client:
            client.sendall(sent)
            return b"".join(iter(lambda: client.recv(65536), b""))


@contextmanager
def start(text: str, directory: Path) -> Iterator[Running]:
    """Run filewatch by a configuration in which `@` is the directory, until the test ends."""
    config = directory / ".filewatch.toml"
    config.write_text(text.replace("@", str(directory)))
    log_file = directory / ".log"
    with log_file.open("wb") as log:
        command = [sys.executable, "-m", "filewatch", "--config", str(config)]
        process = subprocess.Popen(command, cwd=SERVICE, stderr=log, stdout=log)
    try:
        until(lambda: "listening on" in log_file.read_text() or process.poll() is not None)
        found = re.search(r"listening on http://\S+?:(\d+)/", log_file.read_text())
        assert found, log_file.read_text()
        yield Running(process=process, port=int(found[1]), log_file=log_file)
    finally:
        process.kill()
        process.wait()


def until(claim: Callable[[], bool], *, seconds: float = 60.0) -> None:
    """Wait until the claim holds; AssertionError when it does not in time."""
    end = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)
