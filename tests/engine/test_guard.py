"""Whoever froze a container may die, or be stopped itself: then somebody else lets the container run."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.engine.guard import Guard, start_request, unpause_request


class Listening:
    """An engine that notes the first line of each request."""

    def __init__(self, path: Path) -> None:
        self.url = f"unix://{path}"
        self.asked: list[str] = []
        self.changed = threading.Event()
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._server.accept()
            with connection:
                line = connection.recv(4096).decode().partition("\r\n")[0]
                if not line:
                    return
                self.asked.append(line)
                connection.sendall(b"HTTP/1.0 204 No Content\r\n\r\n")
                self.changed.set()

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(self.url.removeprefix("unix://"))
        self._thread.join()
        self._server.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Listening]:
    found = Listening(tmp_path / "s")
    yield found
    found.close()


def test_a_guard_that_hears_that_all_is_well_does_nothing(engine: Listening) -> None:
    guard = Guard(engine.url, [unpause_request("abc")], seconds=60)
    guard.dismiss()
    guard.call()
    assert engine.asked == []


def test_a_guard_that_is_called_lets_all_run(engine: Listening) -> None:
    Guard(engine.url, [unpause_request("abc"), start_request("def")], seconds=60).call()
    assert engine.asked == ["POST /containers/abc/unpause HTTP/1.0", "POST /containers/def/start HTTP/1.0"]


def test_a_guard_waits_no_longer_than_it_was_told_for_somebody_who_lives_and_says_nothing(engine: Listening) -> None:
    guard = Guard(engine.url, [unpause_request("abc")], seconds=0.05)
    assert engine.changed.wait(10)
    guard.dismiss()
    assert engine.asked == ["POST /containers/abc/unpause HTTP/1.0"]


def test_an_engine_elsewhere_has_no_guard_and_needs_none() -> None:
    guard = Guard("ssh://far", [unpause_request("abc")], seconds=60)
    guard.call()
    guard.dismiss()
