"""Notices from the controller to those that wait for them, without polling."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kharness.plugin.board import Board

PATIENCE = 30.0


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = Board.create()
    yield found
    found.remove()


class Waiting:
    """A thread that waits for a notice as a worker does, with a view of the board of its own."""

    def __init__(self, board: Board, name: str) -> None:
        self.notice: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._wait, args=(Board(board.path), name), daemon=True)
        self._thread.start()

    def _wait(self, board: Board, name: str) -> None:
        self.notice.update(board.wait(name))

    @property
    def is_over(self) -> bool:
        self._thread.join(timeout=0.1)
        return not self._thread.is_alive()

    def end(self) -> dict[str, Any]:
        self._thread.join(timeout=PATIENCE)
        assert not self._thread.is_alive()
        return self.notice


def test_who_waits_gets_the_notice_when_it_is_published(board: Board) -> None:
    board.expect(["web", "db"])
    web, db = Waiting(board, "web"), Waiting(board, "db")
    assert not web.is_over
    board.publish("web", facts="x")
    assert web.end() == {"facts": "x"}
    assert not db.is_over
    board.publish("db", error="no")
    assert db.end() == board.wait("db") == {"error": "no"}


def test_the_end_of_the_session_ends_all_waiting(board: Board) -> None:
    board.expect(["web"])
    waiting = Waiting(board, "web")
    assert not waiting.is_over
    board.remove()
    assert waiting.end() == {"error": "web: the session has ended"}
    assert Board(board.path).wait("db") == {"error": "db: the session has ended"}
    board.publish("web", facts="nothing happens")


def test_the_death_of_the_controller_ends_all_waiting(board: Board) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        Board(board.path).expect(["web"])
        os.write(write, b"1")
        os.close(write)
        threading.Event().wait(PATIENCE)
        os._exit(0)
    assert os.read(read, 1) == b"1"
    waiting = Waiting(board, "web")
    assert not waiting.is_over
    os.kill(child, 9)
    os.waitpid(child, 0)
    os.close(read)
    os.close(write)
    assert waiting.end() == {"error": "web: the session has ended"}
