"""At the end of a session: gather the gate's facts, record the verdict, promote and launch what may be."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from kharness.errors import KharnessError
from kharness.host.commit import commit_of
from kharness.host.state import Verdict
from kharness.host.testfiles import files_of_tests
from kharness.ops.build import bases_of, is_base
from kharness.ops.harness import Harness
from kharness.ops.inputs import changes_since, inputs_now, tests_digest
from kharness.ops.notify import notify
from kharness.ops.release import launch, promote
from kharness.ops.subject import production_subject
from kharness.plan.gate import GateFacts, doubts_in_production, refusals, refused_bases
from kharness.plan.modes import Mode
from kharness.plan.operation import Evidence, Released
from kharness.plan.order import build_order
from kharness.plan.proof import Proof
from kharness.plugin.child import Children, replay, reports_of
from kharness.plugin.declared import declares
from kharness.plugin.outcomes import Outcomes
from kharness.plugin.partial import narrowings
from kharness.plugin.pipeline import Pipeline
from kharness.plugin.progress import Progress
from kharness.plugin.stash import SessionInfo
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import Settings

HEADING = "in-prod"
LAST_WAVE = 1_000_000


@dataclass
class Decider:
    """Decides for each container directory of a session."""

    config: pytest.Config
    harness: Harness
    info: SessionInfo
    mode: Mode
    settings: Mapping[str, Settings]
    pipeline: Pipeline | None
    outcomes: Outcomes
    crashes: Mapping[str, list[str]]
    progress: Progress
    children: Children
    proof: Proof
    facts: dict[str, GateFacts] = field(default_factory=dict)
    reasons: dict[str, tuple[str, ...]] = field(default_factory=dict)
    released: dict[str, Released] = field(default_factory=dict)
    live: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False

    def decide(self, *, stopped: str) -> bool:
        """Decide and act; returns whether anything that was asked for was refused or undone."""
        if self.mode is Mode.IN_PROD:
            return False
        directories = self.info.selection.directories
        for directory in directories:
            if directory.name in self.settings:
                self.facts[directory.name] = self._facts(directory, stopped)
        bases = {name: self._bases(name) for name in self.facts}
        order = [name for name in build_order({name: bases[name] & bases.keys() for name in bases}) if name in bases]
        for name in order:
            follows = refused_bases(name, bases, [base for base, why in self.reasons.items() if why])
            self.reasons[name] = (*refusals(self.facts[name]), *follows, *self.proof.failures.get(name, ()))
        self.harness.state.record_verdicts(filter(None, map(self._verdict, order)))
        option = self.config.option
        if not (option.promote or option.launch):
            self.live = self._live(order)
            return False
        # Asked once for each: the answer reads the Dockerfiles of the whole fleet.
        alone = {name for name in order if is_base(self.harness, name, self.settings)}
        # Bases have no wave and come first: what is built on them is promoted only if they are.
        for name in sorted(order, key=lambda name: -1 if name in alone else self._wave(name)):
            self._release(name, is_base=name in alone or any(name in bases[other] for other in bases))
        refused = any(self.reasons.values()) or bool(self.info.broken)
        return refused or any(not released.ok for released in self.released.values())

    def _live(self, names: list[str]) -> dict[str, str]:
        try:
            found = {name: self.harness.engine.image(self.harness.tags(name).live) for name in names}
        except KharnessError:
            return {}  # only the summary's wording hangs on it
        return {name: image.id for name, image in found.items() if image is not None}

    def _facts(self, directory: ContainerDir, stopped: str) -> GateFacts:
        name = directory.name
        seen = self.info.seen
        known = self.info.unchanged.get(name)
        built = self.pipeline.built.get(name) if self.pipeline else None
        patterns = [str(pattern) for pattern in self.config.getini("python_files")]
        expected = seen.expected(name, self.mode)
        files = {test.file for test in seen.tests.get(name, ())}
        gate = self.settings[name].gate
        partial = narrowings(self.config, os.environ, directory.path)
        return GateFacts(
            name=name,
            image=known or (built.image.id if built else None),
            files=self._files(directory, patterns),
            expected=expected,
            other_mode=frozenset(files - {test.file for test in expected}),
            outcomes=self.outcomes.by_name.get(name, {}),
            collection_errors=tuple(seen.errors.get(name, ())),
            partial=(*partial, *([f"stopped: {stopped}"] if stopped else [])),
            crashes=tuple(self.crashes.get(name, ())),
            changes=self._changes(directory, known=known is not None),
            launch_error=self.pipeline.errors.get(name) if self.pipeline else None,
            exclude=frozenset(gate.exclude),
            skips=frozenset(gate.skips),
            known_good=known is not None,
        )

    def _files(self, directory: ContainerDir, patterns: list[str]) -> frozenset[str]:
        found = {str(path.relative_to(directory.path)) for path in files_of_tests(directory.path, patterns)}
        if declares(self.settings[directory.name], self.harness.host):
            found.add(directory.settings_file.name)
        return frozenset(found)

    def _changes(self, directory: ContainerDir, *, known: bool) -> tuple[str, ...]:
        try:
            same = tests_digest(directory) == self.info.began.get(directory.name)
        except KharnessError:
            same = False
        if not same:
            return ("settings or tests changed after the session began",)
        if known:
            return ()
        before = self.pipeline.inputs.get(directory.name) if self.pipeline else None
        if before is None or self.pipeline is None:
            return ()
        if self.config.option.no_build:
            # What :latest was built from is not said to be what lies in the sources.
            return ()
        bases = self._bases(directory.name)
        candidates = {base: self.pipeline.built[base].image.id for base in bases if base in self.pipeline.built}
        settings = self.settings[directory.name]
        now = inputs_now(self.harness, directory, settings, mode=self.mode, candidates=candidates)
        return changes_since(before, now)

    def _verdict(self, name: str) -> Verdict | None:
        facts, reasons = self.facts[name], self.reasons[name]
        inputs = self.pipeline.inputs.get(name) if self.pipeline else None
        if facts.known_good or inputs is None or facts.image is None or not facts.outcomes:
            return None
        if reasons and not self.outcomes.failed(name):
            return None  # nothing failed, but not everything ran: no verdict either way
        return Verdict(
            name=name,
            mode=self.mode.value,
            inputs=inputs.key,
            image_id=facts.image,
            outcome="failed" if reasons else "passed",
            tests=len(facts.tests),
            at=time.time(),
            session=self.info.session,
        )

    def _release(self, name: str, *, is_base: bool) -> None:
        facts = self.facts[name]
        needs = [*self._bases(name), *self.settings[name].depends_on]
        failed = [other for other in needs if other in self.released and not self.released[other].ok]
        if failed:
            self.reasons[name] = (*self.reasons[name], f"{', '.join(failed)}, which it needs, was refused or undone")
        if self.reasons[name] or facts.image is None:
            notify(self.harness, self._refused(name, self.reasons[name]))
            return
        evidence = Evidence(
            session=self.info.session,
            tests=len(facts.tests),
            digest=self.pipeline.inputs[name].image if self.pipeline and name in self.pipeline.inputs else "",
            commit=commit_of(self._directory(name).path),
            flaky=self.outcomes.needed_more_tries(name),
        )
        try:
            if self.config.option.launch and not is_base:
                self.released[name] = self._launch(name, facts.image, evidence)
            else:
                self.released[name] = promote(self.harness, name, facts.image, evidence)
                if self.config.option.launch:
                    self.progress.report(
                        name, "a base that others are built on, without autostart: promoted, not launched"
                    )
        except KharnessError as error:
            self.released[name] = self._refused(name, (str(error),))
            notify(self.harness, self.released[name])
        self.progress.drain(animate=False)

    def _refused(self, name: str, reasons: tuple[str, ...]) -> Released:
        return Released(name=name, kind="refused", reasons=reasons, image=self.facts[name].image or "")

    def _launch(self, name: str, image: str, evidence: Evidence) -> Released:
        directory = self._directory(name)
        found = self.harness.engine.image(image)
        if found is None:
            raise KharnessError(f"{name}: the tested image {image} is gone")
        subject = production_subject(self.harness, directory, self.settings[name], found)
        tests = sum(not item.check for item in self.info.seen.expected(name, Mode.IN_PROD))

        def verify() -> tuple[str, ...]:
            self.progress.drain(animate=False)
            if not tests:
                return ()
            result = self.children.run(directory.path, "--in-prod", "--kharness-tests-alone")
            failed = replay(self.config, result.reports, heading=HEADING)
            if failed:
                return tuple(f"{nodeid} failed in production" for nodeid in failed)
            if result.status != 0:
                return (f"the in-production tests ended with status {result.status}:\n{result.tail}",)
            ended = Outcomes()
            for report in reports_of(self.config, result.reports):
                ended.add(report)
            skips = self.settings[name].gate.skips
            return doubts_in_production(ended.by_name.get(name, {}), expected=tests, skips=skips)

        return launch(self.harness, subject, evidence, in_prod_tests=tests, verify=verify)

    def _bases(self, name: str) -> frozenset[str]:
        if self.pipeline is not None and name in self.pipeline.bases:
            return self.pipeline.bases[name]
        try:
            return bases_of(self.harness, self._directory(name), self.settings[name])
        except KharnessError:
            return frozenset()

    def _directory(self, name: str) -> ContainerDir:
        found = self.harness.catalog.get(name)
        if found is None:
            raise KharnessError(f"{name}: its directory is gone")
        return found

    def _wave(self, name: str) -> int:
        autostart = self.settings[name].autostart
        return autostart.wave if autostart else LAST_WAVE
