"""`kharness prep`: prepare what production needs by hand, and move the owners of data to the engine's id mapping."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path, PurePosixPath

from kharness.errors import RefusedError, UsageError
from kharness.host.locks import lock
from kharness.host.volumes.idmap import shift_tree
from kharness.ops.harness import Harness
from kharness.ops.project.identity import productions, refuse_shared_volumes
from kharness.ops.release.recover import settle
from kharness.ops.release.release import LOCK_TIMEOUT
from kharness.ops.volumes.idmap import id_maps
from kharness.ops.volumes.mounters import running_mounters
from kharness.ops.volumes.prepare import NOT_HERE, prepare, refuse_elsewhere
from kharness.ops.volumes.root import as_root
from kharness.plan.launch.mounts import resolve_source
from kharness.plan.launch.plan import Subject
from kharness.plan.volumes.idmap import Moved, Shift, plan_shift
from kharness.plan.volumes.prepare import Prepared
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import Settings


def shift_owners(harness: Harness, directory: ContainerDir, said: str, *, dry_run: bool) -> tuple[Moved, ...]:
    """Move the owners of all volumes below `DV/NAME/`, and of the named ones, from a mapping to the engine's.

    `said` is what was typed, see `plan_shift`. Raises `UsageError`, `HostError`, and `RefusedError` while production,
    or another container that mounts them, runs: it would meet files of unmapped owners.
    """
    refuse_elsewhere(harness, directory.name)
    shift = plan_shift(said, id_maps(harness))
    settings = harness.settings(directory)
    if os.geteuid() and not dry_run:
        command = as_root(harness, f"kharness prep {directory.name} --shift-from {said} --fix")
        raise UsageError(f"{directory.name}: owners are moved by root: run '{command}'")
    held = nullcontext() if dry_run else lock(harness.locks, f"release-{directory.name}", timeout=LOCK_TIMEOUT)
    with held:
        if not dry_run:
            # Otherwise the data that are put back later keep the old owners.
            settle(harness, directory.name)
            refuse_shared_volumes(harness, directory.name)
        sources = _sources(harness, directory.name, settings)
        if not dry_run:
            _refuse_running(harness, directory.name)
            _refuse_mounted(harness, directory.name, sources)
        return tuple(_shifted(harness, name, place, shift, dry_run=dry_run) for name, place in sources)


def _refuse_running(harness: Harness, name: str) -> None:
    for found in productions(harness, name):
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
    harness.report("", f" {said}: checking every owner")
    found = shift_tree(*place, shift, dry_run=dry_run)
    return Moved(said=said, shift=shift, found=found, why="" if found else "is not there")


def prep(
    harness: Harness, directory: ContainerDir, *, dry_run: bool = False, fix: bool = False
) -> tuple[Prepared, ...]:
    """Prepare what production of a directory needs, by its `:live` image, else by `:latest`.

    Raises `UsageError` where there is no image or the engine does not see this host's files, `HostError`, `EngineError`
    and `LaunchError`.
    """
    settings = harness.settings(directory)
    if not settings.prepare:
        return ()
    if dry_run:
        return prepare(harness, _subject(harness, directory, settings), dry_run=True, fix=fix)
    with lock(harness.locks, f"release-{directory.name}", timeout=LOCK_TIMEOUT):
        # Data that are still to be put back would find something in their place.
        settle(harness, directory.name)
        refuse_shared_volumes(harness, directory.name)
        return prepare(harness, _subject(harness, directory, settings), fix=fix)


def _subject(harness: Harness, directory: ContainerDir, settings: Settings) -> Subject:
    tags = harness.tags(directory.name)
    image = harness.engine.image(tags.live) or harness.engine.image(tags.latest)
    if image is None:
        advice = f"'kharness build {directory.name}' makes one"
        raise UsageError(f"{directory.name}: there is no image yet that defines its users; {advice}")
    # Without the values of `env_file`, which nothing here needs.
    built = settings.image is None
    return Subject(name=directory.name, settings=settings, image=image, built=built, directory=directory.path)
