"""Move the owners of a container directory's data to the mapping that the engine has now."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path, PurePosixPath

from kharness.errors import RefusedError, UsageError
from kharness.host.locks import lock
from kharness.host.shift import shift_tree
from kharness.ops.harness import Harness
from kharness.ops.idmap import id_maps
from kharness.ops.inhand import running_mounters
from kharness.ops.prepare import NOT_HERE, refuse_elsewhere
from kharness.ops.recover import settle
from kharness.ops.release import LOCK_TIMEOUT
from kharness.plan import labels
from kharness.plan.mounts import resolve_source
from kharness.plan.shift import Moved, Shift, plan_shift
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import Settings


def shift_owners(harness: Harness, directory: ContainerDir, said: str, *, dry_run: bool) -> tuple[Moved, ...]:
    """Move the owners of all volumes below `DV/NAME/`, and of the named ones, from a mapping to the engine's.

    `said` is what was typed, see `plan_shift`. Raises `UsageError`, `HostError`, and `RefusedError` while production,
    or whoever else mounts them, runs: it would meet files of nobody.
    """
    refuse_elsewhere(harness, directory.name)
    shift = plan_shift(said, id_maps(harness))
    settings = harness.settings(directory)
    if os.geteuid() and not dry_run:
        raise UsageError(
            f"{directory.name}: owners are moved by root: run 'sudo kharness prep {directory.name} --shift-from {said} "
            "--fix'"
        )
    held = nullcontext() if dry_run else lock(harness.locks, f"release-{directory.name}", timeout=LOCK_TIMEOUT)
    with held:
        if not dry_run:
            # Otherwise the data that are put back later keep the old owners.
            settle(harness, directory.name)
        sources = _sources(harness, directory.name, settings)
        if not dry_run:
            _refuse_running(harness, directory.name)
            _refuse_mounted(harness, directory.name, sources)
        return tuple(_shifted(harness, name, place, shift, dry_run=dry_run) for name, place in sources)


def _refuse_running(harness: Harness, name: str) -> None:
    for found in harness.engine.containers(labels=labels.of_production(name)):
        if found.up:
            raise RefusedError(
                f"{name}: owners are not moved while {found.name} runs; 'docker stop {found.name}' first"
            )


def _refuse_mounted(harness: Harness, name: str, sources: tuple[tuple[str, tuple[Path, str] | str], ...]) -> None:
    for said, place in sources:
        users = running_mounters(harness, Path(*place)) if isinstance(place, tuple) else ()
        for found in users:
            advice = f"'docker stop {found.name}' first"
            raise RefusedError(f"{name}: owners in {said} are not moved while {found.name} has it mounted; {advice}")


def _sources(harness: Harness, name: str, settings: Settings) -> tuple[tuple[str, tuple[Path, str] | str], ...]:
    """Return each source with root and path below it, or why it is left alone; what is inside another is that one's."""
    own = harness.volume_root / name
    found: dict[str, tuple[Path, str] | str] = {}
    outer: list[PurePosixPath] = []
    for volume in sorted(settings.volumes, key=lambda each: each.source or ""):
        source = volume.source
        if source is None or volume.type == "tmpfs":
            continue
        if volume.type == "volume":
            there = harness.engine.volume(source)
            missing = NOT_HERE.format(source) if there else "there is no such volume"
            found[source] = (Path(there.directory), ".") if there and there.directory else missing
            continue
        path = PurePosixPath(resolve_source(source, name=name, volume_root=harness.volume_root))
        if not path.is_relative_to(own):
            found[source] = f"is not below {own}, and may be others', too; move it by hand"
        elif not any(path.is_relative_to(other) for other in outer):
            outer.append(path)
            found[source] = (Path(harness.volume_root), str(path.relative_to(harness.volume_root)))
    return tuple(found.items())


def _shifted(harness: Harness, said: str, place: tuple[Path, str] | str, shift: Shift, *, dry_run: bool) -> Moved:
    if isinstance(place, str):
        return Moved(said=said, shift=shift, why=place)
    harness.report("", f" {said}: looking at every owner")
    found = shift_tree(*place, shift, dry_run=dry_run)
    return Moved(said=said, shift=shift, found=found, why="" if found else "is not there")
