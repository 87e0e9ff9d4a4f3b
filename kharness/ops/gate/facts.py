"""The gate's facts about a service: what a session observed, the files on disk, and the tests of earlier sessions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from kharness.errors import KharnessError
from kharness.host.project.test_files import files_of_tests, tests_of, unfound_files
from kharness.ops.gate.inputs import Inputs, changes_since, inputs_now, tests_digest
from kharness.ops.harness import Harness
from kharness.plan.gate.refusals import Collected, GateFacts
from kharness.plan.session.modes import Mode
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import Settings

PASSED, RELEASED = "tests passed ", "tests released "
"""What the names of facts begin with; the rest is the container directory's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What a session observed of one service, as plain values.

    `facts` are the gate's as far as pytest and the pipeline know them. `collected` are all its tests and checks, in
    every mode; `in_production` counts the tests marked in_prod, `patterns` are those of test files,
    `declares` says whether its settings have items of their own. `began` is the digest of settings and tests when the
    session began. `inputs` and `bases` are None where the build did not come to that; `candidate` is the image that was
    built, `no_build` says that it was not built from the sources now. `named`: the user named this directory alone.
    """

    directory: ContainerDir
    settings: Settings
    facts: GateFacts
    collected: tuple[Collected, ...] = ()
    in_production: int = 0
    patterns: tuple[str, ...] = ()
    declares: bool = False
    began: str | None = None
    candidate: str | None = None
    inputs: Inputs | None = None
    bases: frozenset[str] | None = None
    no_build: bool = False
    named: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict)
    kept: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of its directory."""
        return self.directory.name

    @property
    def tests(self) -> frozenset[str]:
        """The names of all its tests, in every mode."""
        return frozenset(test.name for test in self.collected if not test.check)


def complete(harness: Harness, seen: Observed, *, mode: Mode, candidates: Mapping[str, str]) -> GateFacts:
    """Return the facts with those from disk, settings and earlier sessions; `candidates` are bases of this session."""
    gate, path = seen.settings.gate, seen.directory.path
    files = {test.file for test in seen.collected}
    collected = {test.name.partition("[")[0] for test in seen.collected}
    return replace(
        seen.facts,
        files=_files(seen),
        other_mode=frozenset(files - {test.file for test in seen.facts.expected}),
        uncollected=tuple(test for file in sorted(files) for test in tests_of(path, file) if test not in collected),
        gone=gone_since_release(harness, seen.name, seen.tests),
        changes=_changes(harness, seen, mode=mode, candidates=candidates),
        exclude=frozenset(gate.exclude),
        skips=frozenset(gate.skips),
        refuse=gate.refused,
    )


def remember_passed(harness: Harness, session: str, tests: Mapping[str, Iterable[str]]) -> None:
    """Remember the tests of the directories that passed in a session, for a promotion that comes later."""
    said = {name: json.dumps({"session": session, "tests": sorted(found)}) for name, found in tests.items()}
    harness.state.set_facts({f"{PASSED}{name}": text for name, text in said.items()})


def remember_released(harness: Harness, name: str, tests: Iterable[str]) -> None:
    """Remember the tests that a directory had when it was released."""
    harness.state.set_fact(f"{RELEASED}{name}", json.dumps(sorted(tests)))


def tests_of_session(harness: Harness, name: str, session: str) -> tuple[str, ...] | None:
    """Return the tests that a directory had in the last session that it passed, if that is this session."""
    said = json.loads(harness.state.fact(f"{PASSED}{name}") or "{}")
    return tuple(said["tests"]) if said and said["session"] == session else None


def gone_since_release(harness: Harness, name: str, tests: Iterable[str]) -> tuple[str, ...]:
    """Return the tests of the last release that are not among these; none before the first release."""
    before = json.loads(harness.state.fact(f"{RELEASED}{name}") or "[]")
    return tuple(sorted(set(before) - set(tests)))


def _files(seen: Observed) -> frozenset[str]:
    directory = seen.directory
    paths = files_of_tests(directory.path, seen.patterns) | unfound_files(directory.path, seen.patterns)
    found = {str(path.relative_to(directory.path)) for path in paths}
    return frozenset({*found, directory.settings_file.name} if seen.declares else found)


def _changes(harness: Harness, seen: Observed, *, mode: Mode, candidates: Mapping[str, str]) -> tuple[str, ...]:
    try:
        same = tests_digest(seen.directory) == seen.began
    except KharnessError:
        same = False
    if not same:
        return ("settings or tests changed after the session began",)
    # With --no-build, :latest need not be built from these sources.
    if seen.facts.known_good or seen.inputs is None or seen.no_build:
        return ()
    now = inputs_now(harness, seen.directory, seen.settings, mode=mode, candidates=dict(candidates))
    return changes_since(seen.inputs, now)
