"""The order of work on many containers: what waits for what, and what a failure holds back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kharness.settings.model import Settings


class End(Enum):
    """How the work on a container ended; `HELD` and `LEFT` never began."""

    DONE = "done"
    FAILED = "failed"
    HELD = "held back"
    INTERRUPTED = "interrupted"
    LEFT = "not begun"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """The result of the work on a container: `text` is what was done, or why not; `log` has its output.

    `notes` are other remarks, `data` plain values for programs, `tail` the last lines of the log.
    """

    name: str
    end: End
    text: str = ""
    notes: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    wave: int | None = None
    seconds: float = 0.0
    log: PurePath | None = None
    tail: tuple[str, ...] = ()


class Hold(Enum):
    """What a failure holds back: all later `WAVES`, what `NEEDS` it, or `NOTHING`."""

    WAVES = "waves"
    NEEDS = "needs"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseStep:
    """Work on one container: it begins when all in `after` have ended, and makes no sense without its `needs`.

    `wave` is that of its start with the host, None where it does not start with the host.
    """

    name: str
    wave: int | None = None
    after: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Steps in the order in which they begin, and what failed before anything began.

    `impossible` says why some have no place among the steps, `waves` has their waves. The settings of those `broken`
    cannot be read, so their waves are unknown. `aim` is the state that a wave must reach before the next begins.
    """

    steps: tuple[CourseStep, ...]
    impossible: Mapping[str, str] = field(default_factory=dict)
    waves: Mapping[str, int | None] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()
    aim: str = "healthy"


def plan_course(
    waves: Mapping[str, int | None],
    needs: Mapping[str, Iterable[str]],
    *,
    broken: Collection[str] = (),
    backwards: bool = False,
    aim: str = "healthy",
) -> Course:
    """Order containers by their waves, and after what they need; `backwards` reverses both.

    Only needs among the names of `waves`, or `broken`, count. They override waves: a container that needs one of a
    later wave begins after it. A container without a wave is ordered by its needs alone.
    """
    lost = frozenset(broken) - waves.keys()
    edges = {name: frozenset(needs.get(name, ())) & (waves.keys() | lost) - {name} for name in sorted(waves)}
    impossible = _circles(edges)
    edges = {name: wanted for name, wanted in edges.items() if name not in impossible}
    order = tuple(name for name in TopologicalSorter(edges).static_order() if name in edges)
    floors: dict[str, int | None] = dict.fromkeys(lost) | {name: waves[name] for name in impossible}
    for name in order:
        known = [waves[name], *(floors[each] for each in sorted(edges[name]))]
        floors[name] = max((wave for wave in known if wave is not None), default=None)
    numbers = {name: floors[name] if waves[name] is not None else None for name in (*order, *impossible)}
    wanted_by = {name: frozenset(each for each in order if name in edges[each]) for name in order}
    steps = [
        CourseStep(
            name=name,
            wave=numbers[name],
            after=(wanted_by[name] if backwards else edges[name]) | _other_waves(name, numbers, backwards=backwards),
            needs=edges[name],
        )
        for name in order
    ]
    depths = _depths(steps)
    return Course(
        steps=tuple(sorted(steps, key=lambda step: (depths[step.name], step.name))),
        impossible=impossible,
        waves={name: waves[name] for name in impossible},
        broken=lost,
        aim=aim,
    )


def join_courses(courses: Mapping[str, Course], *, backwards: bool = False) -> Course:
    """Return the courses of several projects as one, in the order of all waves.

    They are by what is put before their names, empty or ending in a slash. A step without a name of its own is its
    project. What one project needs never counts for another.
    """
    steps = {
        joined(prefix, step.name): replace(
            step,
            name=joined(prefix, step.name),
            after=frozenset(joined(prefix, name) for name in step.after),
            needs=frozenset(joined(prefix, name) for name in step.needs),
        )
        for prefix, course in courses.items()
        for step in course.steps
    }
    numbers = {name: step.wave for name, step in steps.items()}
    ordered = [
        replace(step, after=step.after | _other_waves(name, numbers, backwards=backwards))
        for name, step in steps.items()
    ]
    depths = _depths(ordered)
    return Course(
        steps=tuple(sorted(ordered, key=lambda step: (depths[step.name], step.name))),
        impossible={joined(p, name): why for p, course in courses.items() for name, why in course.impossible.items()},
        waves={joined(p, name): wave for p, course in courses.items() for name, wave in course.waves.items()},
        broken=frozenset(joined(p, name) for p, course in courses.items() for name in course.broken),
        aim=next((course.aim for course in courses.values()), "healthy"),
    )


def joined(prefix: str, name: str) -> str:
    """Return the name of a step among those of several projects."""
    return f"{prefix}{name}".removesuffix("/")


def stages(course: Course) -> tuple[tuple[CourseStep, ...], ...]:
    """Return the steps that could begin together, in order."""
    depths = _depths(course.steps)
    found: dict[int, list[CourseStep]] = {}
    for step in course.steps:
        found.setdefault(depths[step.name], []).append(step)
    return tuple(tuple(found[depth]) for depth in sorted(found))


def can_begin(course: Course, ends: Mapping[str, End], *, hold: Hold) -> Iterator[tuple[CourseStep, str]]:
    """Yield the steps that wait for nothing, each with the reason that holds it back, or an empty text.

    `ends` are the steps that have ended; the caller knows which it has begun.
    """
    lost = course.impossible.keys() | course.broken
    for step in course.steps:
        if step.name not in ends and step.after <= ends.keys() | lost:
            yield step, held_by(course, step, ends, hold=hold)


def held_by(course: Course, step: CourseStep, ends: Mapping[str, End], *, hold: Hold) -> str:
    """Return what holds back a step that waits for nothing, or an empty text."""
    if hold is Hold.NOTHING:
        return ""
    for name in sorted(step.needs):
        if reason := _not_there(course, name, ends):
            return f"it needs {name}, {reason}"
    return _wave_before(course, step, ends) if hold is Hold.WAVES else ""


def _not_there(course: Course, name: str, ends: Mapping[str, End]) -> str:
    if name in course.broken:
        return "whose settings cannot be read"
    if name in course.impossible:
        return "which needs itself in a circle"
    end = ends.get(name, End.DONE)
    return {End.DONE: "", End.HELD: "which was held back"}.get(end, "which failed")


def _wave_before(course: Course, step: CourseStep, ends: Mapping[str, End]) -> str:
    waves = {**course.waves, **{each.name: each.wave for each in course.steps}}
    others = step.after - step.needs
    failed = {name: wave for name, wave in waves.items() if name in others and ends.get(name) is not End.DONE}
    if not failed:
        return ""
    first = min(wave for wave in failed.values() if wave is not None)
    names = sorted(name for name, wave in failed.items() if wave == first)
    return f"wave {first} is not {course.aim}: {', '.join(names)}"


def _other_waves(name: str, numbers: Mapping[str, int | None], *, backwards: bool) -> frozenset[str]:
    own = numbers[name]
    if own is None:
        return frozenset()
    others = ((other, wave) for other, wave in numbers.items() if wave is not None)
    return frozenset(other for other, wave in others if (wave > own if backwards else wave < own))


def _depths(steps: Iterable[CourseStep]) -> dict[str, int]:
    steps = tuple(steps)
    after = {step.name: step.after & {each.name for each in steps} for step in steps}
    depths: dict[str, int] = {}
    for name in TopologicalSorter(after).static_order():
        depths[name] = 1 + max((depths[each] for each in after[name]), default=0)
    return depths


def _circles(edges: Mapping[str, frozenset[str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    while True:
        try:
            TopologicalSorter(
                {name: each - found.keys() for name, each in edges.items() if name not in found}
            ).prepare()
        except CycleError as error:
            circle: list[str] = error.args[1]
            found |= dict.fromkeys(circle, f"these need each other in a circle: {' -> '.join(circle)}")
        else:
            return found


def wave_of(settings: Settings, *, host: str) -> int | None:
    """Return the wave in which a container starts on this host, None where it does not."""
    autostart = settings.autostart
    return autostart.wave if autostart is not None and autostart.host in {None, host} else None


def waves(fleet: Mapping[str, Settings], *, host: str) -> tuple[tuple[str, ...], ...]:
    """Return the names that start on this host, one tuple a wave, in the order of the waves."""
    found: dict[int, list[str]] = {}
    for name in sorted(fleet):
        wave = wave_of(fleet[name], host=host)
        if wave is not None:
            found.setdefault(wave, []).append(name)
    return tuple(tuple(found[wave]) for wave in sorted(found))
