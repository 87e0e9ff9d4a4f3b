"""Compose projects in a session: which tests are whose, when a stack ends, and how each project fared.

Each process that runs tests launches the stack of a project when the first test asks for it, and removes it after the
project's last test. Under pytest-xdist all tests of a project go to one worker.
"""

from __future__ import annotations

import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest

from kharness.errors import KharnessError
from kharness.plan.gate.refusals import TestOutcome
from kharness.plan.gate.result import ServiceResult, SessionResult
from kharness.plan.session.modes import Mode, runs_in
from kharness.plugin.declared import BrokenSettings, CheckItem, PolicyReports
from kharness.plugin.items import limited
from kharness.plugin.result import ExitStatus, summarize
from kharness.plugin.selection import StackSelection
from kharness.plugin.stack_items import (
    RUN,
    SERVICE,
    StackFile,
    register_project_fixtures,
    register_service_fixtures,
)
from kharness.plugin.stack_run import StackRun
from kharness.plugin.stash import ID, REPORT_ID, REPORT_NAME, CollectionRecord, is_worker
from kharness.settings.catalog import ContainerDir

if TYPE_CHECKING:
    from kharness.plugin.stack_gate import StackGate

MARK = "service"
REPORT_PROJECT = "kharness_project"
"""On a report: the folder of the Compose project that the test belongs to; it travels from workers."""
REPORT_DOUBTS = "kharness_doubts"
"""On a report: what isolation the project's stack could not have."""
POLICY = "kharness-policy"
INTERRUPTED = {pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR}
OUTPUT = "kharness_stacks"
"""What a worker hands over at its end: what it collected, and what became of its stacks."""
STATUS = "kharness-exit-status"


class Stacks:
    """Registered in every process of a session over Compose projects."""

    def __init__(self, config: pytest.Config, selection: StackSelection) -> None:
        self._config = config
        self._selection = selection
        self._runs = {folder: StackRun(folder, config, selection.mode) for folder in selection.folders}
        self._known: set[pytest.Collector] = set()
        self._services: dict[pytest.Collector, str] = {}
        self._record = CollectionRecord()
        self._gate: StackGate | None = None
        self._result: SessionResult | None = None
        self._lost_worker = False
        self._doubts: set[str] = set()
        self._before: signal._HANDLER = None
        self._began = time.time()
        self._status: ExitStatus | None = None
        if not is_worker(config) and not config.pluginmanager.has_plugin(STATUS):
            # No container directory is in the session, whose controller would decide.
            self._status = ExitStatus(config)
            config.pluginmanager.register(self._status, STATUS)
        if not config.pluginmanager.has_plugin(POLICY):
            config.pluginmanager.register(PolicyReports(), POLICY)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Read all projects, and remove what dead sessions left, before anything is collected."""
        if is_worker(self._config):
            return
        if not self._selection.listing:
            from kharness.plugin.stack_gate import StackGate  # noqa: PLC0415 - a listing decides nothing

            self._gate = StackGate(self._config, self._selection, self._record)
        for folder, run in self._runs.items():
            try:
                _ = run.settings, run.host
                if self._gate is not None:
                    self._gate.begin(run)
                    self._clean_up(run)
            except KharnessError as error:
                if folder in self._selection.named:
                    raise pytest.UsageError(str(error)) from error
        on_main = threading.current_thread() is threading.main_thread()
        if on_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            # A terminated session cleans up like an interrupted one.
            self._before = signal.signal(signal.SIGTERM, _interrupt)

    def pytest_report_header(self) -> str:
        """Name the mode and the projects."""
        names = ", ".join(folder.path.name for folder in self._selection.folders)
        return f"kharness: mode {self._selection.mode}, Compose project {names}"

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Let the Compose file of a project be a file of items."""
        folder = self._selection.at(file_path)
        if folder is None or file_path.resolve() != folder.file.resolve():
            return None
        file: StackFile = StackFile.from_parent(parent, path=file_path)
        file.run = self._runs[folder]
        return file

    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        """Register the fixtures at the topmost node of a project, and those of a service at that of its tests."""
        path = getattr(collector, "path", None)
        folder = None if path is None or isinstance(collector, pytest.Session) else self._selection.at(path)
        if folder is None or path is None or collector in self._known:
            return
        run = self._runs[folder]
        self._known.add(collector)
        if collector.parent not in self._known:
            register_project_fixtures(collector, run)
        with suppress(KharnessError):  # the Compose file's own item reports it
            if (service := run.service_at(path)) is not None:
                self._services[collector] = service
                if collector.parent not in self._services:
                    register_service_fixtures(collector, run, service)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Note what could not be collected."""
        report = yield
        if collector in self._known and report.failed and (folder := self._selection.at(collector.path)):
            said = [line for line in str(report.longrepr or "").splitlines() if line.strip()]
            last = said[-1].removeprefix("E").strip() if said else "failed"
            self._record.add_error(self._runs[folder].key, f"{report.nodeid or collector.path}: {last}")
        return report

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: object) -> object | None:
        """Keep each project's tests together, unless the user chose another way."""
        if config.option.dist != "loadgroup":
            return None
        from kharness.plugin.scheduling import scheduling  # noqa: PLC0415 - it imports pytest-xdist

        return scheduling(config, log, {})

    def project_of(self, nodeid: str) -> str:
        """Return the folder of the project that a test is of, empty for none; here nothing was collected."""
        file = nodeid.partition("::")[0]
        # Outside the root directory, node ids are relative to what was named on the command line.
        bases = [self._config.rootpath]
        bases += [base for folder in self._runs for base in (folder.path, folder.path.parent)]
        for base in bases:
            if (base / file).exists() and (folder := self._selection.at(base / file)):
                return str(folder.path)
        return ""

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Note which project and service a test belongs to."""
        folder = self._selection.at(item.path)
        if folder is None:
            return
        run = self._runs[folder]
        item.stash[RUN] = run
        # An item that is named twice comes twice.
        known = ID in item.stash
        item.stash.setdefault(ID, item.nodeid)
        if isinstance(item, BrokenSettings):
            return
        if not known:
            place = ContainerDir(run.key, folder.path, folder.path.parent, folder)
            self._record.add(place, item, check=isinstance(item, CheckItem))
        mark = item.get_closest_marker(MARK)
        service = str(mark.args[0]) if mark and mark.args else item.stash.get(SERVICE, None)
        if service is None:
            with suppress(KharnessError):
                service = run.service_at(item.path)
        if service is not None:
            item.stash[SERVICE] = service

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Take out what does not run in this mode."""
        mode = self._selection.mode
        out = {
            item
            for item in items
            if RUN in item.stash
            and not isinstance(item, BrokenSettings)
            and not runs_in(mode, {mark.name for mark in item.iter_markers()})
        }
        if out:
            items[:] = [item for item in items if item not in out]
            self._config.hook.pytest_deselected(items=list(out))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """Remove a stack after the last test of its project."""
        run = item.stash.get(RUN, None)
        try:
            return (yield)
        finally:
            if run is not None and (nextitem is None or nextitem.stash.get(RUN, None) is not run):
                run.close()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Refuse a mark that names no service."""
        run, service = item.stash.get(RUN, None), item.stash.get(SERVICE, None)
        if run is not None and service is not None and service not in run.settings:
            known = ", ".join(run.settings)
            pytest.fail(f"{service} is no service of {run.name}; its services are {known}", pytrace=False)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """End a test that hangs."""
        run, service = item.stash.get(RUN, None), item.stash.get(SERVICE, None)
        if run is None or isinstance(item, BrokenSettings):
            return (yield)
        concerned = [run.settings[service]] if service else list(run.settings.values())
        with limited(max((settings.test.timeout for settings in concerned), default=0.0)):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Say which project and service a report is about."""
        report = yield
        run = item.stash.get(RUN, None)
        if run is not None:
            setattr(report, REPORT_PROJECT, run.key)
            setattr(report, REPORT_ID, item.stash[ID])
            setattr(report, REPORT_DOUBTS, run.doubts)
            setattr(report, REPORT_NAME, f"{run.folder.path.name}/{item.stash.get(SERVICE, '')}".rstrip("/"))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count how the tests of each project ended."""
        self._doubts.update(getattr(report, REPORT_DOUBTS, ()))
        if self._gate is None:
            return
        ours = self._gate.outcomes
        ours.add(report, by=REPORT_PROJECT)
        # A crash is reported by the controller itself, which knows no more of the test than its node id.
        crashed = report.failed and str(report.when) not in {"setup", "call", "teardown"}
        if crashed and (project := self.project_of(report.nodeid)):
            ours.crashes.setdefault(project, []).append(f"while it ran {report.nodeid}")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object | None) -> None:
        """Take over what a worker saw; a crashed one takes its facts with it."""
        if self._gate is None:
            return
        if error:
            self._lost_worker = True
            self._gate.outcomes.crashed(node.gateway.id, error)
        if told := (getattr(node, "workeroutput", None) or {}).get(OUTPUT):
            self._record.merge(told["seen"])
            self._gate.take(told["ended"])

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Remove what an early end left, and decide; where there is no controller, for the whole session."""
        self._close()
        ended = {run.key: run.ended.to_plain() for run in self._runs.values()}
        output: dict[str, Any] | None = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[OUTPUT] = {"seen": self._record.to_plain(), "ended": ended}
        if self._gate is not None:
            self._gate.take(ended)
            self._gate.decide(
                {run.key: run for run in self._runs.values()},
                interrupted=exitstatus in INTERRUPTED,
                stopped=str(session.shouldstop or session.shouldfail or ""),
            )
        if self._status is not None:
            self._result = self._make_result(session)
            self._status.decide(session, self._result)

    def results(self) -> tuple[ServiceResult, ...]:
        """Return what was decided about each project, as one service each."""
        return self._gate.results if self._gate is not None else ()

    def _make_result(self, session: pytest.Session) -> SessionResult:
        return SessionResult(
            status=int(session.exitstatus),
            session=secrets.token_hex(4),
            mode=self._selection.mode.value,
            began=self._began,
            seconds=time.time() - self._began,
            services=self.results(),
            doubts=tuple(sorted(self._doubts)),
        )

    def _close(self) -> None:
        for run in self._runs.values():
            run.close()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show how each project fared, and which data were not looked at."""
        from kharness.plan.session.stack import has_data  # noqa: PLC0415 - it imports the models

        # The session's result has them, too, where it is about nothing else.
        for doubt in sorted(self._doubts) if self._result is None else ():
            terminalreporter.line(f"kharness: {doubt}", yellow=True)
        for folder, run in self._runs.items():
            outcomes = self._gate.outcomes.by_name.get(run.key) if self._gate is not None else None
            if not outcomes:
                continue
            counts = Counter(outcome.value for outcome in outcomes.values())
            said = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))
            bad = counts[TestOutcome.FAILED.value] + counts[TestOutcome.ERROR.value]
            colour = {"red": True} if bad else {"green": True}
            try:
                services = ", ".join(run.settings)
                kept = ", ".join(name for name, settings in run.settings.items() if has_data(settings))
            except KharnessError:
                services = kept = ""
            terminalreporter.line(f"kharness: {folder.path.name} ({services}) as one stack: {said}", **colour)
            if kept and self._selection.mode is Mode.STANDALONE:
                terminalreporter.line(
                    f"kharness: {folder.path.name}: the data of {kept} were not looked at", yellow=True
                )

        if self._result is not None:
            summarize(terminalreporter, self._result)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Remove what is left, as late as possible."""
        self._close()
        if self._lost_worker:
            # No other process removes the stack of such a worker.
            from kharness.ops.session.reap import reap  # noqa: PLC0415 - only after a crash

            for run in self._runs.values():
                with suppress(KharnessError):  # the next session removes what is left
                    reap(run.harness)
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
            self._before = None

    def _clean_up(self, run: StackRun) -> None:
        from kharness.ops.release.recover import recover  # noqa: PLC0415 - a listing needs no engine
        from kharness.ops.session.reap import reap  # noqa: PLC0415 - a listing needs no engine

        recover(run.harness)
        reap(run.harness)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    # Once is enough: cleaning up is not interrupted.
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt("terminated")
