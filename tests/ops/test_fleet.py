"""Many containers: so many at a time, in their order, and what becomes of each."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest

from kharness.errors import HostError
from kharness.host.children import Ended, Event, Told
from kharness.host.forked import Job
from kharness.ops.fleet import Conducted, Group, conduct, worked
from kharness.plan.fleet import Hold, plan_course
from kharness.plan.outcome import Outcome, Result

WAVES = {"a": 1, "b": 1, "c": 2, "d": 3}


@dataclass
class Workers:
    """Ends one job a moment, the one that was begun last first; `script` says how, `most` is how many there were."""

    script: Mapping[str, Ended | Exception] = field(default_factory=dict)
    interrupt_at: str = ""
    running: tuple[str, ...] = ()
    signal: int | None = None
    begun: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    logs: dict[str, Path] = field(default_factory=dict)
    most: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        assert not self.running

    def start(self, job: Job) -> None:
        said = self.script.get(job.name)
        if isinstance(said, Exception):
            raise said
        self.begun.append(job.name)
        self.logs[job.name] = job.log
        self.running += (job.name,)
        self.most = max(self.most, len(self.running))
        assert callable(job.work)
        self.values[job.name] = job.work(lambda _: None)

    def wait(self) -> tuple[Event, ...]:
        *rest, name = self.running
        self.running = tuple(rest)
        if name == self.interrupt_at:
            self.signal = signal.SIGINT
        said = self.script.get(name)
        told = Told(name=name, what="working")
        if self.signal is not None:
            return (told, Ended(name=name, seconds=1, problem="interrupted", stopped=True))
        assert not isinstance(said, Exception)
        return (told, said or Ended(name=name, seconds=2, value=self.values[name], log=self.logs[name]))


@dataclass
class Onlooker:
    seen: list[str] = field(default_factory=list)

    def begun(self, name: str) -> None:
        self.seen.append(f"{name} begins")

    def told(self, name: str, what: str) -> None:
        self.seen.append(f"{name}: {what}")

    def ended(self, outcome: Outcome) -> None:
        self.seen.append(f"{outcome.name} ends: {outcome.result.value}")

    def tick(self) -> None:
        pass


def group(
    *, hold: Hold = Hold.WAVES, needs: Mapping[str, tuple[str, ...]] | None = None, waves: Mapping[str, int] = WAVES
) -> Group:
    def work(name: str, values: Mapping[str, Mapping[str, Any]]) -> Callable[[object], Any]:
        before = sorted(values)
        return lambda _: worked(f"{name} after {' '.join(before)}".strip(), before=before)

    return Group(
        command="up-all",
        course=plan_course(waves, needs or {}),
        hold=hold,
        timeout=3.0,
        work=work,
        would=lambda name: name,
        meanings={5: "no test was found"},
    )


def run(made: Group, workers: Workers, path: Path, *, parallel: int = 2) -> Conducted:
    return conduct(made, logs=path, parallel=parallel, watch=Onlooker(), crew=lambda: workers)


def results(done: Conducted) -> dict[str, tuple[str, str]]:
    return {each.name: (each.result.value, each.text) for each in done.outcomes}


@pytest.mark.parametrize(("parallel", "most"), [(1, 1), (2, 2), (9, 3)])
def test_no_more_at_a_time_than_is_allowed(tmp_path: Path, parallel: int, most: int) -> None:
    workers = Workers()
    done = run(group(waves={"a": 1, "b": 1, "c": 1, "d": 2}), workers, tmp_path, parallel=parallel)
    assert (workers.most, {each.result for each in done.outcomes}) == (most, {Result.DONE})
    assert workers.begun[-1] == "d"


def test_waves_and_what_those_before_returned(tmp_path: Path) -> None:
    watch = Onlooker()
    done = conduct(group(), logs=tmp_path, parallel=2, watch=watch, crew=Workers)
    assert results(done) == {
        "a": ("done", "a after"),
        "b": ("done", "b after"),
        "c": ("done", "c after a b"),
        "d": ("done", "d after a b c"),
    }
    assert watch.seen[:4] == ["a begins", "b begins", "b: working", "b ends: done"]
    (last,) = [each for each in done.outcomes if each.name == "d"]
    assert (last.seconds, last.wave, last.log, last.data) == (
        2,
        3,
        tmp_path / "up-all" / "d.log",
        {"before": ["a", "b", "c"]},
    )


def test_a_failed_wave_holds_back_the_later_ones_unless_only_needs_count(tmp_path: Path) -> None:
    script = {"b": Ended(name="b", seconds=1, problem="b: no disk")}
    assert results(run(group(), Workers(script), tmp_path)) == {
        "a": ("done", "a after"),
        "b": ("failed", "b: no disk"),
        "c": ("held back", "wave 1 is not healthy: b"),
        "d": ("held back", "wave 1 is not healthy: b"),
    }
    going = results(run(group(hold=Hold.NEEDS, needs={"d": ("b",)}), Workers(script), tmp_path))
    assert (going["c"], going["d"]) == (("done", "c after a"), ("held back", "it needs b, which failed"))


def test_one_that_cannot_even_begin_failed_and_the_others_go_on(tmp_path: Path) -> None:
    script = {"a": HostError("a.log: cannot be written: No space left on device")}
    done = results(run(group(waves={"a": 1, "b": 1}), Workers(script), tmp_path))
    assert done == {"a": ("failed", "a.log: cannot be written: No space left on device"), "b": ("done", "b after")}


def test_what_is_impossible_is_told_and_failed_from_the_start(tmp_path: Path) -> None:
    circle = {"a": ("b",), "b": ("a",)}
    outcomes = run(group(needs=circle), Workers(), tmp_path)
    done = results(outcomes)
    assert done["a"] == done["b"]
    assert done["a"][1].startswith("these need each other in a circle: ")
    assert done["c"] == done["d"] == ("held back", "wave 1 is not healthy: a, b")
    assert [each.wave for each in outcomes.outcomes] == [1, 1, 2, 3]
    going = results(run(group(needs={**circle, "c": ("b",)}, hold=Hold.NEEDS), Workers(), tmp_path))
    assert going["c"] == ("held back", "it needs b, which needs itself in a circle")
    assert going["d"] == ("done", "d after")


def test_after_an_interrupt_nothing_is_begun(tmp_path: Path) -> None:
    workers = Workers(interrupt_at="b")
    done = run(group(), workers, tmp_path)
    assert (done.signal, workers.begun) == (signal.SIGINT, ["a", "b"])
    assert {name: result for name, (result, _) in results(done).items()} == {
        "a": "interrupted",
        "b": "interrupted",
        "c": "not begun",
        "d": "not begun",
    }


@pytest.mark.parametrize(
    ("status", "result", "text", "tail"),
    [
        (0, "done", "it ended with status 0", ()),
        (5, "failed", "no test was found", ("one", "two")),
        (9, "failed", "it ended with status 9", ("one", "two")),
    ],
)
def test_a_program_is_judged_by_its_status(
    tmp_path: Path, status: int, result: str, text: str, tail: tuple[str, ...]
) -> None:
    older = tmp_path / "a.log.1"
    script = {"a": Ended(name="a", seconds=1, status=status, log=older, tail=("one", "two"))}
    (found,) = run(group(waves={"a": 1}), Workers(script), tmp_path).outcomes
    assert (found.result.value, found.text, found.tail, found.log) == (result, text, tail, older)


def test_work_may_say_itself_that_it_failed(tmp_path: Path) -> None:
    script = {"a": Ended(name="a", seconds=1, value=worked("exit status 3", failed=True, notes=("late",), status=3))}
    (found,) = run(group(waves={"a": 1}), Workers(script), tmp_path).outcomes
    assert (found.result, found.text, found.notes, found.data) == (
        Result.FAILED,
        "exit status 3",
        ("late",),
        {"status": 3},
    )
