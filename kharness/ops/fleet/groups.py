"""The commands over many containers, as one table: members, order, work, dry run and time limit of each."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kharness.host.fleet.forked import Work
from kharness.host.session.results import new_result, take_result
from kharness.ops.fleet.course import Fleet, Group, GroupWork, Values, worked
from kharness.ops.fleet.members import (
    Members,
    Options,
    all_by_bases,
    all_running,
    by_waves,
    in_use,
    to_launch,
    to_stop,
    with_tests,
)
from kharness.ops.harness import Harness
from kharness.ops.image.build import bases_of, build
from kharness.ops.launch.subject import why_stays_down
from kharness.ops.launch.up import up, up_and_ready
from kharness.ops.project.production import called, must_run, present
from kharness.ops.project.sessions import judge_project, project_flags
from kharness.ops.release.stopping import down, restart
from kharness.ops.session.pytests import release_flags, session_of
from kharness.plan.facts import short_id
from kharness.plan.fleet.course import Hold, join_courses, joined
from kharness.plan.gate.result import judge
from kharness.plan.session.modes import ALONE, result_flags
from kharness.settings.catalog import ContainerDir

COMMAND_TIMEOUT, MARGIN = 60.0, 10.0
"""Seconds for the command of run-in-all, and for everything around it."""
MOST = 1 << 20
"""Characters of its output, and of its errors, that are returned."""
NO_CONTAINER = "has no container"
DEFAULTS = Options()
NOTHING: Values = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class ForkedWork:
    """Work in a forked process, and its dry run. `do` gets the values that the work on earlier containers returned.

    With `skips_stopped`, containers that were stopped on purpose are left alone.
    """

    do: Callable[[Harness, str, Options, Values], dict[str, Any]]
    would: Callable[[Fleet, str, Options], str]
    skips_stopped: bool = False


@dataclass(frozen=True, kw_only=True)
class SessionWork:
    """A pytest session as the work, with these flags; it `launches` if passing is not enough to succeed."""

    flags: Callable[[Fleet, str, Options], tuple[str, ...]]
    launches: bool


@dataclass(frozen=True, kw_only=True)
class GroupRow:
    """A command over many containers; `hold` says what a failure holds back, `timeout` is in seconds."""

    members: Callable[[Fleet, Options], Members]
    work: ForkedWork | SessionWork
    hold: Hold
    timeout: float = 300.0
    needs_settings: bool = True


def plan_group(command: str, fleet: Fleet, options: Options = DEFAULTS) -> Group:
    """Return the group of a command of the table. Raises `EngineError`."""
    row = GROUPS[command]
    members = row.members(fleet, options)
    timeout = options.timeout or row.timeout
    work, would, judged = _work(row.work, command, fleet, options)
    return Group(
        command=command,
        course=members.course,
        hold=Hold.NEEDS if options.keep_going else row.hold,
        timeout=timeout + MARGIN if command == RUN else timeout,
        work=work,
        would=would,
        judge=judged,
        left_out=members.left_out,
        needs_settings=row.needs_settings,
        nothing=members.nothing,
        backwards=members.backwards,
    )


def join_groups(groups: Mapping[str, Group]) -> Group:
    """Return the groups of one command over several projects as one, by what is put before the names of each."""
    first = next(iter(groups.values()))
    if list(groups) == [""]:
        return first
    homes = {
        joined(prefix, name): (prefix, group, name)
        for prefix, group in groups.items()
        for name in (step.name for step in group.course.steps)
    }

    def work(name: str, values: Values) -> Work | Sequence[str]:
        prefix, group, own = homes[name]
        others = {joined(prefix, step.name): step.name for step in group.course.steps}
        return group.work(own, {others[each]: value for each, value in values.items() if each in others})

    def would(name: str) -> str:
        _, group, own = homes[name]
        return group.would(own)

    def judged(name: str, status: int) -> Mapping[str, Any]:
        _, group, own = homes[name]
        assert group.judge is not None  # noqa: S101 - all groups of a command have one, or none
        return group.judge(own, status)

    return replace(
        first,
        course=join_courses({prefix: group.course for prefix, group in groups.items()}, backwards=first.backwards),
        work=work,
        would=would,
        judge=judged if first.judge else None,
        left_out={joined(p, name): why for p, group in groups.items() for name, why in group.left_out.items()},
    )


def work_on(
    command: str, harness: Harness, name: str, options: Options = DEFAULTS, values: Values = NOTHING
) -> dict[str, Any]:
    """Do the work of a command on one container, in this process; raises what the same command for one raises."""
    work = GROUPS[command].work
    assert isinstance(work, ForkedWork)  # noqa: S101 - a session is a program
    if work.skips_stopped and (stopped := why_stays_down(harness, name)):
        return worked(str(stopped))
    return work.do(harness, name, options, values)


def _work(
    row: ForkedWork | SessionWork, command: str, fleet: Fleet, options: Options
) -> tuple[GroupWork, Callable[[str], str], Callable[[str, int], Mapping[str, Any]] | None]:
    match row:
        case ForkedWork(would=would, skips_stopped=skips):

            def text(name: str) -> str:
                stopped = why_stays_down(fleet.harness, name) if skips else None
                return str(stopped) if stopped else would(fleet, name, options)

            return (
                lambda name, values: fleet.forked(name, lambda own: work_on(command, own, name, options, values)),
                text,
                None,
            )
        case SessionWork(flags=flags, launches=launches):
            results = _Results(fleet, command)
            return (
                lambda name, _: results.session(name, flags(fleet, name, options)),
                lambda name: _session_text(fleet, name, flags(fleet, name, options)),
                lambda name, status: results.judged(name, status, launch=launches),
            )


# Work in forked processes


def _build(harness: Harness, name: str, options: Options, values: Values) -> dict[str, Any]:
    directory = harness.catalog.select(name, prefix=False)
    settings = harness.settings(directory)
    # It is built on bases that were built just before.
    needed = bases_of(harness, directory, settings) if values else ()
    candidates = {base: str(values[base]["image"]) for base in needed if base in values}
    built = build(harness, directory, settings, rebuild=options.rebuild, candidates=candidates)
    what = ("built" if built.built else "pulled") if built.fresh else "unchanged"
    return worked(f"{what}: {short_id(built.image.id)}", image=built.image.id)


def _would_build(fleet: Fleet, name: str, _: Options) -> str:
    if image := fleet.settings[name].image:
        return f"would be {image}, pulled unless it is here"
    on = ", ".join(sorted(fleet.bases(name)))
    return f"would be built{f' on {on}' if on else ''}, unless nothing has changed"


def _launch(harness: Harness, name: str, *_: object) -> dict[str, Any]:
    found = up_and_ready(harness, harness.catalog.select(name, prefix=False))
    return worked(found.state, notes=found.notes, image=found.image)


def _would_launch(fleet: Fleet, name: str, _: Options) -> str:
    found = up(fleet.harness, fleet.directory(name), dry_run=True)
    text = "runs already" if found.state == "running" else f"would run {short_id(found.image)}"
    return "; ".join((text, *found.notes))


def _stop(harness: Harness, name: str, *_: object) -> dict[str, Any]:
    if present(harness, name) is None:
        return worked(NO_CONTAINER)
    # up-all starts again what down-all stopped.
    found = down(harness, name, stays=False)
    return worked(f"stopped: {found.state}" if found.was_up else f"did not run: {found.state}", notes=found.notes)


def _would_stop(fleet: Fleet, name: str, _: Options) -> str:
    if present(fleet.harness, name) is None:
        return NO_CONTAINER
    found = down(fleet.harness, name, dry_run=True)
    return "would be stopped" if found.was_up else f"does not run: {found.state}"


def _restart(harness: Harness, name: str, *_: object) -> dict[str, Any]:
    return worked("restarted", notes=restart(harness, harness.catalog.select(name, prefix=False)).notes)


def _would_restart(fleet: Fleet, name: str, _: Options) -> str:
    return "; ".join(("would be restarted", *restart(fleet.harness, fleet.directory(name), dry_run=True).notes))


def _run(harness: Harness, name: str, options: Options, _: Values) -> dict[str, Any]:
    found = must_run(harness, name)
    timeout = options.timeout or COMMAND_TIMEOUT
    try:
        done = harness.production.runtime.exec(found.id, options.words, user=options.user, timeout=timeout)
    except TimeoutError:
        return worked(f"still runs after {timeout:g} s, and goes on: an engine cannot end it", failed=True)
    sys.stdout.write(f"{done.stdout}{done.stderr}")
    streams = {"stdout": done.stdout, "stderr": done.stderr}
    log = (options.logs or harness.output) / RUN / f"{called(harness, name)}.log"
    return worked(
        "done" if done.ok else f"exit status {done.exit_code}",
        failed=not done.ok,
        notes=[
            f"only the first {MOST} of {len(printed)} characters of its {stream} are here, all are in {log}"
            for stream, printed in streams.items()
            if len(printed) > MOST
        ],
        exit_code=done.exit_code,
        **{stream: printed[:MOST] for stream, printed in streams.items()},
    )


# Sessions


def _given_flags(fleet: Fleet, name: str, options: Options) -> tuple[str, ...]:
    # A container directory is tested stand-alone, unless another mode is given.
    if name or options.mode_is_given:
        return tuple(options.flags)
    return project_flags(fleet.settings.values(), options.flags)


def _upgrade_flags(fleet: Fleet, name: str, options: Options) -> tuple[str, ...]:
    if options.mode_is_given:
        return tuple(options.flags)
    return release_flags(fleet.directory(name), options.flags, host=fleet.harness.host)


class _Results:
    """The results of a group's sessions; each file is new for this run, and is read once."""

    def __init__(self, fleet: Fleet, command: str) -> None:
        self._fleet = fleet
        self._directory = fleet.harness.output / command
        self._paths: dict[str, Path] = {}

    def session(self, name: str, flags: Sequence[str]) -> tuple[str, ...]:
        """Return the command line of a session that writes its result."""
        self._paths[name] = path = new_result(self._directory, name or self._fleet.harness.project.name)
        words = (*flags, *result_flags(path))
        return session_of(_tested(self._fleet, name), words, project=self._fleet.harness.folder, more=ALONE)

    def judged(self, name: str, status: int, *, launch: bool) -> dict[str, Any]:
        """Return how a session ended, as `worked` does."""
        result = take_result(self._paths[name])
        verdict = judge(name, status, result, launch=launch) if name else judge_project(status, result, launch=launch)
        return worked(verdict.text, notes=verdict.notes, failed=verdict.status != 0)


def _tested(fleet: Fleet, name: str) -> ContainerDir:
    # All services of a project are in one folder, which is what its session is told.
    return fleet.directory(name) if name else fleet.harness.catalog.directories[0]


def _session_text(fleet: Fleet, name: str, flags: Sequence[str]) -> str:
    # A session's other words concern it alone; 'kharness test NAME --dry-run' prints the whole line.
    path, project = _tested(fleet, name).path, None if not name else fleet.harness.folder
    place = path.relative_to(project) if project and path.is_relative_to(project) else path
    return shlex.join(("pytest", str(place), *flags))


RUN = "run-in-all"
GROUPS: Mapping[str, GroupRow] = {
    "build-all": GroupRow(
        members=all_by_bases, hold=Hold.NEEDS, timeout=3600, work=ForkedWork(do=_build, would=_would_build)
    ),
    "up-all": GroupRow(
        members=to_launch, hold=Hold.WAVES, work=ForkedWork(do=_launch, would=_would_launch, skips_stopped=True)
    ),
    "restart-all": GroupRow(
        members=by_waves, hold=Hold.WAVES, work=ForkedWork(do=_restart, would=_would_restart, skips_stopped=True)
    ),
    "down-all": GroupRow(members=to_stop, hold=Hold.NOTHING, work=ForkedWork(do=_stop, would=_would_stop)),
    RUN: GroupRow(
        members=all_running,
        hold=Hold.NOTHING,
        timeout=COMMAND_TIMEOUT,
        needs_settings=False,
        work=ForkedWork(do=_run, would=lambda _fleet, _name, options: f"would run {shlex.join(options.words)}"),
    ),
    "test-all": GroupRow(
        members=with_tests, hold=Hold.NEEDS, timeout=1800, work=SessionWork(flags=_given_flags, launches=False)
    ),
    "upgrade-all": GroupRow(
        members=in_use, hold=Hold.WAVES, timeout=3600, work=SessionWork(flags=_upgrade_flags, launches=True)
    ),
}
"""A new group is one row here, its functions, and a command that calls `run_group` with its name."""
