"""Hooks around each test of a container: its name in the report, one cause told once, the time limit."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from kharness.plugin.attach import ATTACHED
from kharness.plugin.declared import Expectation
from kharness.plugin.stash import ID, NAME, REPORT_COUNTED, REPORT_ID, REPORT_NAME, SessionInfo

OVER_HTTP = frozenset({"http", "expect"})
"""The fixtures that need httpx."""


class Items:
    """Runs wherever tests run: in the only process, or in each worker."""

    def __init__(self, info: SessionInfo) -> None:
        self._info = info
        self._told: set[str] = set()
        self._timeouts: dict[str, float] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Load what the tests will ask with while their containers start."""
        ours = (item for item in session.items if item.stash.get(NAME, ""))
        if not self._info.selection.listing and any(map(_asks_over_http, ours)):
            threading.Thread(target=_load_http, daemon=True).start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Say which container a report is about."""
        report = yield
        name = item.stash.get(NAME, "")
        if not name:
            return report
        setattr(report, REPORT_NAME, name)
        setattr(report, REPORT_ID, item.stash[ID])
        attached = item.config.stash.get(ATTACHED, {}).get(name)
        if report.failed and attached is not None and attached.error is not None:
            # One cause, many tests: only the first of them tells all of it.
            if name in self._told:
                report.longrepr = f"{name} was not launched; the first of its tests says why"
                setattr(report, REPORT_COUNTED, True)
            self._told.add(name)
        return report

    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
        """Count the further tests of a container that was not launched, each of which would repeat the cause."""
        if not getattr(report, REPORT_COUNTED, False):
            return None
        return "not launched", "E", ("NOT LAUNCHED", {"red": True})

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """End a fixture that hangs, as `test.timeout` says; the wait for a container has limits of its own."""
        with limited(self._seconds(item)):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """End a test that hangs."""
        with limited(self._seconds(item)):
            return (yield)

    def _seconds(self, item: pytest.Item) -> float:
        name = item.stash.get(NAME, "")
        if name and name not in self._timeouts and (notice := self._info.board.look(name)):
            self._timeouts[name] = float(notice.get("timeout", 0))
        return self._timeouts.get(name, 0.0)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Fail the running test when the block takes longer; zero, or another thread than the main one, is no limit.

    The alarm rings beside the timers that other plugins may have set.
    """
    if seconds <= 0 or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_signal: int, _frame: FrameType | None) -> None:
        pytest.fail(f"the test did not end within test.timeout of {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    began = time.monotonic()
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    if 0 < left < seconds:
        # Another plugin's timer ends this test sooner.
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left)
        yield
        return
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, left - (time.monotonic() - began)))


def _asks_over_http(item: pytest.Item) -> bool:
    if isinstance(item, Expectation):
        return item.declared.kind == "http"
    # An item that is no function asks for no fixture.
    return not OVER_HTTP.isdisjoint(getattr(item, "fixturenames", ()))


def _load_http() -> None:
    from kharness.ops.host.web import trust  # noqa: PLC0415 - that it is imported here is the point

    trust()
