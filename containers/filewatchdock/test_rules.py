"""Each rule, as /healthz tells it: a file is well, is not, and is well again.

The files are in the test instance's own volume, empty or a copy, never in the real one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kharness import Instance

pytestmark = [pytest.mark.standalone, pytest.mark.prod_ready]

Put = Callable[..., Path]
Errors = Callable[[], dict[str, str]]
Settle = Callable[[object, object], None]


def test_a_file_that_grows_old_is_an_error_until_it_is_touched(put: Put, errors: Errors, settle: Settle) -> None:
    heartbeat = put("heartbeat", age=10)
    settle(errors, {})
    put("heartbeat", age=200)
    settle(errors, {"heartbeat": "too old"})
    heartbeat.touch()
    settle(errors, {})


def test_a_file_from_the_future_is_an_error(put: Put, errors: Errors, settle: Settle) -> None:
    put("heartbeat", age=-1000)
    settle(errors, {"heartbeat": "in the future"})


def test_a_file_that_must_be_empty_is_an_error_until_it_is_emptied(put: Put, errors: Errors, settle: Settle) -> None:
    log = put("errors.log", "disk full\n")
    settle(errors, {"errors.log": "not empty"})
    os.truncate(log, 0)
    settle(errors, {})


def test_a_directory_that_must_be_empty_is_an_error_until_it_is(put: Put, errors: Errors, settle: Settle) -> None:
    mail = put("outgoing/.hidden")
    settle(errors, {"outgoing": "not empty"})
    mail.unlink()
    settle(errors, {})


def test_a_text_is_an_error_in_every_file_of_a_glob_but_the_exception(put: Put, errors: Errors, settle: Settle) -> None:
    for name in ("one.log", "two.log", "noisy.log", "not-a-log"):
        put(f"logs/{name}", "kernel panic\n")
    settle(errors, {"logs/one.log": "text found", "logs/two.log": "text found"})
    put("logs/one.log", "quiet\n")
    put("logs/two.log", "quiet\n")
    settle(errors, {})


def test_only_the_newest_file_of_a_directory_must_be_young(put: Put, errors: Errors, settle: Settle) -> None:
    put("backup/monday", age=100_000)
    put("backup/tuesday", age=500)
    settle(errors, {"backup/tuesday": "too old"})
    put("backup/.wednesday.partial")
    settle(errors, {"backup/tuesday": "too old"})
    put("backup/wednesday")
    settle(errors, {})


def test_a_broken_link_is_an_error_and_a_link_to_a_file_is_as_the_file(
    area: Path, put: Put, errors: Errors, settle: Settle
) -> None:
    (area / "heartbeat").symlink_to("absent")
    settle(errors, {"heartbeat": "broken link"})
    put("absent", age=200)
    settle(errors, {"heartbeat": "too old"})


def test_a_directory_in_place_of_a_file_and_the_reverse_are_errors(
    area: Path, put: Put, errors: Errors, settle: Settle
) -> None:
    (area / "heartbeat").mkdir()
    put("outgoing")
    settle(errors, {"heartbeat": "wrong kind", "outgoing": "wrong kind"})


def test_a_file_that_the_service_may_not_read_is_an_error(put: Put, errors: Errors, settle: Settle) -> None:
    put("logs/secret.log", "quiet\n").chmod(0)
    settle(errors, {"logs/secret.log": "unreadable"})


def test_a_directory_that_the_service_may_not_list_does_not_look_empty(
    area: Path, errors: Errors, settle: Settle
) -> None:
    (area / "outgoing").mkdir(mode=0o700)
    (area / "logs").mkdir(mode=0o700)
    settle(errors, {"outgoing": "unreadable", "logs": "unreadable"})


@pytest.mark.parametrize("name", ["grüße.log", "<script>.log", "two words.log"])
def test_any_name_can_be_watched(put: Put, errors: Errors, settle: Settle, name: str) -> None:
    put(f"logs/{name}", "panic")
    settle(errors, {f"logs/{name}": "text found"})


def test_a_name_that_is_no_utf8_is_shown_as_an_escape(area: Path, errors: Errors, settle: Settle) -> None:
    (area / "logs").mkdir()
    (area / "logs" / os.fsdecode(b"caf\xe9.log")).write_text("panic")
    settle(errors, {"logs/caf\\xe9.log": "text found"})


def test_a_change_is_logged_once(container: Instance, put: Put, errors: Errors, settle: Settle) -> None:
    put("errors.log", "x" * 77)
    settle(errors, {"errors.log": "not empty"})
    for _ in range(20):
        errors()
    settle(lambda: container.logs().count("errors.log: not empty: 77 bytes"), 1)


def test_what_is_gone_is_forgotten(area: Path, put: Put, errors: Errors, settle: Settle) -> None:
    put("logs/one.log", "panic")
    settle(errors, {"logs/one.log": "text found"})
    shutil.rmtree(area / "logs")
    settle(errors, {})
