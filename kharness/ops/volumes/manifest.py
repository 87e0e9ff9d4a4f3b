"""Watched paths of volumes: recorded when the user accepts them, and compared with the record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kharness.errors import HostError, KharnessError, UsageError
from kharness.host.volumes import manifest
from kharness.ops.harness import Harness
from kharness.plan.drift.changes import Drifted
from kharness.plan.facts import ContainerFacts
from kharness.plan.volumes.manifest import ManifestEntry, drifted_since
from kharness.settings.policy import DriftSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What differs in watched paths, and which of them could not be compared, and why."""

    drifted: tuple[Drifted, ...] = ()
    problems: tuple[str, ...] = ()


def watched(harness: Harness, name: str, drift: DriftSettings, container: ContainerFacts) -> Watched:
    """Compare a running container's watched paths with what is recorded; nothing is raised for what cannot be seen."""
    if not drift.watch:
        return Watched()
    drifted: list[Drifted] = []
    problems: list[str] = []
    try:
        known = manifest.load(manifest_file(harness, name))
    except HostError as error:
        return Watched(problems=(str(error),))
    for path in drift.watch:
        if path not in known:
            record = f"'kharness cowscan --accept {name}' records what is there now"
            problems.append(f"drift.watch: nothing is recorded of {path} yet: {record}")
            continue
        try:
            drifted += drifted_since(known[path], _look(harness, path, container))
        except KharnessError as error:
            problems.append(f"drift.watch: {path} could not be seen: {error}")
    return Watched(drifted=tuple(drifted), problems=tuple(problems))


def accept(harness: Harness, name: str, drift: DriftSettings, container: ContainerFacts) -> Iterator[tuple[str, int]]:
    """Record what is in the watched paths of a running container; yield each, and its number of entries.

    Raises `UsageError` where nothing is watched, `HostError` where something cannot be seen; then nothing is recorded.
    """
    if not drift.watch:
        raise UsageError(
            f"{name}: nothing of its volumes is watched, 'drift: {{watch: [...]}}' of settings.yaml is empty"
        )
    found = {path: _look(harness, path, container) for path in drift.watch}
    manifest.save(manifest_file(harness, name), found)
    yield from ((path, len(entries)) for path, entries in found.items())


def forget_manifest(harness: Harness, name: str) -> None:
    """Forget what is recorded of a container's watched paths. Raises `HostError`."""
    file = manifest_file(harness, name)
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise HostError(f"{file}: cannot be removed: {error.strerror}") from error


def _look(harness: Harness, path: str, container: ContainerFacts) -> dict[str, ManifestEntry]:
    if not harness.engine.facts().local:
        raise UsageError("volumes are compared on the engine's host, and the engine is not on this one")
    inside = PurePosixPath(path)
    # A list of containers does not have all of their mounts on every engine.
    container = harness.engine.container(container.id) or container
    mounts = [mount for mount in container.mounts if inside.is_relative_to(mount.target) and mount.kind != "tmpfs"]
    if not mounts:
        raise HostError(f"{container.name} has no volume there")
    mount = max(mounts, key=lambda each: len(PurePosixPath(each.target).parts))
    source = mount.source
    if mount.kind == "volume":
        volume = harness.engine.volume(mount.name)
        source = volume.directory if volume else ""
    if not source:
        raise HostError("only a container that mounts this volume sees what is in it")
    return manifest.manifest_in(Path(source), inside.relative_to(mount.target).parts, path)


def manifest_file(harness: Harness, name: str) -> Path:
    """Return the file of what is recorded of a container's watched paths."""
    return harness.home / "manifests" / f"{name}.json"
