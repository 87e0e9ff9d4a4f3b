"""The result of a session: one frozen value, which the summary, JUnit, JSON, notifications and the caller read.

An exit status alone is no verdict: a test can end the process with 0, and a hook can set the status to 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from kharness.plan.gate.refusals import GOOD, GateFacts, TestOutcome, failures_in_production, remarks
from kharness.plan.release.operation import Ending, Released
from kharness.plan.session.modes import MEANINGS, Mode

NO_VERDICT = "its process ended with status 0 before the session had decided anything, so nothing was verified"
PASSED, FAILED, NO_TESTS = 0, 1, 5
"""pytest's exit statuses."""
DONE = {
    Ending.LAUNCHED: "upgraded",
    Ending.PROMOTED: "promoted",
    Ending.UNCHANGED: "unchanged: it was live already",
}
"""The releases that did what was asked for, and what they are reported as."""


class ServiceVerdict(StrEnum):
    """What a session found of a service."""

    PASSED = "passed"
    """Nothing forbids its promotion; in production, every test passed."""
    REFUSED = "refused"
    """Its reasons forbid promotion and launch."""
    FAILED = "failed"
    """A test or check failed in production."""
    UNTESTED = "untested"
    """No test of it ran in production."""
    BROKEN = "broken"
    """Its settings cannot be used, so nothing was built."""
    INTERRUPTED = "interrupted"
    """The session was interrupted before the release; production is what it was."""


GOOD_VERDICTS = {ServiceVerdict.PASSED, ServiceVerdict.UNTESTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceResult:
    """How a session ended for one service.

    `reasons` are those of the verdict; the summary shortens the one that a test has `reported`. `image` is the id that
    was tested, `live` says whether `:live` names it, `unchanged` that it passed in an earlier session with
    exactly these inputs. `tests`, `checks` and `verification` (the tests in production after a launch) are outcomes by
    node id. `seconds` is how long the build, the start (ready), the tests and the release took. `release` is None where
    nothing was tried. `remarks` are what tests showed that forbids nothing by itself, `kept` the names of the test
    instances that were left running. `images` are the ids by service where it is a Compose project, tested as one.
    """

    name: str
    verdict: ServiceVerdict
    reasons: tuple[str, ...] = ()
    image: str | None = None
    live: bool = False
    unchanged: bool = False
    tests: Mapping[str, TestOutcome] = field(default_factory=dict)
    checks: Mapping[str, TestOutcome] = field(default_factory=dict)
    verification: Mapping[str, TestOutcome] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    release: Released | None = None
    remarks: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    reported: str = ""
    images: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing was refused, undone or left out."""
        return self.verdict in GOOD_VERDICTS and (self.release is None or self.release.ok)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth a line in a summary."""
        return (*self.remarks, *(self.release.notes if self.release else ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofResult:
    """The proof that production is untouched: `directories` with so many `entries` are what they were.

    `how` is metadata or content; looking twice took so many `seconds`.
    """

    how: str
    directories: int
    entries: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionResult:
    """A session's end.

    `status` is the exit status that it decided. `version` is that of the JSON text: it grows when a field changes its
    meaning or goes, and not when one is added. `began` is in seconds since the epoch, `asked` promote, launch or "".
    `proof` is None where nothing of production could have been touched, or something was. `doubts` are what the
    session could not make sure of.
    """

    status: int
    version: Literal[1] = 1
    session: str = ""
    mode: str = ""
    asked: str = ""
    began: float = 0.0
    seconds: float = 0.0
    services: tuple[ServiceResult, ...] = ()
    proof: ProofResult | None = None
    doubts: tuple[str, ...] = ()

    def of(self, name: str) -> ServiceResult | None:
        """Return the result of one service."""
        return next((each for each in self.services if each.name == name), None)

    def to_json(self) -> str:
        """Return the text that `from_json` reads."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> SessionResult | None:
        """Read a result; None where the text is not a whole one, or is of another version."""
        try:
            return TypeAdapter(cls).validate_json(text)
        except ValidationError:
            return None


def result_schema() -> dict[str, Any]:
    """Return the JSON schema of `SessionResult.to_json`."""
    schema = TypeAdapter(SessionResult).json_schema(mode="serialization")
    for part in (schema, *schema["$defs"].values()):
        if "properties" in part:
            part["required"] = [*part["properties"]]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionVerdict:
    """What is reported of a session that ran as a process of its own; `status` is 0 only where it succeeded."""

    status: int
    text: str
    notes: tuple[str, ...] = ()


def readiness_result(
    facts: GateFacts, reasons: tuple[str, ...], *, release: Released | None = None, seconds: Mapping[str, float]
) -> ServiceResult:
    """Return the result of a service whose test instance was tested."""
    return ServiceResult(
        name=facts.name,
        verdict=ServiceVerdict.REFUSED if reasons else ServiceVerdict.PASSED,
        reasons=reasons,
        image=facts.image,
        unchanged=facts.known_good,
        tests=facts.tests,
        checks={nodeid: end for nodeid, end in facts.outcomes.items() if nodeid not in facts.tests},
        seconds=seconds,
        release=release,
        remarks=tuple(remarks(facts).values()),
        # The first test that ran into it has reported all of it.
        reported=facts.launch_error or "" if facts.outcomes else "",
    )


def production_result(facts: GateFacts, *, seconds: Mapping[str, float]) -> ServiceResult:
    """Return the result of a service that was tested in production."""
    reasons = failures_in_production(facts)
    verdict = ServiceVerdict.FAILED if reasons else ServiceVerdict.PASSED
    if not reasons and GOOD.isdisjoint(facts.outcomes.values()):
        verdict = ServiceVerdict.UNTESTED
    found = readiness_result(facts, reasons, seconds=seconds)
    return replace(found, verdict=verdict, remarks=())


def project_result(
    facts: GateFacts, reasons: tuple[str, ...], images: Mapping[str, str], *, mode: Mode, seconds: Mapping[str, float]
) -> ServiceResult:
    """Return the result of a Compose project, which is tested as one; its tests are those of all services."""
    if mode is Mode.IN_PROD:
        found = production_result(facts, seconds=seconds)
    else:
        found = readiness_result(facts, reasons, seconds=seconds)
    return replace(found, image=None, images=images)


def broken_result(name: str, problems: str) -> ServiceResult:
    """Return the result of a service whose settings cannot be used."""
    return ServiceResult(name=name, verdict=ServiceVerdict.BROKEN, reasons=tuple(problems.splitlines()))


def unfinished(services: Iterable[ServiceResult]) -> tuple[ServiceResult, ...]:
    """Return the results of a session that was interrupted: what had passed and was not released is not done."""
    return tuple(
        replace(each, verdict=ServiceVerdict.INTERRUPTED)
        if each.verdict is ServiceVerdict.PASSED and each.release is None
        else each
        for each in services
    )


def decided_status(status: int, *, bad: bool, unchanged: bool) -> int:
    """Return the exit status of a session: pytest's, unless something was refused or nothing had to be tested.

    `bad`: something was refused or undone. `unchanged`: a service passed earlier with exactly these inputs.
    """
    if bad and status in {PASSED, NO_TESTS}:
        return FAILED
    return PASSED if status == NO_TESTS and unchanged else status


def judge(name: str, status: int, result: SessionResult | None, *, launch: bool) -> SessionVerdict:
    """Return the verdict on a session over the service `name`.

    `status` is its process's exit status, `result` what it wrote, None where it wrote nothing. Where a `launch` was
    asked for, the release must be among its results.
    """
    if status == 0 and result is not None:
        status = result.status
    found = result.of(name) if result is not None else None
    notes = found.notes if found is not None else ()
    if status != 0:
        return SessionVerdict(status=status, text=MEANINGS.get(status, f"it ended with status {status}"), notes=notes)
    if result is None:
        return SessionVerdict(status=1, text=NO_VERDICT)
    if not launch:
        return SessionVerdict(status=0, text=ServiceVerdict.PASSED.value, notes=notes)
    if found is None or not found.ok or found.release is None:
        return SessionVerdict(status=1, text="nothing was released", notes=notes)
    return SessionVerdict(status=0, text=DONE[found.release.kind], notes=notes)
