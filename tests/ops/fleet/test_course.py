"""Many containers: so many at a time, in their order, and what becomes of each."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest

from kharness.errors import HostError
from kharness.host.fleet.children import Ended, Event, Reported
from kharness.host.fleet.forked import Job
from kharness.ops.fleet.course import Conducted, Group, ProgressView, conduct, worked
from kharness.plan.fleet.course import End, Hold, JobResult, plan_course

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
        report = Reported(name=name, what="working")
        if self.signal is not None:
            return (report, Ended(name=name, seconds=1, problem="interrupted", stopped=True))
        assert not isinstance(said, Exception)
        return (report, said or Ended(name=name, seconds=2, value=self.values[name], log=self.logs[name]))


@dataclass
class Onlooker(ProgressView):
    seen: list[str] = field(default_factory=list)

    def begun(self, name: str) -> None:
        self.seen.append(f"{name} begins")

    def reported(self, name: str, what: str) -> None:
        self.seen.append(f"{name}: {what}")

    def ended(self, result: JobResult) -> None:
        self.seen.append(f"{result.name} ends: {result.end.value}")


STATUSES = {0: "passed", 5: "no test was found"}


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
        judge=lambda _, status: worked(STATUSES[status], failed=status != 0),
    )


def run(made: Group, workers: Workers, path: Path, *, parallel: int = 2) -> Conducted:
    return conduct(made, logs=path, parallel=parallel, watch=Onlooker(), crew=lambda: workers)


def results(done: Conducted) -> dict[str, tuple[str, str]]:
    return {each.name: (each.end.value, each.text) for each in done.results}


@pytest.mark.parametrize(("parallel", "most"), [(1, 1), (2, 2), (9, 3)])
def test_no_more_at_a_time_than_is_allowed(tmp_path: Path, parallel: int, most: int) -> None:
    workers = Workers()
    done = run(group(waves={"a": 1, "b": 1, "c": 1, "d": 2}), workers, tmp_path, parallel=parallel)
    assert (workers.most, {each.end for each in done.results}) == (most, {End.DONE})
    assert workers.begun[-1] == "d"


def test_work_gets_the_values_of_earlier_waves(tmp_path: Path) -> None:
    watch = Onlooker()
    done = conduct(group(), logs=tmp_path, parallel=2, watch=watch, crew=Workers)
    assert results(done) == {
        "a": ("done", "a after"),
        "b": ("done", "b after"),
        "c": ("done", "c after a b"),
        "d": ("done", "d after a b c"),
    }
    assert watch.seen[:4] == ["a begins", "b begins", "b: working", "b ends: done"]
    (last,) = [each for each in done.results if each.name == "d"]
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


def test_a_job_that_cannot_start_fails_and_the_others_continue(tmp_path: Path) -> None:
    script = {"a": HostError("a.log: cannot be written: No space left on device")}
    done = results(run(group(waves={"a": 1, "b": 1}), Workers(script), tmp_path))
    assert done == {"a": ("failed", "a.log: cannot be written: No space left on device"), "b": ("done", "b after")}


def test_an_impossible_step_fails_from_the_start(tmp_path: Path) -> None:
    circle = {"a": ("b",), "b": ("a",)}
    outcomes = run(group(needs=circle), Workers(), tmp_path)
    done = results(outcomes)
    assert done["a"] == done["b"]
    assert done["a"][1].startswith("these need each other in a circle: ")
    assert done["c"] == done["d"] == ("held back", "wave 1 is not healthy: a, b")
    assert [each.wave for each in outcomes.results] == [1, 1, 2, 3]
    going = results(run(group(needs={**circle, "c": ("b",)}, hold=Hold.NEEDS), Workers(), tmp_path))
    assert going["c"] == ("held back", "it needs b, which needs itself in a circle")
    assert going["d"] == ("done", "d after")


def test_nothing_begins_after_an_interrupt(tmp_path: Path) -> None:
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
        (0, "done", "passed", ()),
        (5, "failed", "no test was found", ("one", "two")),
    ],
)
def test_a_program_is_judged_by_its_status(
    tmp_path: Path, status: int, result: str, text: str, tail: tuple[str, ...]
) -> None:
    older = tmp_path / "a.log.1"
    script = {"a": Ended(name="a", seconds=1, status=status, log=older, tail=("one", "two"))}
    (found,) = run(group(waves={"a": 1}), Workers(script), tmp_path).results
    assert (found.end.value, found.text, found.tail, found.log) == (result, text, tail, older)


def test_work_can_report_its_own_failure(tmp_path: Path) -> None:
    script = {"a": Ended(name="a", seconds=1, value=worked("exit status 3", failed=True, notes=("late",), status=3))}
    (found,) = run(group(waves={"a": 1}), Workers(script), tmp_path).results
    assert (found.end, found.text, found.notes, found.data) == (
        End.FAILED,
        "exit status 3",
        ("late",),
        {"status": 3},
    )
