"""A scan of running containers that changed nothing, beside the engine's bare diffs of the same, in one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from kharness.engine.api import Engine
from kharness.host.drift.layers import why_blind
from kharness.ops.drift.scan import running, scan
from kharness.ops.harness import Harness
from kharness.ops.opening import open_harness
from kharness.plan.launch.runspec import RunSpec
from kharness.settings.host import HostSettings
from kharness.settings.project import DEFAULT_PROJECT
from tests.bench.figure import Figure, ratio
from tests.bench.fleet import COMMAND, Fleet
from tests.bench.timing import BenchError, in_turn

CONTAINERS, THREADS = 20, 4
SETTINGS = "image: {image}\ndrift: {{expect: [/var/log/**, {{path: /run/*.pid, type: file, max_size: 1k}}]}}\n"

Progress = Callable[[str], None]


def drift(engine: Engine, ships: Fleet, *, rounds: int, progress: Progress) -> Iterator[Figure]:
    """Measure both ways to see what containers changed; the first one needs root on the engine's host."""
    if blind := why_blind():
        raise BenchError(f"layers cannot be read here: {blind}")
    with _ashore(engine, ships) as ours:
        ways = {
            "diffs": partial(_diffs, engine, ours.containers),
            "layers": partial(_scan, ours, layers=True),
            "engine": partial(_scan, ours, layers=False),
        }
        times = in_turn(ways, rounds=rounds, progress=progress)
    bare = (f"the engine's diffs alone, {THREADS} at a time", times["diffs"])
    for way, title, bound in (("layers", "by their layers", 1.0), ("engine", "by the engine's diffs", 1.5)):
        yield Figure(
            title=f"a scan of {CONTAINERS} containers {title}",
            value=ratio(times[way], times["diffs"]),
            bound=bound,
            unit="x",
            parts=(("list, settings, token, look, judge", times[way]), bare),
        )


@dataclass(frozen=True, kw_only=True)
class _Ours:
    """The containers, and the harness that knows them."""

    harness: Harness
    prefix: str
    containers: tuple[str, ...]


@contextmanager
def _ashore(engine: Engine, ships: Fleet) -> Iterator[_Ours]:
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="kharness-bench-")))
        prefix = f"{ships.name}-drift"
        made = []
        for number in range(CONTAINERS):
            name = f"{prefix}-{number}"
            directory = scratch / "containers" / name
            directory.mkdir(parents=True)
            (directory / "settings.yaml").write_text(SETTINGS.format(image=ships.image))
            said = ships.production(engine, name, project=DEFAULT_PROJECT, folder=scratch / "containers")
            container = engine.create(RunSpec(name=name, image=ships.image, command=COMMAND, labels=said))
            stack.callback(engine.remove, container, force=True)
            engine.start(container)
            made.append(container)
        host = HostSettings(source_paths=(scratch / "containers",), state_dir=scratch / "state", dv=scratch / "dv")
        harness = open_harness(folder=None, environ={}, engine=engine, host=host)
        yield _Ours(harness=harness, prefix=prefix, containers=tuple(made))


def _diffs(engine: Engine, containers: tuple[str, ...]) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(engine.diff, containers))
    return time.perf_counter() - began


def _scan(ours: _Ours, *, layers: bool) -> float:
    began = time.perf_counter()
    targets = [target for target in running(ours.harness) if target.name.startswith(ours.prefix)]
    found = scan(ours.harness, targets, layers=layers)
    took = time.perf_counter() - began
    if len(found) != CONTAINERS or not all(each.ok for each in found):
        raise BenchError(f"the scan should say that all is ok: {[each.problem or each.verdict.left for each in found]}")
    return took
