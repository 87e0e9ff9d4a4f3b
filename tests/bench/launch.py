"""Twenty production containers from nothing to healthy, beside a script that launches the same with the SDK alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from kharness.engine.api import Engine
from tests.bench.bare_launch import THREADS
from tests.bench.figure import Figure, ratio
from tests.bench.fleet import PORT, SETTINGS, Fleet
from tests.bench.timing import BenchError, Command, in_turn

CONTAINERS = 20

Progress = Callable[[str], None]


def launch(engine: Engine, ships: Fleet, *, rounds: int, progress: Progress) -> Figure:
    """Measure both ways; what they have launched is removed in between."""
    with _harbour(engine, ships) as ours:
        ways = {
            "up-all": partial(_from_nothing, ours, ours.up_all()),
            "bare": partial(_from_nothing, ours, ours.bare()),
        }
        times = in_turn(ways, rounds=rounds, progress=progress)
    return Figure(
        title=f"up-all, {CONTAINERS} containers, to the bare SDK",
        value=ratio(times["up-all"], times["bare"]),
        bound=1.25,
        unit="x",
        parts=(
            (f"kharness up-all --parallel {THREADS}", times["up-all"]),
            (f"a script over the bare SDK, {THREADS} threads", times["bare"]),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class _Harbour:
    """A project of production containers, all of one wave."""

    engine: Engine
    ships: Fleet
    prefix: str
    project: Path

    def up_all(self) -> Command:
        argv = (sys.executable, "-m", "kharness", "up-all", "--parallel", str(THREADS))
        state = {"KHARNESS_STATE_DIR": str(self.project / "state"), "KHARNESS_DV": str(self.project / "dv")}
        return Command(argv=argv, cwd=self.project, environ={**self.ships.environ, **state})

    def bare(self) -> Command:
        script = Path(__file__).with_name("bare_launch.py")
        argv = (sys.executable, str(script), self.ships.image, self.prefix, str(CONTAINERS), str(PORT))
        return Command(argv=argv, cwd=self.project, environ=self.ships.environ)

    def running(self) -> tuple[str, ...]:
        found = (each for each in self.engine.containers() if each.name.startswith(self.prefix))
        return tuple(each.id for each in found if each.running)

    def clear(self) -> None:
        for each in self.engine.containers():
            if each.name.startswith(self.prefix):
                self.engine.remove(each.id, force=True)


@contextmanager
def _harbour(engine: Engine, ships: Fleet) -> Iterator[_Harbour]:
    prefix = f"{ships.name}-launch"
    with TemporaryDirectory(prefix="kharness-bench-") as scratch:
        project = Path(scratch)
        (project / "pyproject.toml").write_text('[tool.kharness]\nsource_paths = ["containers"]\n')
        for number in range(CONTAINERS):
            directory = project / "containers" / f"{prefix}-{number}"
            directory.mkdir(parents=True)
            (directory / "settings.yaml").write_text(f"{SETTINGS.format(image=ships.image)}autostart: 1\n")
            engine.tag(ships.image, f"{ships.name}/{directory.name}:live")
        ours = _Harbour(engine=engine, ships=ships, prefix=prefix, project=project)
        try:
            yield ours
        finally:
            ours.clear()


def _from_nothing(ours: _Harbour, command: Command) -> float:
    took = command()
    if (count := len(ours.running())) != CONTAINERS:
        raise BenchError(f"{CONTAINERS} containers should run, not {count}")
    ours.clear()
    return took
