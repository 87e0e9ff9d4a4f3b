"""The controller: validates, launches in the background, hears every report, decides at the end, cleans up."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Generator, Iterable
from contextlib import suppress
from types import FrameType
from typing import Any

import pytest

from kharness.errors import HostError, KharnessError, LaunchError, SettingsError
from kharness.ops.inputs import inputs_now, tests_digest
from kharness.ops.policy import refuse_host_waivers
from kharness.ops.reap import reap
from kharness.ops.recover import recover
from kharness.ops.session import TestSession
from kharness.plan.modes import Mode
from kharness.plugin.board import COLLECTED, REFUSED
from kharness.plugin.child import DEPTH, Children, failures
from kharness.plugin.decide import Decider
from kharness.plugin.hosting import host_of
from kharness.plugin.opening import harness_of
from kharness.plugin.outcomes import Outcomes
from kharness.plugin.pipeline import Order, Pipeline
from kharness.plugin.progress import Progress
from kharness.plugin.proof import Proving
from kharness.plugin.removal import Removal
from kharness.plugin.scheduling import scheduling
from kharness.plugin.stash import NAME, SessionInfo
from kharness.plugin.summary import summarize
from kharness.plugin.validate import read_settings
from kharness.settings.catalog import ContainerDir
from kharness.settings.laid import Source

DEEPEST = 8


class Controller:
    """Registered in the process that the user started, when a mode is set."""

    def __init__(self, config: pytest.Config, info: SessionInfo, mode: Mode) -> None:
        self._config = config
        self._info = info
        self._mode = mode
        self._progress = Progress(config)
        self._children = Children(config)
        self._proving = Proving(config, mode)
        self._outcomes = Outcomes()
        self._crashes: dict[str, list[str]] = {}
        self._pipeline: Pipeline | None = None
        self._session: TestSession | None = None
        self._decider: Decider | None = None
        self._removal: Removal | None = None
        self._interrupted = False
        self._lost_worker = False
        self._before: dict[signal.Signals, Any] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Read all settings, find the engine, and remove what dead sessions left: before anything is collected."""
        selection = self._info.selection
        # Before anything is read: a change during a long build is a change, too.
        for directory in () if selection.listing else selection.directories:
            with suppress(HostError):
                self._info.began[directory.name] = tests_digest(directory)
        self._settings, self._info.broken = read_settings(selection, below=self._defaults())
        if selection.listing:
            return
        if int(os.environ.get(DEPTH, "0")) > DEEPEST:
            raise pytest.UsageError("sessions start each other in a circle; look at what depends on what")
        try:
            self._harness = harness_of(self._config, self._progress.report)
            refuse_host_waivers(self._harness.host)
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
        if self._config.option.if_changed:
            self._find_unchanged()
        if self._mode is Mode.IN_PROD:
            self._find_idle()
        # A terminated session cleans up like an interrupted one.
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, _interrupt) for number in _terminating()}

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker what it must know."""
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
            for name in self._outcomes.on_node.get(node.gateway.id, ()):
                self._crashes.setdefault(name, []).append(f"{node.gateway.id}: {error}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Wait for a test's container where nothing is captured, so that a person sees what happens."""
        name = item.stash.get(NAME, "")
        if self._pipeline is not None and self._pipeline.expects(name) and self._info.board.look(name) is None:
            self._info.board.wait(name, meanwhile=self._progress.drain)
        self._progress.drain(animate=False)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note an outcome, and let an instance go after its last test."""
        name = self._outcomes.add(report)
        if name is None and (lost := self._crashed_item(report)) is not None:
            self._crashes.setdefault(lost, []).append(f"while it ran {report.nodeid}")
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
            self._begin_removal()
            if interrupted and exitstatus == pytest.ExitCode.OK and self._asked:
                # A test may end the session, but not say that what was asked for was done.
                session.exitstatus = pytest.ExitCode.INTERRUPTED
            if self._session is not None and not interrupted and not self._info.selection.listing:
                self._decide(session, exitstatus)
        except KeyboardInterrupt:
            # pytest takes an interrupt here for an error of its own, and would take nothing down.
            session.exitstatus = pytest.ExitCode.INTERRUPTED
            self._interrupted = True
            if self._decider is not None:
                self._decider.interrupted = True
        finally:
            self._begin_removal()

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Tell a person's interrupt from those of pytest and its workers, after errors in collection or with -x."""
        own = issubclass(excinfo.type, pytest.Session.Interrupted) or excinfo.type.__module__.startswith("xdist.")
        self._interrupted = not own or "keyboard-interrupt" in str(excinfo.value)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say how each container fared."""
        if self._session is not None and self._decider is not None:
            summarize(terminalreporter, self._decider, self._session)
            self._proving.tell(terminalreporter)

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
        # What such a worker had launched for one test alone has nobody else who removes it.
        return self._lost_worker or (self._interrupted and bool(self._config.getoption("numprocesses", default=0)))

    def _defaults(self) -> tuple[Source, ...]:
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
        if not known or self._session is None or option.collectonly or option.setupplan:
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
            self._harness, self._session, self._info.board, order, first_release=self._release_first
        )
        self._pipeline.start()

    def _release_first(self, directory: ContainerDir) -> None:
        flag = "--prod-ready" if self._mode is Mode.PROD_READY else "--ready"
        progress = self._harness.details(directory.name)
        result = self._children.run(directory.path, flag, "--promote", *self._proving.flags, progress=progress)
        if result.status != 0:
            raise LaunchError(f"{directory.name}: its first release failed:\n{failures(self._config, result)}")

    def _find_unchanged(self) -> None:
        for directory in self._info.selection.directories:
            settings = self._settings.get(directory.name)
            if settings is None:
                continue
            now = inputs_now(self._harness, directory, settings, mode=self._mode, candidates={})
            verdict = self._harness.state.verdict(directory.name, self._mode.value, now.key) if now else None
            if verdict and verdict.outcome == "passed" and self._harness.engine.image(verdict.image_id):
                self._info.unchanged[directory.name] = verdict.image_id

    def _find_idle(self) -> None:
        # A base, or a container that somebody starts by hand now and then: named itself, it must run.
        present = {each.name for each in self._harness.engine.containers()}
        for directory in self._info.selection.fleet:
            settings = self._settings.get(directory.name)
            if settings is not None and settings.autostart is None:
                wanted = settings.container_name or directory.name
                if wanted not in present:
                    self._info.idle.append(directory.name)

    def _decide(self, session: pytest.Session, exitstatus: int) -> None:
        assert self._session is not None  # noqa: S101 - the caller looked
        self._proving.take(self._removal)
        self._decider = Decider(
            config=self._config,
            harness=self._harness,
            info=self._info,
            mode=self._mode,
            settings=self._settings,
            pipeline=self._pipeline,
            outcomes=self._outcomes,
            crashes=self._crashes,
            progress=self._progress,
            children=self._children,
            proof=self._proving.proof,
        )
        bad = self._decider.decide(stopped=str(session.shouldstop or session.shouldfail or ""))
        bad = bad or bool(self._proving.proof.failures)
        self._progress.drain(animate=False)
        nothing = exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED
        if nothing and self._info.unchanged and not bad:
            session.exitstatus = pytest.ExitCode.OK
        elif bad and (nothing or exitstatus == pytest.ExitCode.OK):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @property
    def _asked(self) -> bool:
        return bool(self._config.option.promote or self._config.option.launch)

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
