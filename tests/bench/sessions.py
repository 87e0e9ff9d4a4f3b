"""Sessions over ten containers: to be ready, unchanged, with workers, or only listed; with byte code and without."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.figure import Figure, ratio
from tests.bench.fleet import SIZE, Fleet
from tests.bench.timing import Command, Series, in_turn

Progress = Callable[[str], None]
WORKERS = 2


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What the ratios may be: sessions to the bare SDK, with workers to without, a listing to plain pytest's."""

    ready: float
    unchanged: float
    workers: float
    listed: float
    aim: float | None = None


WARM = Bounds(ready=0.85, unchanged=0.22, workers=1.0, listed=1.8, aim=0.7)
COLD = Bounds(ready=1.3, unchanged=0.6, workers=1.3, listed=1.8)
"""Without byte code, when every process compiles what it loads, and each worker what the controller has compiled."""


def sessions(ships: Fleet, *, only: frozenset[str], rounds: int, progress: Progress) -> Iterator[Figure]:
    """Measure whole sessions against a script over the bare SDK, and listings against plain pytest."""
    with TemporaryDirectory(prefix="kharness-bench-") as scratch:
        for kind, bounds, empty in (("", WARM, None), (", no byte code", COLD, Path(scratch))):
            if only & {"ready", "unchanged", "workers"}:
                yield from _run(ships, kind, bounds, empty, only=only, rounds=rounds, progress=progress)
            if "listed" in only:
                yield _listed(ships, kind, bounds, empty, rounds=rounds, progress=progress)


def _run(
    ships: Fleet,
    kind: str,
    bounds: Bounds,
    empty: Path | None,
    *,
    only: frozenset[str],
    rounds: int,
    progress: Progress,
) -> Iterator[Figure]:
    all_commands = {
        "bare": ships.bare(),
        "ready": ships.pytest("--ready"),
        "unchanged": ships.pytest("--ready", "--if-changed"),
        "workers": ships.pytest("-n", str(WORKERS), "--ready"),
    }
    wanted = {"bare", "ready", *only}
    commands = {name: _compiled(each, empty) for name, each in all_commands.items() if name in wanted}
    times = in_turn(commands, rounds=rounds, progress=progress)
    bare = ("a script over the bare SDK, one after the other", times["bare"])
    ready = ("pytest containers --ready", times["ready"])
    if "ready" in only:
        title = f"--ready, {SIZE} containers, to the bare SDK{kind}"
        yield _figure(title, (ready, bare), bounds.ready, aim=bounds.aim)
    if "unchanged" in only:
        unchanged = ("pytest containers --ready --if-changed", times["unchanged"])
        yield _figure(f"--if-changed, {SIZE} unchanged, to the bare SDK{kind}", (unchanged, bare), bounds.unchanged)
    if "workers" in only:
        workers = (f"pytest containers -n {WORKERS} --ready", times["workers"])
        yield _figure(f"--ready with -n {WORKERS}, to without{kind}", (workers, ready), bounds.workers)


def _listed(ships: Fleet, kind: str, bounds: Bounds, empty: Path | None, *, rounds: int, progress: Progress) -> Figure:
    with TemporaryDirectory(prefix="kharness-bench-") as scratch:
        plain = _plain(Path(scratch), ships)
        ours = ships.pytest("--ready", "--collect-only", "-q")
        commands = {"ours": _compiled(ours, empty).of_cpu(), "plain": _compiled(plain, empty).of_cpu()}
        times = in_turn(commands, rounds=rounds, progress=progress)
    parts = (("pytest containers --ready --collect-only", times["ours"]), ("pytest --collect-only", times["plain"]))
    return _figure(f"CPU of a listing of {SIZE}, to plain tests{kind}", parts, bounds.listed)


def _plain(project: Path, ships: Fleet) -> Command:
    """Return plain pytest over as many directories with a test each."""
    for number in range(SIZE):
        directory = project / "tests" / f"t{number}"
        directory.mkdir(parents=True)
        (directory / "test_it.py").write_text("def test_it():\n    assert 1 + 1 == 2\n")
    (project / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    argv = (sys.executable, "-m", "pytest", "tests", "-p", "no:kharness", "--collect-only", "-q")
    return Command(argv=argv, cwd=project, environ=ships.environ)


def _compiled(command: Command, empty: Path | None) -> Command:
    return command if empty is None else command.without_caches(empty)


def _figure(title: str, parts: tuple[tuple[str, Series], ...], bound: float, *, aim: float | None = None) -> Figure:
    measured, to = parts
    return Figure(title=title, value=ratio(measured[1], to[1]), bound=bound, aim=aim, unit="x", parts=parts)
