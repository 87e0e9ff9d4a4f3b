"""The command line: measure what was asked for, print the table, end with 1 when a bound is missed."""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from kharness.engine.api import Engine
from kharness.engine.connect import connect
from kharness.errors import KharnessError
from tests.bench.compose import compose
from tests.bench.copies import copies
from tests.bench.detection import detection
from tests.bench.drift import drift
from tests.bench.figure import Figure, milliseconds_more, table
from tests.bench.fleet import fleet
from tests.bench.launch import launch
from tests.bench.listing import listing
from tests.bench.machine import machine
from tests.bench.sessions import sessions
from tests.bench.timing import BenchError, in_turn
from tests.bench.unrelated import unrelated

SESSIONS = frozenset({"ready", "unchanged", "workers", "listed"})
ON_FLEET = SESSIONS | {"detection", "drift", "launch", "listing"}
FIGURES = (*sorted(ON_FLEET), "plugin", "copies", "compose")
SAMPLES = 4
"""Waits for readiness a round: one is over in a second."""
SCANS = 4
"""Scans a round."""
LISTS = 3
"""Lists a round: each is over in a fifth of a second."""
STARTS = 6
"""Starts of an unrelated pytest a round: the difference is a hundredth of their time."""

Progress = Callable[[str], None]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 0 when every bound is met, 1 when one is missed, 2 when something could not be measured."""
    options = _options(argv)
    only = frozenset(options.only or FIGURES)
    try:
        engine = connect(host=None, environ=os.environ, home=Path.home())
        _say(machine(engine), f"{options.rounds} rounds", "")
        figures = tuple(_figures(engine, only=only, rounds=options.rounds))
    except (BenchError, KharnessError) as error:
        sys.stderr.write(f"\nbench: {error}\n")
        return 2
    _say(*table(figures))
    return 0 if all(figure.met for figure in figures) else 1


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="measured rounds (default: %(default)s)")
    parser.add_argument("--only", action="append", choices=FIGURES, help="measure only this; may be given repeatedly")
    return parser.parse_args(argv)


def _figures(engine: Engine, *, only: frozenset[str], rounds: int) -> Iterator[Figure]:
    if only & ON_FLEET:
        yield from _sessions(engine, only=only, rounds=rounds)
    if "plugin" in only:
        yield _plugin(rounds=rounds)
    if "compose" in only:
        yield compose(rounds=rounds)
    if "copies" in only:
        yield from copies(rounds=rounds, progress=_progress)


def _sessions(engine: Engine, *, only: frozenset[str], rounds: int) -> Iterator[Figure]:
    with fleet(engine) as ships:
        if only & SESSIONS:
            yield from sessions(ships, only=only, rounds=rounds, progress=_progress)
        if "drift" in only:
            # A scan is over in a twentieth of a second.
            yield from drift(engine, ships, rounds=rounds * SCANS, progress=_progress)
        if "launch" in only:
            yield launch(engine, ships, rounds=rounds, progress=_progress)
        if "listing" in only:
            yield from listing(engine, ships, rounds=rounds * LISTS, progress=_progress)
        if "detection" in only:
            chance = random.Random()
            found = detection(engine, ships, samples=rounds * SAMPLES, chance=chance, progress=_progress)
            yield Figure(
                title="readiness noticed after the service answers",
                value=found.median * 1000,
                bound=120,
                unit="ms",
                parts=((f"{len(found.times)} launches", found),),
            )


def _plugin(*, rounds: int) -> Figure:
    with TemporaryDirectory(prefix="kharness-bench-") as scratch:
        times = in_turn(unrelated(Path(scratch)), rounds=rounds * STARTS, progress=_progress)
    return Figure(
        title="the plugin in an unrelated project",
        value=milliseconds_more(times["with"], times["without"]),
        bound=15,
        unit="ms",
        parts=(("pytest", times["with"]), ("pytest -p no:kharness", times["without"])),
    )


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()
