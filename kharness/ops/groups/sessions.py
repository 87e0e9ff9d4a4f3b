"""Test all container directories, or upgrade all that are in use."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from functools import partial

from kharness.errors import KharnessError
from kharness.host.testfiles import files_of_tests
from kharness.ops.build import bases_of
from kharness.ops.fleet import Group
from kharness.ops.groups.fleet import Fleet
from kharness.ops.present import present
from kharness.ops.pytests import session_of
from kharness.plan.fleet import Hold, plan_course
from kharness.plan.session import ALONE, IN_PROD, MEANINGS

TEST_TIMEOUT, UPGRADE_TIMEOUT = 1800.0, 3600.0
NO_TESTS = "is left out: it has neither tests nor expectations"
NOT_THERE = "has no container in production"
NOT_IN_USE = "is a draft: nothing of it is live, it does not start with this host, and nothing is built on it"


def all_tests(fleet: Fleet, flags: Sequence[str], *, timeout: float | None = None) -> Group:
    """Return the group of all that have tests, bases before what is built on them; flags as `session_flags` has them.

    What is built on a base that failed is held back. Raises `EngineError`.
    """
    left_out = {name: NO_TESTS for name in fleet.settings if not _has_tests(fleet, name)}
    if IN_PROD in flags:
        left_out |= {name: NOT_THERE for name in fleet.settings if present(fleet.harness, name) is None}
    names = [name for name in fleet.settings if name not in left_out]
    return Group(
        command="test-all",
        course=plan_course(dict.fromkeys(names), {name: bases(fleet, name) for name in names}, broken=fleet.broken),
        hold=Hold.NEEDS,
        timeout=timeout or TEST_TIMEOUT,
        work=lambda name, _: _session(fleet, name, flags),
        would=partial(_would, fleet, flags=flags),
        meanings=MEANINGS,
        left_out=left_out,
    )


def all_upgrades(
    fleet: Fleet, flags: Sequence[str], *, keep_going: bool = False, timeout: float | None = None
) -> Group:
    """Return the group of all that are in use, wave by wave, and the bases that they need before them.

    In use is what has something live, or starts with this host. Raises `EngineError`.
    """
    needed = {name: bases(fleet, name) for name in fleet.settings}
    waves = fleet.starting()
    used = _with_bases({*waves, *_live(fleet)}, needed)
    names = [name for name in used if _has_tests(fleet, name)]
    dependencies = fleet.dependencies()
    return Group(
        command="upgrade-all",
        course=plan_course(
            {name: waves.get(name) for name in names},
            {name: (*needed[name], *dependencies[name]) for name in names},
            broken=fleet.broken,
            aim="upgraded",
        ),
        hold=Hold.NEEDS if keep_going else Hold.WAVES,
        timeout=timeout or UPGRADE_TIMEOUT,
        work=lambda name, _: _session(fleet, name, flags),
        would=partial(_would, fleet, flags=flags),
        meanings={**MEANINGS, 0: "upgraded"},
        left_out={name: NO_TESTS if name in used else NOT_IN_USE for name in fleet.settings if name not in names},
    )


def bases(fleet: Fleet, name: str) -> frozenset[str]:
    """Return what an image is built on; nothing where that cannot be read, as the work on it will tell."""
    try:
        return bases_of(fleet.harness, fleet.harness.catalog.select(name, prefix=False), fleet.settings[name])
    except KharnessError:
        return frozenset()


def _with_bases(names: Iterable[str], needed: dict[str, frozenset[str]]) -> frozenset[str]:
    found: set[str] = set()
    waiting = [name for name in names if name in needed]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [base for base in needed[name] if base in needed]
    return frozenset(found)


def _live(fleet: Fleet) -> frozenset[str]:
    tags = {tag for image in fleet.harness.engine.images() for tag in image.tags}
    return frozenset(name for name in fleet.settings if fleet.harness.tags(name).live in tags)


def _has_tests(fleet: Fleet, name: str) -> bool:
    directory = fleet.harness.catalog.select(name, prefix=False)
    return fleet.settings[name].expect.declares or bool(files_of_tests(directory.path))


def _session(fleet: Fleet, name: str, flags: Sequence[str]) -> tuple[str, ...]:
    directory = fleet.harness.catalog.select(name, prefix=False)
    return session_of(directory, flags, project=fleet.harness.project, more=ALONE)


def _would(fleet: Fleet, name: str, *, flags: Sequence[str]) -> str:
    # What else a session is told is for it alone; 'kharness test NAME --dry-run' prints the whole line.
    path = fleet.harness.catalog.select(name, prefix=False).path
    project = fleet.harness.project
    place = path.relative_to(project) if project and path.is_relative_to(project) else path
    return shlex.join(("pytest", str(place), *flags))
