"""Which containers a command over many works on, in which order, and why it leaves out others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kharness.host.project.test_files import files_of_tests
from kharness.ops.fleet.course import Fleet
from kharness.ops.fleet.status import others
from kharness.ops.launch.subject import why_stays_down
from kharness.ops.project.production import present
from kharness.plan.fleet.course import Course, plan_course
from kharness.plan.fleet.status import starting_text
from kharness.plan.session.modes import IN_PROD

PROJECT = ""
"""The name of a step that is about a whole Compose project."""
NO_TESTS = "is left out: it has neither tests nor expectations"
NEVER_LIVE = "is left alone: nothing of it was ever launched or promoted here"
NOT_THERE = "has no container in production"
NOT_UPGRADED = "is a Compose project, which a session tests and does not launch"
NOT_IN_USE = "is a draft: it has no live image, does not start with this host, and is the base of nothing in use"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of all group commands; each command reads its own."""

    keep_going: bool = False
    """Hold back only containers that need a failed one."""
    timeout: float | None = None
    rebuild: bool = False
    everything: bool = False
    """Also stop containers that do not start with this host."""
    words: Sequence[str] = ()
    """The command to run."""
    user: str | None = None
    flags: Sequence[str] = ()
    """The flags of a session, as `session_flags` makes them."""
    logs: Path | None = None
    """Where the output of all is, if not in the project's own directory."""
    mode_is_given: bool = True
    """Whether the flags' mode is the user's; else `release_flags` chooses it for each container."""


@dataclass(frozen=True, kw_only=True)
class Members:
    """The containers of a group in their order, why others are left out, and the message for an empty group."""

    course: Course
    left_out: Mapping[str, str] = field(default_factory=dict)
    nothing: str = "there is nothing to do"
    backwards: bool = False


def all_by_bases(fleet: Fleet, _: Options) -> Members:
    """Return all containers, bases first."""
    needed = {name: fleet.bases(name) for name in fleet.settings}
    return Members(course=plan_course(dict.fromkeys(fleet.settings), needed, broken=fleet.broken))


def by_waves(fleet: Fleet, _: Options) -> Members:
    """Return what starts with this host."""
    return Members(course=plan_course(fleet.starting(), fleet.dependencies(), broken=fleet.broken))


def to_launch(fleet: Fleet, options: Options) -> Members:
    """Return what starts with this host, and name what else is in use."""
    if not fleet.in_use:
        return Members(course=plan_course({}, {}), left_out={PROJECT: NEVER_LIVE})
    more = others(fleet.harness, fleet.settings, host=fleet.host)
    return Members(
        course=by_waves(fleet, options).course,
        left_out={each.name: f"does not start with this host, and {each.state}" for each in more},
        nothing=starting_text(0, len(more)),
    )


def to_stop(fleet: Fleet, options: Options) -> Members:
    """Return what starts with this host, or all that runs, the last wave first."""
    more, unknown = fleet.running() if options.everything else ((), {})
    waves = dict.fromkeys(more) | fleet.starting()
    return Members(course=plan_course(waves, fleet.dependencies(), backwards=True), left_out=unknown, backwards=True)


def all_running(fleet: Fleet, _: Options) -> Members:
    """Return all that runs."""
    names, unknown = fleet.running()
    return Members(course=plan_course(dict.fromkeys(names), {}), left_out=unknown)


def with_tests(fleet: Fleet, options: Options) -> Members:
    """Return what has tests, bases first; of a Compose project one step."""
    if fleet.harness.compose is not None:
        return _project_with_tests(fleet, options)
    left_out = {name: NO_TESTS for name in fleet.settings if not _has_tests(fleet, name)}
    if IN_PROD in options.flags:
        left_out |= {name: NOT_THERE for name in fleet.settings if present(fleet.harness, name) is None}
    names = [name for name in fleet.settings if name not in left_out]
    needed = {name: fleet.bases(name) for name in names}
    return Members(course=plan_course(dict.fromkeys(names), needed, broken=fleet.broken), left_out=left_out)


def _project_with_tests(fleet: Fleet, options: Options) -> Members:
    if not any(_has_tests(fleet, name) for name in fleet.settings):
        return Members(course=plan_course({}, {}), left_out={PROJECT: NO_TESTS})
    if IN_PROD in options.flags and all(present(fleet.harness, name) is None for name in fleet.settings):
        return Members(course=plan_course({}, {}), left_out={PROJECT: NOT_THERE})
    return Members(course=plan_course({PROJECT: None}, {}))


def in_use(fleet: Fleet, _: Options) -> Members:
    """Return what is live or starts with this host, bases first; a Compose project is left out."""
    if fleet.harness.compose is not None:
        return Members(course=plan_course({}, {}), left_out={PROJECT: NOT_UPGRADED})
    needed = {name: fleet.bases(name) for name in fleet.settings}
    waves = fleet.starting()
    used = _with_bases({*waves, *_live(fleet)}, needed)
    stopped = {name: str(why) for name in used if (why := why_stays_down(fleet.harness, name))}
    names = [name for name in used if name not in stopped and _has_tests(fleet, name)]
    dependencies = fleet.dependencies()
    return Members(
        course=plan_course(
            {name: waves.get(name) for name in names},
            {name: (*needed[name], *dependencies[name]) for name in names},
            broken=fleet.broken,
            aim="upgraded",
        ),
        left_out={
            name: stopped.get(name) or (NO_TESTS if name in used else NOT_IN_USE)
            for name in fleet.settings
            if name not in names
        },
    )


def _with_bases(names: Iterable[str], needed: Mapping[str, frozenset[str]]) -> frozenset[str]:
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
    return fleet.settings[name].expect.declares or bool(files_of_tests(fleet.directory(name).path))
