"""Collection: fixtures below container directories, and the choice by mode."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kharness.host.project.test_files import NO_TESTS
from kharness.plan.session.modes import Mode, runs_in
from kharness.plugin.board import COLLECTED, REFUSED
from kharness.plugin.declared import BrokenSettings, CheckItem, SettingsFile
from kharness.plugin.fixtures import register_fixtures
from kharness.plugin.options import MODE_FLAGS
from kharness.plugin.stash import ID, NAME, SessionInfo, is_worker
from kharness.settings.catalog import ContainerDir


class Collection:
    """Hooks that run in every process: the only one, the controller's (which collects nothing), and the workers'."""

    def __init__(self, info: SessionInfo) -> None:
        self._info = info
        self._known: dict[pytest.Collector, ContainerDir] = {}

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Leave alone what goes into an image."""
        directory = self._info.selection.at(collection_path)
        if directory and collection_path.name in NO_TESTS and collection_path.parent == directory.path:
            return True
        return None

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Let the settings of a container directory be a file of items."""
        directory = self._info.selection.at(file_path)
        if directory is None or file_path != directory.settings_file:
            return None
        # Outside the root directory all such files would have one name.
        inside = file_path.is_relative_to(parent.config.rootpath)
        nodeid = None if inside else f"{directory.name}/{file_path.name}"
        file: SettingsFile = SettingsFile.from_parent(parent, path=file_path, nodeid=nodeid)
        file.directory, file.info = directory, self._info
        return file

    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        """Register the fixtures at the topmost node of a container directory, wherever rootdir is."""
        path = getattr(collector, "path", None)
        if path is None or isinstance(collector, pytest.Session):
            return
        directory = self._info.selection.at(path)
        if directory is None or collector in self._known:
            return
        self._known[collector] = directory
        if collector.parent not in self._known:
            register_fixtures(collector, directory, self._info)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Note what could not be collected; node ids alone would not tell where, outside the root directory."""
        directory = self._known.get(collector)
        if directory is None:
            return (yield)
        with _importable(collector):
            report = yield
        if report.failed:
            self._info.seen.add_error(directory.name, f"{report.nodeid or collector.path}: {_last_line(report)}")
        return report

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Note each test before any hook can remove it."""
        directory = self._info.selection.at(item.path)
        # An item that is named twice comes twice; two items with one node id are two tests.
        if directory is not None and ID not in item.stash:
            item.stash[NAME], item.stash[ID] = directory.name, item.nodeid
            if not isinstance(item, BrokenSettings):
                self._info.seen.add(directory, item, check=isinstance(item, CheckItem))

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Take out what does not run in this mode."""
        mode = self._info.selection.mode
        out = [item for item in items if not self._stays(item, mode, listing=self._info.selection.listing)]
        if out:
            if mode is None:
                for item in out:
                    name = item.stash.get(NAME, "")
                    self._info.seen.left_out[name] = self._info.seen.left_out.get(name, 0) + 1
            gone = set(out)
            items[:] = [item for item in items if item not in gone]
            config.hook.pytest_deselected(items=out)
        for item in items:
            if name := item.stash.get(NAME, ""):
                self._refuse_group(item, name)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """In a worker: tell the controller which test belongs to which directory, before it hears that all is there."""
        if is_worker(session.config):
            self._info.board.publish(COLLECTED, names=self._places(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker saw; a crashed one takes its facts with it."""
        output = getattr(node, "workeroutput", None)
        if output and "kharness" in output:
            self._info.seen.merge(output["kharness"])

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what did not run for want of a mode, or of a release."""
        if self._info.unreleased and not is_worker(terminalreporter.config):
            names = ", ".join(self._info.unreleased)
            terminalreporter.line(f"kharness: nothing was released on this host yet, so nothing runs: {names}")
        left_out = self._info.seen.left_out
        if left_out:
            count = sum(left_out.values())
            terminalreporter.line(
                f"kharness: {count} test{'' if count == 1 else 's'} of {', '.join(sorted(left_out))} left out, because "
                f"no mode was given ({MODE_FLAGS})",
                yellow=True,
            )

    def _places(self, items: list[pytest.Item]) -> dict[str, str]:
        places: dict[str, str] = {}
        for item in items:
            name = item.stash.get(NAME, "")
            if places.setdefault(item.nodeid, name) != name:
                # Outside the root directory, node ids are relative to what was named on the command line.
                self._refuse(
                    f"{item.nodeid}: tests of {places[item.nodeid]} and {name} have the same node id, and workers "
                    "cannot tell them apart; name the folder above them, or let --rootdir be one"
                )
        return places

    def _stays(self, item: pytest.Item, mode: Mode | None, *, listing: bool) -> bool:
        name = item.stash.get(NAME, "")
        if not name or (listing and mode is None):
            return True
        if isinstance(item, BrokenSettings):
            return mode is not None
        if mode is None or name in self._info.broken or name in self._info.unchanged:
            return False
        idle = name in self._info.idle and isinstance(item.parent, SettingsFile)
        if idle or name in self._info.unreleased:
            return False
        if item.config.option.kharness_tests_alone and isinstance(item, CheckItem):
            return False
        return runs_in(mode, {mark.name for mark in item.iter_markers()})

    def _refuse_group(self, item: pytest.Item, name: str) -> None:
        other = item.get_closest_marker("xdist_group")
        if other is not None and other.args[:1] != (name,) and other.kwargs.get("name") != name:
            self._refuse(
                f"{item.nodeid}: the mark xdist_group would split the tests of {name} between workers, and each "
                "container is launched once; take the mark away, or use the fixture private_container"
            )

    def _refuse(self, text: str) -> None:
        # A UsageError in a worker would be an internal error; the controller raises it.
        self._info.board.publish(REFUSED, text=text)


@contextmanager
def _importable(collector: pytest.Collector) -> Iterator[None]:
    # The default import mode knows a module by its base name alone, and every container directory may have a test_web.
    option, path = collector.config.option, collector.path
    loaded = getattr(sys.modules.get(path.stem), "__file__", None) if isinstance(collector, pytest.Module) else None
    before = option.importmode
    if loaded is not None and Path(loaded) != path:
        option.importmode = "importlib"
    try:
        yield
    finally:
        option.importmode = before


def _last_line(report: pytest.CollectReport) -> str:
    lines = [line for line in str(report.longrepr or "").splitlines() if line.strip()]
    return lines[-1].removeprefix("E").strip() if lines else "failed"
