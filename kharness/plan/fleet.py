"""In which order many containers are worked on, and what waits for what."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from graphlib import CycleError, TopologicalSorter


class Hold(Enum):
    """What a failure holds back: all `WAVES` after its own, what `NEEDS` it, or `NOTHING`."""

    WAVES = "waves"
    NEEDS = "needs"
    NOTHING = "nothing"


class End(Enum):
    """How a step ended; what was `HELD` back never began."""

    DONE = "done"
    FAILED = "failed"
    HELD = "held back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Work on one container: it begins when all in `after` have ended, and does not make sense without its `needs`.

    `wave` is the one in which it starts with the host, None where it does not.
    """

    name: str
    wave: int | None = None
    after: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Steps in the order in which they begin, and what failed before anything began.

    `impossible` says why some cannot have a place among the steps, `waves` in which they start with the host. What is
    `broken` has settings that cannot be read: nobody knows its wave. `aim` is what all of a wave should be before the
    next one begins.
    """

    steps: tuple[Step, ...]
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
    """Order containers by their waves, and after what they need; `backwards` stops what needs others before these.

    Only needs that are themselves among the names of `waves`, or `broken`, count. They count more than waves do: what
    needs something of a later wave begins with that one. Without a wave only needs have a say.
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
        Step(
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


def stages(course: Course) -> tuple[tuple[Step, ...], ...]:
    """Return the steps that could begin together, in order."""
    depths = _depths(course.steps)
    found: dict[int, list[Step]] = {}
    for step in course.steps:
        found.setdefault(depths[step.name], []).append(step)
    return tuple(tuple(found[depth]) for depth in sorted(found))


def can_begin(course: Course, ends: Mapping[str, End], *, hold: Hold) -> Iterator[tuple[Step, str]]:
    """Yield the steps that wait for nothing any more, each with the reason that holds it back, or an empty text.

    `ends` are those that have ended; the caller knows which it has begun.
    """
    lost = course.impossible.keys() | course.broken
    for step in course.steps:
        if step.name not in ends and step.after <= ends.keys() | lost:
            yield step, held_by(course, step, ends, hold=hold)


def held_by(course: Course, step: Step, ends: Mapping[str, End], *, hold: Hold) -> str:
    """Return what holds back a step that waits for nothing any more, or an empty text."""
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
    return {End.FAILED: "which failed", End.HELD: "which was held back"}.get(ends.get(name, End.DONE), "")


def _wave_before(course: Course, step: Step, ends: Mapping[str, End]) -> str:
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


def _depths(steps: Iterable[Step]) -> dict[str, int]:
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
