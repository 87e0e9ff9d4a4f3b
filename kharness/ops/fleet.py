"""Work on many containers: so many at a time, each in a process of its own, in the order of a course."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

from kharness.errors import HostError
from kharness.host.children import Children, Ended, Event, Told
from kharness.host.forked import Job, Work
from kharness.plan.fleet import Course, End, Hold, Step, can_begin
from kharness.plan.outcome import Outcome, Result

KILLED = "the next command, or 'kharness recover', finishes or puts back what it has begun"


class Crew(Protocol):
    """Who works: `Children`, or what stands for them in a test."""

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


class Watch(Protocol):
    """Who looks on."""

    def begun(self, name: str) -> None:
        """See work on a container begin."""

    def told(self, name: str, what: str) -> None:
        """Hear what is done now; a detail begins with a space."""

    def ended(self, outcome: Outcome) -> None:
        """See it end, or not begin at all."""

    def tick(self) -> None:
        """Have a moment, several times a second."""


def worked(text: str, *, notes: Sequence[str] = (), failed: bool = False, **data: Any) -> dict[str, Any]:
    """Return what work returns: plain values of which `Outcome` is made."""
    return {"text": text, "notes": list(notes), "failed": failed, "data": data}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A command over many containers. `work` gets a name, and what the work on those before has returned.

    `would` says what a dry run says, `meanings` what a program's exit status means, `left_out` why others are no part.
    Where a group `needs_settings`, a directory whose settings cannot be read is one that failed.
    """

    command: str
    course: Course
    hold: Hold
    timeout: float
    work: Callable[[str, Mapping[str, Mapping[str, Any]]], Work | Sequence[str]]
    would: Callable[[str], str]
    meanings: Mapping[int, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    needs_settings: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Conducted:
    """How a group ended; `signal` is the one by which it was interrupted."""

    outcomes: tuple[Outcome, ...]
    signal: int | None = None


def conduct(group: Group, *, logs: Path, parallel: int, watch: Watch, crew: Callable[[], Crew] = Children) -> Conducted:
    """Work on all containers of a group, at most `parallel` at a time; outcomes are in the order in which they came.

    Nothing is begun after a SIGINT or SIGTERM, and what runs is stopped. The caller has a single thread and keeps no
    connection: each process makes its own.
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
                    case Told():
                        watch.told(event.name, event.what)
                    case Ended():
                        run.end(event)
            watch.tick()
        run.leave()
        return Conducted(outcomes=tuple(run.outcomes), signal=workers.signal)


class _Run:
    """A group under way."""

    def __init__(self, group: Group, *, logs: Path, watch: Watch) -> None:
        self.outcomes: list[Outcome] = []
        self._group = group
        self._logs = logs
        self._watch = watch
        self._begun: set[str] = set()
        self._ends: dict[str, End] = {}
        self._values: dict[str, Mapping[str, Any]] = {}
        self._steps = {step.name: step for step in group.course.steps}
        for name, reason in group.course.impossible.items():
            self._note(Outcome(name=name, result=Result.FAILED, text=reason, wave=group.course.waves[name]))

    def begin(self, crew: Crew, *, parallel: int) -> bool:
        """Begin what can be begun; returns whether something was held back or failed, so that more may be seen."""
        again = False
        for step, held in tuple(can_begin(self._group.course, self._ends, hold=self._group.hold)):
            if step.name in self._begun:
                continue
            if held:
                again = True
                self._finish(Outcome(name=step.name, result=Result.HELD, text=held, wave=step.wave), End.HELD)
            elif len(crew.running) < parallel:
                again |= not self._start(crew, step)
        return again

    def end(self, ended: Ended) -> None:
        """Note how a process ended."""
        step = self._steps[ended.name]
        outcome = self._judged(ended, step=step)
        if outcome.result is Result.DONE:
            self._values[ended.name] = outcome.data
        self._finish(outcome, End.DONE if outcome.result is Result.DONE else End.FAILED)

    def leave(self) -> None:
        """Note what was not begun."""
        for name, step in self._steps.items():
            if name not in self._ends:
                self._note(Outcome(name=name, result=Result.LEFT, wave=step.wave))

    def _start(self, crew: Crew, step: Step) -> bool:
        self._begun.add(step.name)
        try:
            work = self._group.work(step.name, self._values)
            crew.start(Job(name=step.name, work=work, log=self._log(step.name), timeout=self._group.timeout))
        except HostError as error:
            self._finish(Outcome(name=step.name, result=Result.FAILED, text=str(error), wave=step.wave), End.FAILED)
            return False
        self._watch.begun(step.name)
        return True

    def _judged(self, ended: Ended, *, step: Step) -> Outcome:
        value: Mapping[str, Any] = ended.value or {}
        result, text = Result.DONE, str(value.get("text", ""))
        if ended.problem:
            interrupted = ended.stopped and ended.problem.startswith("interrupted")
            result, text = (Result.INTERRUPTED if interrupted else Result.FAILED), ended.problem
        elif ended.status is not None:
            text = self._group.meanings.get(ended.status, f"it ended with status {ended.status}")
            result = Result.FAILED if ended.status else Result.DONE
        elif value.get("failed"):
            result = Result.FAILED
        return Outcome(
            name=ended.name,
            result=result,
            text=text,
            notes=(*value.get("notes", ()), *([KILLED] if ended.problem.endswith("killed") else [])),
            data=value.get("data", {}),
            wave=step.wave,
            seconds=ended.seconds,
            log=ended.log,
            tail=ended.tail if result is Result.FAILED else (),
        )

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _finish(self, outcome: Outcome, end: End) -> None:
        self._ends[outcome.name] = end
        self._note(outcome)

    def _note(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._watch.ended(outcome)
