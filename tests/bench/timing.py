"""Times and their arithmetic: whole processes, taken in turn, compared by their medians."""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

LIMIT = 300.0
"""Seconds after which a process that is measured hangs."""


class BenchError(Exception):
    """What was to be measured failed, so its time means nothing."""


@dataclass(frozen=True, slots=True)
class Series:
    """Times in seconds, in the order in which they were taken; never empty."""

    times: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.times)

    @property
    def least(self) -> float:
        return min(self.times)

    @property
    def most(self) -> float:
        return max(self.times)


@dataclass(frozen=True, kw_only=True)
class Command:
    """A process to be measured, from before it is started until it has ended: its time, or with `cpu` its CPU time."""

    argv: tuple[str, ...]
    cwd: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    cpu: bool = False

    def of_cpu(self) -> Command:
        """Return the same, measured by the CPU time of the process and those that it waits for."""
        return replace(self, cpu=True)

    def without_caches(self, empty: Path) -> Command:
        """Return the same without any byte code: every module is compiled, as where caches cannot be written."""
        caches = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": str(empty)}
        return replace(self, environ={**self.environ, **caches})

    def __call__(self) -> float:
        """Run it and return the seconds it took; `BenchError` with its output when it did not end well."""
        clock = _cpu_of_children if self.cpu else time.perf_counter
        began = clock()
        done = subprocess.run(
            self.argv,
            cwd=self.cwd,
            env=dict(self.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        took = clock() - began
        if done.returncode:
            raise BenchError(f"{' '.join(self.argv)} ended with status {done.returncode}:\n{done.stdout}")
        return took


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def in_turn(
    commands: Mapping[str, Callable[[], float]], *, rounds: int, progress: Callable[[str], None]
) -> dict[str, Series]:
    """Measure each command once a round, and once before the first, which does not count (caches fill, files load).

    A machine that is busy for a while slows all of them. The order is turned around from round to round, so that none
    always runs on what another left behind.
    """
    times: dict[str, list[float]] = {name: [] for name in commands}
    for name, command in commands.items():
        progress(f"warming up: {name}")
        command()
    for number in range(rounds):
        for name in list(commands)[:: 1 if number % 2 == 0 else -1]:
            progress(f"round {number + 1} of {rounds}: {name}")
            times[name].append(commands[name]())
    return {name: Series(tuple(taken)) for name, taken in times.items()}
