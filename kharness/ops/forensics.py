"""Keep what an odd container was like, before anything is done about it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from kharness.errors import HostError, KharnessError
from kharness.host.drift import why_blind
from kharness.host.forensics import archive_layer, keep_text, make_store
from kharness.ops.harness import Harness
from kharness.plan.drift import Scanned
from kharness.plan.facts import ProcessFacts
from kharness.plan.layers import layers_of
from kharness.plan.untouched import shown
from kharness.report.drift import drift_value

REPOSITORY = "kharness-evidence"
"""Images of containers whose layers cannot be read here are `kharness-evidence/NAME:TIME`."""


def save_evidence(harness: Harness, found: Scanned, *, at: float | None = None) -> Path:
    """Save processes, changed files, diff, state and logs of a container, and return the directory.

    It is `evidence/NAME-TIME` of the state directory, and only its owner may enter it. Raises `HostError` that names
    what could not be saved; what could be is there then.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(at))
    directory = harness.state_dir / "evidence" / f"{found.name}-{stamp}"
    make_store(directory)
    problems = (_kept(name, step) for name, step in _steps(harness, found, directory, stamp))
    if wrong := [problem for problem in problems if problem]:
        raise HostError("\n".join((f"{directory}: the evidence of {found.name} is not complete", *wrong)))
    return directory


def _steps(harness: Harness, found: Scanned, directory: Path, stamp: str) -> Iterator[tuple[str, Callable[[], object]]]:
    engine, container = harness.engine, found.id
    # What changes fastest comes first.
    yield "processes", lambda: keep_text(directory / "processes.txt", _table(engine.processes(container)))
    yield "changed files", lambda: _keep_files(harness, found, directory, stamp)
    yield "drift", lambda: keep_text(directory / "drift.json", json.dumps(drift_value([found]), indent=2))
    yield "diff", lambda: keep_text(directory / "diff.txt", _diff(harness, container))
    yield "inspect", lambda: keep_text(directory / "inspect.json", _inspected(harness, container))
    yield "logs", lambda: keep_text(directory / "logs.txt", engine.logs(container))


def _kept(name: str, step: Callable[[], object]) -> str:
    try:
        step()
    except KharnessError as error:
        return f"{name}: {error}"
    return ""


def _keep_files(harness: Harness, found: Scanned, directory: Path, stamp: str) -> None:
    facts = harness.engine.container(found.id)
    layers = layers_of(facts) if facts and harness.engine.facts().local and not why_blind() else None
    if layers is not None:
        archive_layer(layers.upper, directory / "changed.tar")
        return
    reference = f"{REPOSITORY}/{found.name.lower()}:{stamp}"
    image = harness.engine.commit(found.id, reference)
    keep_text(directory / "image.txt", f"{reference} {image.id}\n")


def _diff(harness: Harness, container: str) -> str:
    return "".join(f"{change.kind} {shown(change.path)}\n" for change in harness.engine.diff(container))


def _inspected(harness: Harness, container: str) -> str:
    facts = harness.engine.container(container)
    return json.dumps(facts.raw if facts else None, indent=2)


def _table(processes: tuple[ProcessFacts, ...]) -> str:
    rows = ((each.pid, each.ppid, each.uid, each.command) for each in processes)
    return "".join("\t".join(map(str, row)) + "\n" for row in (("pid", "ppid", "uid", "command"), *rows))
