"""The end of a session: judge each service, record what passed, promote and launch what may be, and say how it went."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from kharness.errors import KharnessError
from kharness.host.project.test_files import commit_of
from kharness.host.state.state import Verdict
from kharness.ops.gate.facts import Observed, complete, remember_passed, remember_released
from kharness.ops.harness import Harness
from kharness.ops.image.build import bases_of, is_base
from kharness.ops.launch.subject import production_subject, why_stays_down
from kharness.ops.release.ledger import notify
from kharness.ops.release.release import launch, promote
from kharness.ops.release.verification import run_in_production
from kharness.ops.session.pytests import ChildResult
from kharness.plan.gate.refusals import GateFacts, TestOutcome, remarks
from kharness.plan.gate.releases import Candidate, PlannedRelease, held_back, judge_services, passed, plan_releases
from kharness.plan.gate.result import (
    ServiceResult,
    broken_result,
    production_result,
    readiness_result,
    unfinished,
)
from kharness.plan.release.operation import Ending, Provenance, Released
from kharness.plan.session.modes import Mode


@dataclass(kw_only=True)
class _Case:
    """A service, and what was decided and done about it so far."""

    seen: Observed
    facts: GateFacts
    bases: frozenset[str] = frozenset()
    reasons: tuple[str, ...] = ()
    released: Released | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    verification: Mapping[str, TestOutcome] = field(default_factory=dict)
    live: bool = False
    failed: bool = False
    """Whether a service that needs it, or is built on it, must not be released."""


@dataclass(kw_only=True)
class Gate:
    """Decides for the services of one session.

    `run` runs the pytest session that verifies a launch, as a process of its own; `replay` gets its records, and `show`
    is called where progress may be printed. `broken` has the problems of settings that cannot be used.
    """

    harness: Harness
    session: str
    mode: Mode
    promote: bool = False
    launch: bool = False
    run: Callable[..., ChildResult]
    replay: Callable[[Iterable[dict[str, Any]]], None]
    show: Callable[[], None]
    broken: Mapping[str, str] = field(default_factory=dict)
    _cases: dict[str, _Case] = field(default_factory=dict, init=False)

    def decide(self, seen: Iterable[Observed], *, unproved: Mapping[str, tuple[str, ...]]) -> bool:
        """Decide and act; returns whether anything that was asked for was refused or undone.

        `unproved` has the reasons of the services whose tests did not leave production untouched.
        """
        cases = self._cases = {each.name: _Case(seen=each, facts=each.facts) for each in seen}
        if self.mode is Mode.IN_PROD:
            return False
        self._complete()
        facts = {name: case.facts for name, case in cases.items()}
        judged = judge_services(facts, {name: case.bases for name, case in cases.items()}, unproved=unproved)
        for name, reasons in judged.items():
            cases[name].reasons = reasons
        self._record()
        asked = self.promote or self.launch
        for release in plan_releases([self._candidate(cases[name]) for name in judged if asked], launch=self.launch):
            self._release(release)
        self._find_live()
        return asked and any(not each.ok or each.release is None for each in self.results())

    def results(self, *, interrupted: bool = False) -> tuple[ServiceResult, ...]:
        """Return how it went for each service, by name; `interrupted`: the decision did not come to its end."""
        found = map(self._result, self._cases.values())
        broken = (broken_result(name, problems) for name, problems in self.broken.items())
        services = (*(unfinished(found) if interrupted else found), *broken)
        return tuple(sorted(services, key=lambda each: each.name))

    def _result(self, case: _Case) -> ServiceResult:
        seconds = {**case.seen.seconds, **case.seconds}
        if self.mode is Mode.IN_PROD:
            return production_result(case.facts, seconds=seconds)
        found = readiness_result(case.facts, case.reasons, release=case.released, seconds=seconds)
        live = case.live or (case.released is not None and case.released.ok)
        return replace(found, live=live, verification=case.verification, kept=case.seen.kept)

    def _complete(self) -> None:
        built = {name: case.seen.candidate for name, case in self._cases.items() if case.seen.candidate}
        for case in self._cases.values():
            case.bases = self._bases(case.seen)
            candidates = {base: built[base] for base in case.bases if base in built}
            case.facts = complete(self.harness, case.seen, mode=self.mode, candidates=candidates)

    def _bases(self, seen: Observed) -> frozenset[str]:
        if seen.bases is not None:
            return seen.bases
        try:
            return bases_of(self.harness, seen.directory, seen.settings)
        except KharnessError:
            return frozenset()

    def _record(self) -> None:
        verdicts = [verdict for case in self._cases.values() if (verdict := self._verdict(case)) is not None]
        self.harness.state.record_verdicts(verdicts)
        tests = {verdict.name: self._cases[verdict.name].seen.tests for verdict in verdicts if verdict.passed}
        remember_passed(self.harness, self.session, tests)

    def _verdict(self, case: _Case) -> Verdict | None:
        facts, inputs = case.facts, case.seen.inputs
        good = passed(facts, case.reasons)
        if good is None or inputs is None or facts.image is None:
            return None
        return Verdict(
            name=facts.name,
            mode=self.mode.value,
            inputs=inputs.key,
            image_id=facts.image,
            outcome="passed" if good else "failed",
            tests=len(facts.tests),
            at=time.time(),
            session=self.session,
        )

    def _find_live(self) -> None:
        with suppress(KharnessError):  # nothing is decided by it
            for name, case in self._cases.items():
                image = self.harness.engine.image(self.harness.tags(name).live)
                case.live = image is not None and image.id == case.facts.image

    def _candidate(self, case: _Case) -> Candidate:
        seen, autostart = case.seen, case.seen.settings.autostart
        fleet = {name: other.seen.settings for name, other in self._cases.items()}
        return Candidate(
            name=seen.name,
            bases=case.bases,
            needs=tuple(seen.settings.depends_on),
            wave=autostart.wave if autostart else None,
            only_base=is_base(self.harness, seen.name, fleet),
            named=seen.named,
            down=str(why) if self.launch and (why := why_stays_down(self.harness, seen.name)) else None,
        )

    def _release(self, release: PlannedRelease) -> None:
        name, case = release.name, self._cases[release.name]
        image = case.facts.image
        held = held_back(release, [other for other, each in self._cases.items() if each.failed])
        case.reasons, case.failed = (*case.reasons, *held), bool(held)
        if case.reasons or image is None:
            notify(self.harness, Released(name=name, kind=Ending.REFUSED, reasons=case.reasons, image=image or ""))
            return
        began = time.monotonic()
        try:
            evidence = self._evidence(case)
            if release.launch:
                done = self._launch(case, image, evidence)
            else:
                done = promote(self.harness, name, image, evidence)
        except KharnessError as error:
            done = Released(name=name, kind=Ending.REFUSED, reasons=(str(error),), image=image)
            notify(self.harness, done)
        case.released, case.failed, case.seconds["release"] = done, not done.ok, time.monotonic() - began
        if done.ok:
            remember_released(self.harness, name, case.seen.tests)
            if release.note:
                self.harness.report(name, release.note)
        self.show()

    def _launch(self, case: _Case, image: str, evidence: Provenance) -> Released:
        seen, skips = case.seen, case.seen.settings.gate.skips
        facts = self.harness.engine.image(image)
        if facts is None:
            raise KharnessError(f"{seen.name}: the tested image {image} is gone")
        subject = production_subject(self.harness, seen.directory, seen.settings, facts)

        def verify() -> tuple[str, ...]:
            self.show()
            if not seen.in_production:
                return ()
            found = run_in_production(
                self.run, seen.directory, expected=seen.in_production, skips=skips, replay=self.replay
            )
            case.verification = found.outcomes
            return found.reasons

        return launch(self.harness, subject, evidence, in_prod_tests=seen.in_production, verify=verify)

    def _evidence(self, case: _Case) -> Provenance:
        return Provenance(
            session=self.session,
            tests=len(case.facts.tests),
            digest=case.seen.inputs.image if case.seen.inputs else "",
            commit=commit_of(case.seen.directory.path),
            remarks=tuple(remarks(case.facts).values()),
        )
