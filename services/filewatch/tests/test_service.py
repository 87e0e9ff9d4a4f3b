"""The whole service in a process of its own, by what its files go through."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fw_running import FAST, Running, start, until

Serve = Callable[..., Running]
SLOW = FAST.replace("every = 0.05", "every = 1000").replace("stale_after = 60\n", "")


def test_health_follows_a_file_that_grows_old_and_is_renewed(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.touch()
    running = serve(FAST + '[rules]\n"@/a" = 100\n')
    until(lambda: running.get() == (200, "all ok\n"))
    os.utime(file, (0, time.time() - 200))
    until(lambda: running.get()[0] == 503)
    assert running.get()[1].startswith(f"ERROR\n{file}: too old: 200 s old, at most 100 s old")
    file.touch()
    until(lambda: running.get() == (200, "all ok\n"))


def test_it_logs_a_line_for_a_change_and_none_for_a_request(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.touch()
    running = serve(FAST + '[rules]\n"@/a" = "FILE-EMPTY"\n')
    until(lambda: running.get()[0] == 200)
    file.write_text("x")
    until(lambda: running.get()[0] == 503)
    for _ in range(20):
        running.get("/")
    until(lambda: f"{file}: not empty: 1 bytes (was ok)" in running.log)
    assert len(running.log.splitlines()) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_with_0_even_with_slow_clients(
    serve: Serve, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "a").touch()
    running = serve(FAST + '[rules]\n"@/a" = 100\n')
    clients = [running.connect() for _ in range(5)]
    began = time.monotonic()
    running.process.send_signal(number)
    assert running.process.wait(timeout=60) == 0
    # A client has 10 s for its request.
    assert time.monotonic() - began < 8
    for client in clients:
        client.close()


def test_a_hangup_asks_for_a_scan(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.touch()
    running = serve(SLOW + '[rules]\n"@/a" = 100\n')
    until(lambda: running.get()[0] == 200)
    file.unlink()
    running.process.send_signal(signal.SIGHUP)
    until(lambda: running.get()[0] == 503)


def test_a_scanner_that_stopped_does_not_look_healthy(serve: Serve, tmp_path: Path) -> None:
    # A scan takes longer than its result may be old: large files (all hole), read anew each time because
    # they claim to have been modified just now.
    for number in range(20):
        with (tmp_path / f"{number}.log").open("wb") as file:
            file.truncate(60 * 1024 * 1024)
        os.utime(file.name, (0, time.time() + 1000))
    running = serve(FAST.replace("stale_after = 60", "stale_after = 0.1") + '[rules]\n"@/*.log" = "NOT-FOUND:x"\n')
    until(lambda: "the last scan began" in running.get()[1])
    assert running.get()[0] == 503
    status, page = running.get("/")
    assert status == 503
    assert "the last scan began" in page


def test_an_address_in_use_is_one_clear_line_and_status_1(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    running = serve(FAST + '[rules]\n"@/a" = 100\n')
    text = FAST.replace(":0", f":{running.port}") + '[rules]\n"@/a" = 100\n'
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(AssertionError, match=r"cannot listen on 127\.0\.0\.1 port"), start(text, other):
        pass
    assert len((other / ".log").read_text().splitlines()) == 1
