"""The gate's facts: before a session, which services it need not test; after it, what it observed of each."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kharness.errors import KharnessError
from kharness.host.project.test_files import files_of_tests, tests_of, unfound_files
from kharness.ops.gate.inputs import Inputs, changes_since, inputs_now, tests_digest
from kharness.ops.harness import Harness
from kharness.ops.project.identity import productions
from kharness.ops.release.rollback import was_released
from kharness.plan import labels
from kharness.plan.checks.catalog import checks_for
from kharness.plan.gate.refusals import Collected, GateFacts
from kharness.plan.session.modes import Mode
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import GateSettings, Settings

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
    found = with_files(
        seen.facts,
        seen.directory.path,
        collected=seen.collected,
        gates=(seen.settings.gate,),
        patterns=seen.patterns,
        declared=seen.directory.settings_file.name if seen.declares else "",
    )
    return replace(
        found,
        gone=gone_since_release(harness, seen.name, seen.tests),
        changes=_changes(harness, seen, mode=mode, candidates=candidates),
    )


def with_files(
    facts: GateFacts,
    folder: Path,
    *,
    collected: Iterable[Collected],
    gates: Sequence[GateSettings],
    patterns: Sequence[str],
    declared: str = "",
) -> GateFacts:
    """Return the facts with what test files there are, and what the settings excuse; `declared` is a file of items.

    What several `gates` excuse counts where all of them excuse it; what one of them refuses is refused.
    """
    found = tuple(collected)
    files = {test.file for test in found}
    known = {test.name.partition("[")[0] for test in found}
    paths = files_of_tests(folder, patterns) | unfound_files(folder, patterns)
    on_disk = {str(path.relative_to(folder)) for path in paths}
    return replace(
        facts,
        files=frozenset({*on_disk, declared} if declared else on_disk),
        other_mode=frozenset(files - {test.file for test in facts.expected}),
        uncollected=tuple(test for file in sorted(files) for test in tests_of(folder, file) if test not in known),
        exclude=frozenset.intersection(*(frozenset(gate.exclude) for gate in gates)) if gates else frozenset(),
        skips=frozenset.intersection(*(frozenset(gate.skips) for gate in gates)) if gates else frozenset(),
        refuse=frozenset(key for gate in gates for key in gate.refused),
        untested_ok=bool(gates) and all(gate.tests == "none" for gate in gates),
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


def find_unchanged(
    harness: Harness, directories: Iterable[ContainerDir], settings: Mapping[str, Settings], *, mode: Mode
) -> dict[str, str]:
    """Return the directories that passed with exactly their present inputs, with the image id that passed."""
    found = {}
    for directory in directories:
        if directory.name not in settings:
            continue
        now = inputs_now(harness, directory, settings[directory.name], mode=mode, candidates={})
        verdict = harness.state.verdict(directory.name, mode.value, now.key) if now else None
        if verdict and verdict.passed and harness.engine.image(verdict.image_id):
            found[directory.name] = verdict.image_id
    return found


def find_idle(
    harness: Harness, fleet: Iterable[ContainerDir], settings: Mapping[str, Settings]
) -> tuple[list[str], list[str]]:
    """Return the directories without a production container: never released, and released but not started by the host.

    Among the latter are bases, and containers that a user starts by hand now and then; named itself, each must run.
    """
    present = {each.labels[labels.NAME] for each in productions(harness)}
    absent = [each.name for each in fleet if each.name in settings and each.name not in present]
    unreleased = [name for name in absent if not was_released(harness, name)]
    return unreleased, [name for name in absent if name not in unreleased and settings[name].autostart is None]


def answers_for_host(
    harness: Harness, names: Iterable[str], settings: Mapping[str, Settings], *, out: Container[str]
) -> str:
    """Return the first directory that has checks of the host itself, which run once; empty without one.

    `out` are those that are not tested.
    """
    default = harness.host.policy
    return next(
        (
            name
            for name in names
            if name in settings
            and name not in out
            and any(check.of_host for check in checks_for(settings[name], default=default))
        ),
        "",
    )
