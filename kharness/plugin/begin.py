"""Set a session up in a project with container directories: in the only process, the controller, or a worker.

The process that began decides: a fork of it that comes back from a test ends before it can act for the session.
"""

from __future__ import annotations

import gc
import os
import secrets
from collections.abc import Generator
from os import getpid
from pathlib import Path
from typing import Any, NoReturn

import pytest

from kharness.errors import SettingsError
from kharness.plan.session.modes import Mode
from kharness.plugin.board import Board
from kharness.plugin.collection import Collection
from kharness.plugin.context import host_of, read_settings
from kharness.plugin.declared import PolicyReports
from kharness.plugin.items import Items
from kharness.plugin.selection import Selection
from kharness.plugin.stash import INFO, SessionInfo, is_worker

FORKED = 70
"""What a fork ends with that came back from a test, sysexits(3)."""


class OneProcess:
    """Registered in every process of a session.

    A plugin may run a test in a fork that never reports by itself, so only what belongs to the session is guarded.
    """

    def __init__(self) -> None:
        self._pid = getpid()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self) -> None:
        """Before anything is launched."""
        self._check("collection")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Before a report is shown, counted or sent, and before fixtures are torn down."""
        self._check(report.nodeid)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Before the next test."""
        try:
            return (yield)
        finally:
            self._check(item.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Before anything is decided."""
        self._check("the session")

    @pytest.hookimpl(tryfirst=True)
    def pytest_unconfigure(self) -> None:
        """Before anything is removed."""
        self._check("the session")

    def _check(self, where: str) -> None:
        if getpid() != self._pid:
            _end(where)


def _end(where: str) -> NoReturn:
    # Neither the clean-up nor the buffers of the process that began are this one's.
    os.write(2, f"kharness: {where}: a process that it forked came back into pytest, and was ended\n".encode())
    os._exit(FORKED)


class Heap:
    """Keeps the garbage collector from searching modules and items again and again, which stay until the end.

    It rests until everything is loaded and collected, and leaves all that out afterwards; see `gc.freeze`.
    """

    def __init__(self) -> None:
        self._enabled = gc.isenabled()
        gc.disable()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> None:
        """After collection, in every kind of process."""
        gc.freeze()
        self._end()

    def pytest_unconfigure(self) -> None:
        """After a session that ended before its tests."""
        self._end()

    def _end(self) -> None:
        if self._enabled:
            gc.enable()


class Listing:
    """Takes the controller's place where tests are only shown: it validates all settings."""

    def __init__(self, config: pytest.Config, info: SessionInfo) -> None:
        self._config = config
        self._info = info

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Read all settings before anything is collected."""
        try:
            below = host_of(self._config).defaults
        except SettingsError:
            # A listing needs no host.
            below = ()
        _, self._info.broken = read_settings(self._config, self._info.selection, below=below)


def begin(config: pytest.Config, selection: Selection) -> None:
    """Register what this process needs."""
    if selection.mode is not None:
        config.pluginmanager.register(Heap(), "kharness-heap")
    told: dict[str, Any] | None = getattr(config, "workerinput", {}).get("kharness")
    if told is not None:
        info = SessionInfo(
            session=told["session"],
            selection=selection,
            board=Board(Path(told["board"])),
            broken=told["broken"],
            unchanged=told["unchanged"],
            idle=told["idle"],
            unreleased=told["unreleased"],
            asks_host=told["asks_host"],
            began=told["began"],
        )
    else:
        _refuse_distribution(config, selection)
        info = SessionInfo(session=secrets.token_hex(4), selection=selection, board=Board.create())
        config.add_cleanup(info.board.remove)
    config.stash[INFO] = info
    config.pluginmanager.register(OneProcess(), "kharness-one-process")
    config.pluginmanager.register(Collection(info), "kharness-collection")
    config.pluginmanager.register(Items(info), "kharness-items")
    config.pluginmanager.register(PolicyReports(), "kharness-policy")
    if is_worker(config) or selection.mode is None:
        return
    if _only_lists(config, selection):
        config.pluginmanager.register(Listing(config, info), "kharness-controller")
    else:
        _begin_controller(config, info, selection.mode)


def _only_lists(config: pytest.Config, selection: Selection) -> bool:
    # The controller writes the result for a process that waits for one, and has what workers are told.
    alone = config.option.collectonly or getattr(config.option, "dist", "no") == "no"
    return selection.listing and alone and not config.option.kharness_result


def _begin_controller(config: pytest.Config, info: SessionInfo, mode: Mode) -> None:
    from kharness.plugin.controller import Controller  # noqa: PLC0415 - imports the engine and the settings' models
    from kharness.plugin.replay import ReportWriter  # noqa: PLC0415 - the controller alone
    from kharness.plugin.result import ExitStatus  # noqa: PLC0415 - the controller alone

    status = ExitStatus(config)
    config.pluginmanager.register(status, "kharness-exit-status")
    config.pluginmanager.register(Controller(config, info, mode, status), "kharness-controller")
    if path := config.option.kharness_reports:
        config.pluginmanager.register(ReportWriter(config, info, path), "kharness-reports")


def _refuse_distribution(config: pytest.Config, selection: Selection) -> None:
    dist = getattr(config.option, "dist", "no")
    if selection.mode is not None and selection.directories and dist not in {"no", "loadgroup"}:
        raise pytest.UsageError(
            f"--dist {dist} would split a container's tests between workers, and each container is launched once; "
            "leave --dist away, or say --dist loadgroup"
        )
