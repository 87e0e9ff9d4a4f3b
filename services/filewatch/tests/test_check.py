"""One path, one rule: every kind of file ends in a defined state."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from fw_files import Look, put


@pytest.mark.parametrize(
    ("age", "state"), [(0, "ok"), (90, "ok"), (110, "too old"), (1e9, "too old"), (-30, "ok"), (-90, "in the future")]
)
def test_a_file_is_as_old_as_its_modification(tmp_path: Path, look: Look, age: float, state: str) -> None:
    put(tmp_path / "a", age=age)
    assert look({"a": 100}) == {"a": state}


def test_how_far_in_the_future_a_file_may_be_is_the_users_choice(tmp_path: Path, look: Look) -> None:
    put(tmp_path / "a", age=-90)
    assert look({"a": 100}, clock_skew=120) == {"a": "ok"}
    put(tmp_path / "a", age=-5)
    assert look({"a": 100}, clock_skew=0) == {"a": "in the future"}


@pytest.mark.parametrize(("text", "state"), [("", "ok"), ("\n", "not empty")])
def test_an_empty_file_has_no_byte(tmp_path: Path, look: Look, text: str, state: str) -> None:
    put(tmp_path / "a", text)
    assert look({"a": "FILE-EMPTY"}) == {"a": state}


def test_an_empty_directory_has_no_entry_not_even_a_hidden_one(tmp_path: Path, look: Look) -> None:
    (tmp_path / "d").mkdir()
    assert look({"d": "DIR-EMPTY"}) == {"d": "ok"}
    put(tmp_path / "d" / ".hidden")
    assert look({"d": "DIR-EMPTY"}) == {"d": "not empty"}


@pytest.mark.parametrize(("text", "state"), [("", "ok"), ("all quiet", "ok"), ("ein Fehler: größe", "text found")])
def test_a_text_must_not_be_in_a_file(tmp_path: Path, look: Look, text: str, state: str) -> None:
    put(tmp_path / "a", text)
    assert look({"a": "NOT-FOUND:größe"}) == {"a": state}


@pytest.mark.parametrize("check", [5, "FILE-EMPTY", "DIR-EMPTY", "NOT-FOUND:x"])
def test_a_file_that_was_named_must_be_there_unless_it_need_not(look: Look, check: object) -> None:
    assert look({"a": check, "a/b": check}) == {"a": "missing", "a/b": "missing"}
    assert look({"a": {"check": check, "missing": "ok"}}) == {"a": "absent"}


def test_a_file_that_is_skipped_may_be_anything_or_nothing(tmp_path: Path, look: Look) -> None:
    put(tmp_path / "old", age=1e6)
    assert look({"old": "none", "absent": "none"}) == {"old": "skipped", "absent": "skipped"}


@pytest.mark.parametrize("check", [5, "FILE-EMPTY", "NOT-FOUND:x"])
def test_a_directory_is_no_file(tmp_path: Path, look: Look, check: object) -> None:
    (tmp_path / "d").mkdir()
    assert look({"d": check}) == {"d": "wrong kind"}


def test_a_file_is_no_directory(tmp_path: Path, look: Look) -> None:
    put(tmp_path / "a", "")
    assert look({"a": "DIR-EMPTY"}) == {"a": "wrong kind"}


@pytest.mark.parametrize("check", [5, "FILE-EMPTY", "NOT-FOUND:x"])
def test_a_pipe_or_a_socket_is_no_file_and_is_not_waited_for(tmp_path: Path, look: Look, check: object) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket"))  # a socket's path is short
        assert look({"pipe": check, "socket": check}) == {"pipe": "wrong kind", "socket": "wrong kind"}


@pytest.mark.parametrize("check", [5, "FILE-EMPTY", "DIR-EMPTY", "NOT-FOUND:x"])
def test_a_link_that_leads_nowhere_is_broken(tmp_path: Path, look: Look, check: object) -> None:
    (tmp_path / "nowhere").symlink_to("absent")
    (tmp_path / "loop").symlink_to("loop")
    assert look({"nowhere": check, "loop": check}) == {"nowhere": "broken link", "loop": "broken link"}
    assert look({"*": {"check": check}}) == {"nowhere": "broken link", "loop": "broken link"}


def test_a_link_is_as_what_it_leads_to(tmp_path: Path, look: Look) -> None:
    put(tmp_path / "old", age=200)
    (tmp_path / "link").symlink_to("old")
    assert look({"link": 100}) == {"link": "too old"}


def test_a_name_that_no_file_can_have_is_unreadable_not_missing(look: Look) -> None:
    assert set(look({"x" * 300: {"check": 5, "missing": "ok"}}).values()) == {"unreadable"}


def test_a_file_that_may_not_be_read_is_unreadable_only_where_it_must_be_read(
    tmp_path: Path, look: Look, unprivileged: Callable[[], AbstractContextManager[None]]
) -> None:
    put(tmp_path / "a").chmod(0)
    (tmp_path / "d").mkdir(mode=0)
    with unprivileged():
        assert look({"a": 100}) == {"a": "ok"}
        assert look({"a": "NOT-FOUND:x"}) == {"a": "unreadable"}
        assert look({"d": "DIR-EMPTY"}) == {"d": "unreadable"}
        assert look({"d/a": {"check": 100, "missing": "ok"}}) == {"d/a": "unreadable"}


@pytest.mark.parametrize("name", [b"gr\xc3\xbc\xc3\x9fe", b"caf\xe9", b"two\nlines", b" ", b"<b>&", b"-rf"])
def test_any_name_can_be_watched(tmp_path: Path, look: Look, name: bytes) -> None:
    (tmp_path / os.fsdecode(name)).write_text("panic")
    shown = os.fsdecode(name)
    assert look({"*": 100}) == {shown: "ok"}
    assert look({"*": "NOT-FOUND:panic"}) == {shown: "text found"}
    assert look({"{NEWEST}": "FILE-EMPTY"}) == {shown: "not empty"}
