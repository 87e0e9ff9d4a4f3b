"""What pytest knows of each container directory at the end of a session: how its tests ended, and what was selected."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from kharness.ops.gate.facts import Observed
from kharness.ops.session.pipeline import Pipeline
from kharness.plan.gate.refusals import GOOD, GateFacts, TestOutcome, add_report, short_name
from kharness.plan.session.modes import Mode
from kharness.plugin.context import host_of
from kharness.plugin.declared import declares
from kharness.plugin.selection import choices, narrowings
from kharness.plugin.stash import REPORT_ID, REPORT_NAME, SessionInfo
from kharness.settings.model import Settings


@dataclass
class Outcomes:
    """Outcomes by container and node id.

    `flaky` has how often a test was run again before it ended, `crashes` which workers crashed on a container's tests.
    """

    by_name: dict[str, dict[str, TestOutcome]] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    on_node: dict[str, set[str]] = field(default_factory=dict)
    flaky: dict[str, dict[str, int]] = field(default_factory=dict)
    retrying: set[str] = field(default_factory=set)
    crashes: dict[str, list[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def expect(self, names: Iterable[str]) -> None:
        """Count the tests that will run; a name once for each."""
        for name in names:
            self.left[name] = self.left.get(name, 0) + 1

    def add(self, report: pytest.TestReport, *, by: str = REPORT_NAME) -> str | None:
        """Add a report; returns the container whose last test it ended, if it did. `by` is what names its container."""
        name: str | None = getattr(report, by, None)
        if name is None:
            return None
        node = getattr(report, "node", None)
        if node is not None:
            self.on_node.setdefault(node.gateway.id, set()).add(name)
        self.seconds[name] = self.seconds.get(name, 0.0) + report.duration
        outcomes = self.by_name.setdefault(name, {})
        test = getattr(report, REPORT_ID, report.nodeid)
        if not _added(outcomes, test, report):
            again = self.flaky.setdefault(name, {})
            again[test] = again.get(test, 0) + 1
            # Only the last try's end is the test's.
            self.retrying.add(test)
        if report.when == "teardown" and test in self.retrying:
            self.retrying.discard(test)
        elif report.when == "teardown":
            self.left[name] = self.left.get(name, 0) - 1
            if self.left[name] == 0:
                return name
        return None

    def crashed(self, node: str, error: object) -> None:
        """Note the crash of a worker, for every container of which it ran tests."""
        for name in self.on_node.get(node, ()):
            self.crashes.setdefault(name, []).append(f"{node}: {error}")

    def needed_more_tries(self, name: str) -> tuple[str, ...]:
        """Return the tests that passed, but not at the first try: `test_web.py::test_it (2 tries)`."""
        ended = self.by_name.get(name, {})
        again = self.flaky.get(name, {})
        good = sorted(test for test in again if ended.get(test) in GOOD)
        return tuple(f"{short_name(test)} ({again[test] + 1} tries)" for test in good)

    def failed(self, name: str) -> bool:
        """Whether any test of it failed."""
        return any(
            outcome in {TestOutcome.FAILED, TestOutcome.ERROR} for outcome in self.by_name.get(name, {}).values()
        )


def _added(outcomes: dict[str, TestOutcome], test: str, report: pytest.TestReport) -> bool:
    wasxfail = getattr(report, "wasxfail", None)
    said = None if wasxfail is None else str(wasxfail)
    return add_report(outcomes, test, outcome=str(report.outcome), when=report.when, wasxfail=said)


def observe(
    config: pytest.Config,
    info: SessionInfo,
    settings: Mapping[str, Settings],
    outcomes: Outcomes,
    pipeline: Pipeline | None,
    *,
    kept: frozenset[str],
    stopped: str,
) -> Iterator[Observed]:
    """Return what was observed of each selected directory with good settings; `stopped` says what ended it early.

    `kept` are the names of the instances that stay.
    """
    mode, seen = info.selection.mode or Mode.STANDALONE, info.seen
    named = {directory.name for directory in info.selection.named}
    for directory in info.selection.directories:
        name = directory.name
        if name not in settings:
            continue
        partial = narrowings(config, os.environ, directory.path)
        known, built = info.unchanged.get(name), pipeline.built.get(name) if pipeline else None
        launched = pipeline.launched.get(name) if pipeline else None
        candidate, running = built.image.id if built else None, launched.image if launched else None
        seconds = pipeline.seconds.get(name, {}) if pipeline else {}
        if name in outcomes.seconds:
            seconds = {**seconds, "tests": outcomes.seconds[name]}
        facts = GateFacts(
            name=name,
            image=running if mode is Mode.IN_PROD else known or candidate,
            expected=seen.expected(name, mode),
            # A copy: the reports of the tests that verify a launch are replayed, and come after it.
            outcomes=dict(outcomes.by_name.get(name, {})),
            unrun=seen.unrun(name, mode, launch=bool(config.option.launch)),
            flaky=outcomes.needed_more_tries(name),
            collection_errors=tuple(seen.errors.get(name, ())),
            choices=choices(config),
            partial=(*partial, *([f"stopped: {stopped}"] if stopped else [])),
            crashes=tuple(outcomes.crashes.get(name, ())),
            launch_error=pipeline.errors.get(name) if pipeline else None,
            end=pipeline.end_of(name) if pipeline else "",
            known_good=known is not None,
        )
        yield Observed(
            directory=directory,
            settings=settings[name],
            facts=facts,
            collected=tuple(seen.tests.get(name, ())),
            in_production=sum(not item.check for item in seen.expected(name, Mode.IN_PROD)),
            patterns=tuple(map(str, config.getini("python_files"))),
            declares=declares(settings[name], host_of(config)),
            began=info.began.get(name),
            candidate=candidate,
            inputs=pipeline.inputs.get(name) if pipeline else None,
            bases=pipeline.bases.get(name) if pipeline else None,
            no_build=bool(config.option.no_build),
            named=name in named,
            seconds=seconds,
            kept=(launched.container,) if launched and launched.container in kept else (),
        )
