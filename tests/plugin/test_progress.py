"""Progress is printed as it comes, and the wait for a container ends with it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import cast

import pytest

from kharness.plugin.progress import Progress

PATIENCE = 30.0


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    def read() -> str:
        return capsys.readouterr().out

    return read


@pytest.fixture
def progress() -> Progress:
    reporter = SimpleNamespace(
        ensure_newline=lambda: None,
        write=lambda text, **_: sys.stdout.write(text),
        line=lambda text: sys.stdout.write(f"{text}\n"),
        flush=lambda: None,
    )
    config = SimpleNamespace(
        pluginmanager=SimpleNamespace(get_plugin=lambda _: reporter),
        get_terminal_writer=lambda: SimpleNamespace(width_of_current_line=0),
    )
    return Progress(cast("pytest.Config", config))


def test_a_wait_prints_what_comes_and_ends_with_what_it_waits_for(
    progress: Progress, printed: Callable[[], str]
) -> None:
    future: Future[None] = Future()

    def work() -> None:
        progress.report("web", "building")
        progress.report("web", "  a detail")
        progress.report("", "removed\x1b[2J")
        future.set_result(None)

    thread = threading.Thread(target=work)
    thread.start()
    progress.wait(future)
    thread.join()
    progress.drain(animate=False)
    assert printed() == "web: building\nkharness: removed\\x1b[2J\n"


def test_a_wait_for_what_is_done_is_none(progress: Progress) -> None:
    future: Future[None] = Future()
    future.set_result(None)
    progress.wait(future)


def test_a_pump_prints_until_it_is_stopped(progress: Progress, printed: Callable[[], str]) -> None:
    progress.pump()
    for number in range(3):
        progress.report("web", f"step {number}")
    progress.stop()
    assert printed() == "web: step 0\nweb: step 1\nweb: step 2\n"
    progress.stop()
