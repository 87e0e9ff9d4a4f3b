from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench.figure import Figure, milliseconds_more, ratio, table
from tests.bench.timing import Command, Series, in_turn


def test_one_slow_run_moves_no_median() -> None:
    assert ratio(Series((1.0, 1.0, 9.0)), Series((2.0, 2.0, 2.0))) == 0.5
    assert milliseconds_more(Series((0.510, 0.512, 3.0)), Series((0.500, 0.500, 0.500))) == pytest.approx(12.0)


def test_a_plugin_that_costs_nothing_may_come_out_below_nothing() -> None:
    assert milliseconds_more(Series((0.5,)), Series((0.501,))) == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("value", "met", "verdict"),
    [(0.7, True, "met"), (0.71, True, "met, not the aim"), (1.0, True, "met, not the aim"), (1.01, False, "MISSED")],
)
def test_a_bound_is_met_by_its_own_value_and_an_aim_too(value: float, met: bool, verdict: str) -> None:  # noqa: FBT001
    figure = Figure(title="a", value=value, bound=1.0, aim=0.7, unit="x")
    assert (figure.met, figure.verdict) == (met, verdict)


def test_the_table_has_the_times_below_each_figure() -> None:
    figure = Figure(title="ready", value=0.5, bound=1.0, unit="x", parts=(("bare", Series((0.25, 1.5))),))
    assert [line.split() for line in table([figure])][1:] == [
        ["ready", "0.50", "x", "1.00", "x", "met"],
        ["bare", "875", "ms", "250", "ms", "1.50", "s"],
    ]


def test_commands_take_turns_and_change_their_order_and_the_first_runs_do_not_count() -> None:
    ran: list[str] = []
    clock = itertools.count()

    def command(name: str) -> Callable[[], float]:
        def run() -> float:
            ran.append(name)
            return float(next(clock))

        return run

    times = in_turn({"a": command("a"), "b": command("b")}, rounds=3, progress=lambda _text: None)
    assert "".join(ran) == "ab" + "ab" + "ba" + "ab"
    assert (times["a"].times, times["b"].times) == ((2.0, 5.0, 6.0), (3.0, 4.0, 7.0))


def test_the_time_of_a_process_has_its_waits_and_its_cpu_time_has_not(tmp_path: Path) -> None:
    sleeps = Command(argv=(sys.executable, "-S", "-c", "import time; time.sleep(1)"), cwd=tmp_path)
    assert sleeps() >= 1 > sleeps.of_cpu()() > 0


def test_without_caches_nothing_that_was_compiled_before_is_read_or_written(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("print(__cached__)\n")
    command = Command(argv=(sys.executable, "-c", "import one"), cwd=tmp_path).without_caches(tmp_path / "empty")
    assert command() > 0
    assert not (tmp_path / "empty").exists()
    assert not (tmp_path / "__pycache__").exists()
