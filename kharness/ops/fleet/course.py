"""Carry out a group: each container in a process of its own, several at a time, in the order of a course."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self

from kharness.engine.connect import reconnect
from kharness.errors import HostError, KharnessError
from kharness.host.fleet.children import Children, Ended, Event, Reported
from kharness.host.fleet.forked import Job, Tell, Work
from kharness.host.session.owner import current_owner
from kharness.ops.harness import Harness
from kharness.ops.image.build import bases_of
from kharness.ops.project.identity import is_used, productions
from kharness.plan import labels
from kharness.plan.fleet.course import Course, CourseStep, End, Hold, JobResult, can_begin, wave_of
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import Settings

UNKNOWN = "is left alone: no source path has its container directory"


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The container directories with readable settings, and the name of this host."""

    harness: Harness
    settings: Mapping[str, Settings]
    host: str = field(default_factory=socket.gethostname)

    @property
    def broken(self) -> frozenset[str]:
        """The directories whose settings cannot be read."""
        return frozenset(each.name for each in self.harness.catalog.directories) - self.settings.keys()

    @cached_property
    def in_use(self) -> bool:
        """Whether commands over many containers start these; see `is_used`. Raises `EngineError`."""
        return is_used(self.harness)

    def directory(self, name: str) -> ContainerDir:
        """Return the container directory of that name."""
        return self.harness.catalog.select(name, prefix=False)

    def starting(self) -> dict[str, int | None]:
        """Return the containers that start with this host, each with its wave; none of a project that is not in use."""
        if not self.in_use:
            return {}
        found = {name: wave_of(settings, host=self.host) for name, settings in self.settings.items()}
        return {name: wave for name, wave in found.items() if wave is not None}

    def dependencies(self) -> dict[str, tuple[str, ...]]:
        """Return what each must have up first."""
        return {name: tuple(settings.depends_on) for name, settings in self.settings.items()}

    def bases(self, name: str) -> frozenset[str]:
        """Return the bases of an image; none where its Dockerfile cannot be read, which its build then reports."""
        try:
            return bases_of(self.harness, self.directory(name), self.settings[name])
        except KharnessError:
            return frozenset()

    def running(self) -> tuple[tuple[str, ...], dict[str, str]]:
        """Return the directories whose production containers run, and why running others are not part of the fleet.

        They need no readable settings: a running container can always be stopped and entered. Raises `EngineError`.
        """
        names = sorted({each.labels[labels.NAME] for each in productions(self.harness) if each.up})
        known = tuple(name for name in names if self.harness.catalog.get(name) is not None)
        return known, {name: UNKNOWN for name in names if name not in known}

    def forked(self, name: str, work: Callable[[Harness], Any]) -> Work:
        """Return work for a forked process with its own harness."""

        def own(tell: Tell) -> Any:
            def report(who: str, what: str) -> None:
                indent = " " * what.startswith(" ")
                tell(what if who in {"", name} else f"{indent}{who}: {what.strip()}")

            known = self.harness
            engine = reconnect(known.engine, host=known.host.engine, environ=os.environ, home=Path.home())
            return work(replace(known, engine=engine, owner=current_owner(), report=report))

        return own


KILLED = "the next command, or 'kharness recover', finishes or undoes what it has begun"

Values = Mapping[str, Mapping[str, Any]]
"""The data that the work on earlier containers returned, by their names."""
GroupWork = Callable[[str, Values], Work | Sequence[str]]


class Crew(Protocol):
    """The workers: `Children`, or a fake in tests."""

    @property
    def running(self) -> tuple[str, ...]:
        """See `Children`."""

    @property
    def signal(self) -> int | None:
        """See `Children`."""

    def __enter__(self) -> Self:
        """See `Children`."""

    def __exit__(self, *error: object) -> None:
        """See `Children`."""

    def start(self, job: Job) -> None:
        """See `Children`."""

    def wait(self) -> tuple[Event, ...]:
        """See `Children`."""


class ProgressView:
    """Shows the progress of a group; this one shows nothing."""

    def begun(self, name: str) -> None:
        """Show that work on a container begins."""

    def reported(self, name: str, what: str) -> None:
        """Show what it does now; a detail begins with a space."""

    def ended(self, result: JobResult) -> None:
        """Show how it ended; it may not have begun."""

    def tick(self) -> None:
        """Redraw; called several times a second."""

    def close(self) -> None:
        """Erase what only a running group shows."""


def worked(text: str, *, notes: Sequence[str] = (), failed: bool = False, **data: Any) -> dict[str, Any]:
    """Return the value of work on a container: plain values from which its `JobResult` is made."""
    return {"text": text, "notes": list(notes), "failed": failed, "data": data}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A command over many containers, as `plan_group` makes it.

    `would` returns the text of a dry run, `judge` the value (see `worked`) of a program that ended with a status
    (without it, 0 is success). `left_out` says why other containers do not belong to it, `nothing` is the message where
    there is no work. With `backwards` the last wave comes first. Where a group `needs_settings`, a directory with
    unreadable settings counts as failed.
    """

    command: str
    course: Course
    hold: Hold
    timeout: float
    work: GroupWork
    would: Callable[[str], str]
    judge: Callable[[str, int], Mapping[str, Any]] | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    needs_settings: bool = True
    nothing: str = "there is nothing to do"
    backwards: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Conducted:
    """How a group ended; `signal` interrupted it."""

    results: tuple[JobResult, ...]
    signal: int | None = None


def conduct(
    group: Group, *, logs: Path, parallel: int, watch: ProgressView, crew: Callable[[], Crew] = Children
) -> Conducted:
    """Work on all containers of a group, at most `parallel` at a time; results are in the order in which they ended.

    After a SIGINT or SIGTERM nothing more begins, and running work is stopped. The caller must have a single thread and
    no open connection: each process makes its own.
    """
    run = _Run(group, logs=logs / group.command, watch=watch)
    with crew() as workers:
        while True:
            while workers.signal is None and run.begin(workers, parallel=parallel):
                pass
            if not workers.running:
                break
            for event in workers.wait():
                match event:
                    case Reported():
                        watch.reported(event.name, event.what)
                    case Ended():
                        run.end(event)
            watch.tick()
        run.leave()
        return Conducted(results=tuple(run.results), signal=workers.signal)


class _Run:
    """A group that is being carried out."""

    def __init__(self, group: Group, *, logs: Path, watch: ProgressView) -> None:
        self.results: list[JobResult] = []
        self._group = group
        self._logs = logs
        self._watch = watch
        self._begun: set[str] = set()
        self._ends: dict[str, End] = {}
        self._values: dict[str, Mapping[str, Any]] = {}
        self._steps = {step.name: step for step in group.course.steps}
        for name, reason in group.course.impossible.items():
            self._note(JobResult(name=name, end=End.FAILED, text=reason, wave=group.course.waves[name]))

    def begin(self, crew: Crew, *, parallel: int) -> bool:
        """Begin what can begin; returns whether something was held back or failed, which may free other steps."""
        again = False
        for step, held in tuple(can_begin(self._group.course, self._ends, hold=self._group.hold)):
            if step.name in self._begun:
                continue
            if held:
                again = True
                self._finish(JobResult(name=step.name, end=End.HELD, text=held, wave=step.wave))
            elif len(crew.running) < parallel:
                again |= not self._start(crew, step)
        return again

    def end(self, ended: Ended) -> None:
        """Record how a process ended."""
        step = self._steps[ended.name]
        result = self._judged(ended, step=step)
        if result.end is End.DONE:
            self._values[ended.name] = result.data
        self._finish(result)

    def leave(self) -> None:
        """Record what has not begun."""
        for name, step in self._steps.items():
            if name not in self._ends:
                self._note(JobResult(name=name, end=End.LEFT, wave=step.wave))

    def _start(self, crew: Crew, step: CourseStep) -> bool:
        self._begun.add(step.name)
        try:
            work = self._group.work(step.name, self._values)
            crew.start(Job(name=step.name, work=work, log=self._log(step.name), timeout=self._group.timeout))
        except HostError as error:
            self._finish(JobResult(name=step.name, end=End.FAILED, text=str(error), wave=step.wave))
            return False
        self._watch.begun(step.name)
        return True

    def _judged(self, ended: Ended, *, step: CourseStep) -> JobResult:
        value: Mapping[str, Any] = ended.value or {}
        if ended.status is not None and not ended.problem:
            value = (self._group.judge or _by_status)(ended.name, ended.status)
        end, text = End.DONE, str(value.get("text", ""))
        if ended.problem:
            interrupted = ended.stopped and ended.problem.startswith("interrupted")
            end, text = (End.INTERRUPTED if interrupted else End.FAILED), ended.problem
        elif value.get("failed"):
            end = End.FAILED
        return JobResult(
            name=ended.name,
            end=end,
            text=text,
            notes=(*value.get("notes", ()), *([KILLED] if ended.problem.endswith("killed") else [])),
            data=value.get("data", {}),
            wave=step.wave,
            seconds=ended.seconds,
            log=ended.log,
            tail=ended.tail if end is End.FAILED else (),
        )

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _finish(self, result: JobResult) -> None:
        self._ends[result.name] = result.end
        self._note(result)

    def _note(self, result: JobResult) -> None:
        self.results.append(result)
        self._watch.ended(result)


def _by_status(_name: str, status: int) -> Mapping[str, Any]:
    return worked(f"it ended with status {status}", failed=status != 0)
