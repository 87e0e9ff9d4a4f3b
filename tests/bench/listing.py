"""Commands that look at production, beside the engine's own client: whole processes, on five running containers."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from kharness.engine.api import Engine
from kharness.plan.launch.runspec import Attachment, RunSpec
from kharness.settings.project import derived
from tests.bench.figure import Figure, ratio
from tests.bench.fleet import COMMAND, Fleet
from tests.bench.timing import BenchError, Command, in_turn

CONTAINERS = 5
MAP, OTHERS = 5.0, 20.0
"""How many times as long as the client they may take."""
CPU, COLD_CPU = 7.0, 60.0
"""How many times its CPU time `ps` may take, with byte code and where all that it loads is compiled first."""

Progress = Callable[[str], None]


def listing(engine: Engine, ships: Fleet, *, rounds: int, progress: Progress) -> Iterator[Figure]:
    """Measure `map`, `ps` and `ip` against `docker ps`."""
    client = shutil.which("docker")
    if client is None:
        raise BenchError("the docker client is what they are measured against: apt-get install -y docker-cli")
    with ExitStack() as stack:
        for number in range(CONTAINERS):
            _launch(stack, engine, ships, f"{ships.name}-{number}")
        ours = {"map": (), "ps": (), "ip": (f"{ships.name}-0",)}
        program = str(Path(sys.executable).with_name("kharness"))
        commands = {word: _command(ships, program, word, *more) for word, more in ours.items()}
        docker = _command(ships, client, "ps")
        times = in_turn({"docker": docker, **commands}, rounds=rounds, progress=progress)
        empty = Path(stack.enter_context(TemporaryDirectory(prefix="kharness-bench-")))
        used = {"docker": docker, "ps": commands["ps"], "compiled": commands["ps"].without_caches(empty)}
        cpu = in_turn({name: each.of_cpu() for name, each in used.items()}, rounds=rounds, progress=progress)
    for word in ours:
        yield Figure(
            title=f"kharness {word}, {CONTAINERS} containers, to docker ps",
            value=ratio(times[word], times["docker"]),
            bound=MAP if word == "map" else OTHERS,
            unit="x",
            parts=((f"kharness {word}", times[word]), ("docker ps", times["docker"])),
        )
    for name, kind, bound in (("ps", "", CPU), ("compiled", ", no byte code", COLD_CPU)):
        yield Figure(
            title=f"CPU of kharness ps, to docker ps{kind}",
            value=ratio(cpu[name], cpu["docker"]),
            bound=bound,
            unit="x",
            parts=(("kharness ps", cpu[name]), ("docker ps", cpu["docker"])),
        )


def _launch(stack: ExitStack, engine: Engine, ships: Fleet, name: str) -> None:
    live = f"{ships.name}/{name}:live"
    engine.tag(ships.image, live)
    joined = (Attachment(network="bridge"),)
    said = ships.production(engine, name, project=derived(ships.project.name), folder=ships.project)
    spec = RunSpec(name=name, image=live, command=COMMAND, labels=said, networks=joined)
    container = engine.create(spec)
    stack.callback(engine.remove, container, force=True)
    engine.start(container)


def _command(ships: Fleet, *argv: str) -> Command:
    return Command(argv=argv, cwd=ships.project, environ=ships.environ)
