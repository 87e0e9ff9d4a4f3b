"""The controller: validates, launches in the background, gets every report, lets the gate decide, cleans up."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

import pytest

from kharness.errors import HostError, KharnessError, LaunchError, SettingsError
from kharness.ops.checks import refuse_host_waivers, refuse_unenforceable
from kharness.ops.gate.decide import Gate
from kharness.ops.gate.facts import answers_for_host, find_idle, find_unchanged
from kharness.ops.gate.inputs import tests_digest
from kharness.ops.release.recover import recover
from kharness.ops.session.pipeline import Order, Pipeline
from kharness.ops.session.pytests import DEPTH, ChildSessions
from kharness.ops.session.reap import reap
from kharness.ops.session.session import TestSession
from kharness.plan.gate.result import ServiceResult, SessionResult, decided_status, judge
from kharness.plan.session.modes import Mode
from kharness.plugin.board import COLLECTED, REFUSED
from kharness.plugin.context import harness_of, host_of, read_settings
from kharness.plugin.observed import Outcomes, observe
from kharness.plugin.progress import Progress
from kharness.plugin.proof import Proving, Removal
from kharness.plugin.replay import failures, replay
from kharness.plugin.result import ExitStatus, add_junit_properties, count_refused, summarize
from kharness.plugin.scheduling import scheduling
from kharness.plugin.stash import NAME, SessionInfo
from kharness.settings.catalog import ContainerDir
from kharness.settings.layers import SettingsLayer

DEEPEST = 8
HEADING = "in-prod"
"""The heading of the reports of tests that verify a launch."""


class Controller:
    """Registered in the process that the user started, when a mode is set."""

    def __init__(self, config: pytest.Config, info: SessionInfo, mode: Mode, status: ExitStatus) -> None:
        self._config = config
        self._info = info
        self._mode = mode
        self._status = status
        self._progress = Progress(config)
        self._children = ChildSessions(root=config.rootpath, ini=config.inipath, cwd=config.invocation_params.dir)
        self._proving = Proving(config, mode)
        self._outcomes = Outcomes()
        self._pipeline: Pipeline | None = None
        self._session: TestSession | None = None
        self._gate: Gate | None = None
        self._result: SessionResult | None = None
        self._began, self._clock = time.time(), time.monotonic()
        self._removal: Removal | None = None
        self._interrupted = self._bad = False
        self._lost_worker = self._is_over = False
        self._before: dict[signal.Signals, Any] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Read all settings, find the engine, and remove what dead sessions left: before anything is collected."""
        selection = self._info.selection
        # Before anything is read: a change during a long build is a change, too.
        for directory in () if selection.listing else selection.directories:
            with suppress(HostError):
                self._info.began[directory.name] = tests_digest(directory)
        self._settings, self._info.broken = read_settings(self._config, selection, below=self._defaults())
        if selection.listing:
            return
        if int(os.environ.get(DEPTH, "0")) > DEEPEST:
            raise pytest.UsageError("sessions start each other in a circle; look at what depends on what")
        try:
            self._harness = harness_of(self._config, self._progress.report)
            refuse_host_waivers(self._harness.host)
            refuse_unenforceable(self._harness.host)
            recover(self._harness)
            for leftover in reap(self._harness):
                self._progress.report("", f"removed what a dead session left: {leftover}")
        except KharnessError as error:
            raise pytest.UsageError(str(error)) from error
        self._progress.drain(animate=False)
        keep = "always" if self._config.option.keep else "failed" if self._config.option.keep_failed else None
        witness = self._proving.witness(self._harness)
        self._session = TestSession(
            self._harness, session=self._info.session, mode=self._mode, keep=keep, witness=witness
        )
        self._look_ahead()
        # A terminated session cleans up like an interrupted one.
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, _interrupt) for number in _terminating()}

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give a worker what it must know."""
        node.workerinput["kharness"] = self._info.to_plain()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Begin to build and launch for the tests that were collected."""
        if session.items:
            self._begin([item.stash.get(NAME, "") for item in session.items], failed=session.testsfailed)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Iterable[str]) -> None:
        """Begin when the first worker has collected; all collect the same."""
        if problem := self._info.board.look(REFUSED):
            raise pytest.UsageError(problem["text"])
        if self._pipeline is None and (collected := self._info.board.look(COLLECTED)):
            self._info.places.update(collected["names"])
            self._progress.pump()
            self._begin([self._info.places.get(nodeid, "") for nodeid in ids])

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> object:
        """Keep each container's tests together."""
        return scheduling(config, log, self._info.places)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object | None) -> None:
        """Note which containers' tests a crashed worker had."""
        if error:
            self._lost_worker = True
            self._outcomes.crashed(node.gateway.id, error)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Let a directory go ahead whose test begins in a worker."""
        if self._pipeline is not None and (name := self._info.places.get(nodeid)):
            self._pipeline.want(name)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Wait for a test's container where nothing is captured, so that the user sees what happens."""
        if self._pipeline is not None and (notice := self._pipeline.want(item.stash.get(NAME, ""))):
            self._progress.wait(notice)
        self._progress.drain(animate=False)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note an outcome, and let an instance go after its last test."""
        name = self._outcomes.add(report)
        if name is None and (lost := self._crashed_item(report)) is not None:
            self._outcomes.crashes.setdefault(lost, []).append(f"while it ran {report.nodeid}")
        if name is not None and self._pipeline is not None:
            self._pipeline.done_with(name, keep=self._keeps(name))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Decide, act, and clean up: after the last report, before the summary."""
        interrupted = self._interrupted or exitstatus in {pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR}
        self._progress.stop()
        try:
            if interrupted:
                # The pipeline first: what it has under way then ends in silence.
                if self._pipeline is not None:
                    self._pipeline.close(wait=False)
                self._children.stop()
            elif self._pipeline is not None:
                self._pipeline.close(wait=True)
                self._pipeline.look_at_the_rest()
            self._begin_removal()
            if interrupted and exitstatus == pytest.ExitCode.OK and self._asked:
                # A test may end the session, but not claim that what was asked for was done.
                session.exitstatus = pytest.ExitCode.INTERRUPTED
            if self._session is not None and not interrupted and not self._info.selection.listing:
                self._decide(session, exitstatus)
        except KeyboardInterrupt:
            # pytest takes an interrupt here for an error of its own, and would take nothing down.
            session.exitstatus = pytest.ExitCode.INTERRUPTED
            self._interrupted = True
        except BaseException:
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
            raise
        else:
            self._is_over = not interrupted
        finally:
            self._result = self._make_result(session)
            self._status.decide(session, self._result)
            self._begin_removal()
            add_junit_properties(self._config, self._result)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Tell a user's interrupt from those of pytest and its workers, after errors in collection or with -x."""
        own = issubclass(excinfo.type, pytest.Session.Interrupted) or excinfo.type.__module__.startswith("xdist.")
        self._interrupted = not own or "keyboard-interrupt" in str(excinfo.value)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show how each container fared."""
        if self._gate is not None and self._result is not None:
            summarize(terminalreporter, self._result)
            if self._bad:
                count_refused(terminalreporter, self._result)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Wait until everything is removed, as late as possible."""
        self._begin_removal()
        if self._removal is not None and (problem := self._removal.wait()):
            print(f"kharness: {problem}; the next session removes what is left", file=sys.stderr)  # noqa: T201
        if self._session is not None and self._workers_died():
            with suppress(KharnessError):
                reap(self._harness)
        while self._before:
            signal.signal(*self._before.popitem())

    def _workers_died(self) -> bool:
        # No other process removes what such a worker had launched for one test alone.
        return self._lost_worker or (self._interrupted and bool(self._config.getoption("numprocesses", default=0)))

    def _defaults(self) -> tuple[SettingsLayer, ...]:
        try:
            return host_of(self._config).defaults
        except SettingsError as error:
            if self._info.selection.listing:
                return ()
            raise pytest.UsageError(str(error)) from error

    def _begin(self, names: list[str], *, failed: int = 0) -> None:
        directories = {directory.name: directory for directory in self._info.selection.directories}
        known = [name for name in names if name in self._settings and name in directories]
        option = self._config.option
        if not known or self._session is None or self._info.selection.listing:
            return
        if failed and not option.continue_on_collection_errors:
            return
        self._outcomes.expect(known)
        self._proving.begin({name: self._settings[name] for name in known})
        order = Order(
            directories=tuple(directories[name] for name in dict.fromkeys(known)),
            settings=self._settings,
            mode=self._mode,
            rebuild=option.rebuild,
            no_build=option.no_build,
        )
        self._pipeline = Pipeline(
            self._harness, self._session, self._info.board.publish, order, first_release=self._release_first
        )
        self._info.board.expect(directory.name for directory in order.directories)
        self._pipeline.start()

    def _release_first(self, directory: ContainerDir) -> None:
        flag = "--prod-ready" if self._mode is Mode.PROD_READY else "--ready"
        progress = self._harness.details(directory.name)
        result = self._children.run(directory.path, flag, "--promote", *self._proving.flags, progress=progress)
        verdict = judge(directory.name, result.status, result.result, launch=True)
        if verdict.status != 0:
            why = failures(self._config, result) if result.status else f"{verdict.text}\n{result.tail}"
            raise LaunchError(f"{directory.name}: its first release failed:\n{why}")

    def _look_ahead(self) -> None:
        harness, info, settings = self._harness, self._info, self._settings
        if self._config.option.if_changed:
            info.unchanged |= find_unchanged(harness, info.selection.directories, settings, mode=self._mode)
        if self._mode is Mode.IN_PROD:
            info.unreleased, info.idle = find_idle(harness, info.selection.fleet, settings)
        names = [directory.name for directory in info.selection.directories]
        out = {*info.unreleased, *info.idle, *info.unchanged}
        info.asks_host = answers_for_host(harness, names, settings, out=out)

    def _decide(self, session: pytest.Session, exitstatus: int) -> None:
        assert self._session is not None  # noqa: S101 - the caller looked
        self._proving.take(self._removal)
        self._gate = gate = Gate(
            harness=self._harness,
            session=self._info.session,
            mode=self._mode,
            promote=bool(self._config.option.promote),
            launch=bool(self._config.option.launch),
            run=self._children.run,
            replay=partial(replay, self._config, heading=HEADING),
            show=partial(self._progress.drain, animate=False),
            broken=self._info.broken,
        )
        seen = observe(
            self._config,
            self._info,
            self._settings,
            self._outcomes,
            self._pipeline,
            kept=self._session.kept,
            stopped=str(session.shouldstop or session.shouldfail or ""),
        )
        bad = gate.decide(seen, unproved=self._proving.proof.failures)
        self._bad = bad = bad or bool(self._proving.proof.failures)
        self._progress.drain(animate=False)
        session.exitstatus = decided_status(exitstatus, bad=bad, unchanged=bool(self._info.unchanged))

    @property
    def _asked(self) -> bool:
        return bool(self._config.option.promote or self._config.option.launch)

    def _make_result(self, session: pytest.Session) -> SessionResult:
        doubts = sorted(self._session.doubts) if self._session is not None else ()
        return SessionResult(
            status=int(session.exitstatus),
            session=self._info.session,
            mode=self._mode.value,
            asked="launch" if self._config.option.launch else "promote" if self._config.option.promote else "",
            began=self._began,
            seconds=time.monotonic() - self._clock,
            services=(*self._results(), *self._stacks()),
            proof=self._proving.result,
            doubts=(*doubts, *self._proving.doubts),
        )

    def _results(self) -> tuple[ServiceResult, ...]:
        return self._gate.results(interrupted=not self._is_over) if self._gate is not None else ()

    def _stacks(self) -> tuple[ServiceResult, ...]:
        stacks = self._config.pluginmanager.get_plugin("kharness-stacks")
        found: tuple[ServiceResult, ...] = stacks.results() if stacks is not None else ()
        return found

    def _keeps(self, name: str) -> bool:
        option = self._config.option
        return bool(option.keep or (option.keep_failed and self._outcomes.failed(name)))

    def _crashed_item(self, report: pytest.TestReport) -> str | None:
        # A crash is reported by the controller itself, which knows no more of the test than its node id.
        if not report.failed or str(report.when) in {"setup", "call", "teardown"}:
            return None
        return self._info.places.get(report.nodeid) or None

    def _begin_removal(self) -> None:
        self._progress.stop()
        if self._pipeline is not None:
            for name, facts in self._pipeline.launched.items():
                if self._session is not None and self._keeps(name):
                    self._session.keep(facts.container)
            self._pipeline.close(wait=False)
        if self._session is not None and self._removal is None:
            self._removal = Removal(self._session, self._pipeline)
        self._info.board.remove()


def _terminating() -> tuple[signal.Signals, ...]:
    # A session started with nohup(1) outlives its terminal.
    hangup = (signal.SIGHUP,) if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL else ()
    return (signal.SIGTERM, *hangup)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    # Once is enough: cleaning up is not interrupted.
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt("terminated")
