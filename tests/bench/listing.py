"""Commands that look at production, beside the engine's own client: whole processes, on five running containers."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from kharness.engine.api import Engine
from kharness.plan import labels
from kharness.plan.runspec import Attachment, RunSpec
from tests.bench.figure import Figure, ratio
from tests.bench.fleet import COMMAND, Fleet
from tests.bench.timing import BenchError, Command, in_turn

CONTAINERS = 5
MAP, OTHERS = 5.0, 20.0
"""How many times as long as the client they may take."""

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
        commands = {word: _command(ships, sys.executable, "-m", "kharness", word, *more) for word, more in ours.items()}
        times = in_turn({"docker": _command(ships, client, "ps"), **commands}, rounds=rounds, progress=progress)
    for word in ours:
        yield Figure(
            title=f"kharness {word}, {CONTAINERS} containers, to docker ps",
            value=ratio(times[word], times["docker"]),
            bound=MAP if word == "map" else OTHERS,
            unit="x",
            parts=((f"kharness {word}", times[word]), ("docker ps", times["docker"])),
        )


def _launch(stack: ExitStack, engine: Engine, ships: Fleet, name: str) -> None:
    live = f"{ships.name}/{name}:live"
    engine.tag(ships.image, live)
    joined = (Attachment(network="bridge"),)
    spec = RunSpec(name=name, image=live, command=COMMAND, labels=labels.of_production(name), networks=joined)
    container = engine.create(spec)
    stack.callback(engine.remove, container, force=True)
    engine.start(container)


def _command(ships: Fleet, *argv: str) -> Command:
    return Command(argv=argv, cwd=ships.project, environ=ships.environ)
