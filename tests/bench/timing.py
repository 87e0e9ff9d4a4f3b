"""Times and their arithmetic: whole processes, taken in turn, compared by their medians."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
    """A process to be measured, from before it is started until it has ended."""

    argv: tuple[str, ...]
    cwd: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    def __call__(self) -> float:
        """Run it and return the seconds it took; `BenchError` with its output when it did not end well."""
        began = time.perf_counter()
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
        took = time.perf_counter() - began
        if done.returncode:
            raise BenchError(f"{' '.join(self.argv)} ended with status {done.returncode}:\n{done.stdout}")
        return took


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
