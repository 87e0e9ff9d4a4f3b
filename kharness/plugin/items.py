"""Hooks around each test of a container: its name in the report, the failure bundle, the time limit."""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest

from kharness.plugin.attach import ATTACHED
from kharness.plugin.expectations import Expectation
from kharness.plugin.stash import ID, NAME, SessionInfo
from kharness.plugin.timelimit import limited

REPORT_NAME = "kharness_name"
REPORT_ID = "kharness_id"
"""Attributes of reports; they travel from workers to the controller."""
OVER_HTTP = frozenset({"http", "expect"})
"""The fixtures that need httpx."""


class Items:
    """Runs wherever tests run: in the only process, or in each worker."""

    def __init__(self, info: SessionInfo) -> None:
        self._info = info
        self._told: set[str] = set()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Load what the tests will ask with while their containers start."""
        ours = (item for item in session.items if item.stash.get(NAME, ""))
        if not session.config.option.collectonly and any(map(_asks_over_http, ours)):
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
            self._told.add(name)
        return report

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
        notice = self._info.board.look(name) if name else None
        return float(notice.get("timeout", 0)) if notice else 0.0


def _asks_over_http(item: pytest.Item) -> bool:
    if isinstance(item, Expectation):
        return item.declared.kind == "http"
    # An item that is no function asks for no fixture.
    return not OVER_HTTP.isdisjoint(getattr(item, "fixturenames", ()))


def _load_http() -> None:
    from kharness.ops.web import trust  # noqa: PLC0415 - that it is imported here is the point

    trust()
