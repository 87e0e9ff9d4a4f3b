"""Prepare the directories and files that a container directory declares, by hand and before every launch.

Directories that were made for a container are given to the container's user, who may have another id on the host.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from kharness.errors import HostError, KharnessError, LaunchError, UsageError
from kharness.host.volumes.prepare import prepare_item
from kharness.ops.harness import Harness
from kharness.ops.image.contents import command_output, image_files
from kharness.ops.volumes.idmap import give_to_root, id_maps, shares_files
from kharness.ops.volumes.root import as_root, check_volume_root, make_volume_root
from kharness.plan.launch.mounts import VolumePlan
from kharness.plan.launch.plan import LaunchPlan, Subject
from kharness.plan.launch.runspec import MountKind
from kharness.plan.launch.users import resolve_user
from kharness.plan.volumes.prepare import (
    Item,
    ItemKind,
    Prepared,
    PreparedState,
    in_test_instance,
    needs_names,
    plan_prepare,
)


def contents_of(harness: Harness, subject: Subject, item: Item) -> bytes:
    """Return the contents of a new file: a text, another file's contents, or a command's output.

    Raises `HostError` for a file that cannot be read or is not in the container directory, `LaunchError` for a command
    that fails, `EngineError`.
    """
    said = item.contents
    if said is None:
        return b""
    if said.command is not None:
        try:
            return command_output(harness, subject, said.command)
        except LaunchError as error:
            raise LaunchError(f"{subject.name}: prepare: {item.said}: {error}") from error
    if said.file is not None:
        return _file_contents(subject, said.file)
    return (said.text or "").encode(errors="surrogateescape")


def _file_contents(subject: Subject, name: str) -> bytes:
    if subject.directory is None:
        raise UsageError(f"{subject.name}: prepare: there is no container directory to take {name!r} from")
    path = subject.directory / name
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(subject.directory.resolve()):
            raise HostError(f"{path}: should not lead out of the container directory, to {real}")
        return real.read_bytes()
    except (OSError, RuntimeError) as error:
        raise HostError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def give_new_directories(
    harness: Harness, subject: Subject, container: str, plan: LaunchPlan, *, but: frozenset[str] = frozenset()
) -> None:
    """Give the empty directories that have no original to take an owner from to the container's user."""
    made = [
        Path(volume.mount.source or "")
        for volume in plan.volumes
        if volume.scratch
        and volume.mount.source not in but
        and volume.mount.kind is MountKind.BIND
        and not Path(volume.real or "").exists()
    ]
    shown = [Path(volume.mount.source or "") for volume in plan.volumes if volume.mount.read_only]
    give_to_root(harness, [directory for directory in made if directory in shown])
    give(harness, subject, container, tuple(directory for directory in made if directory not in shown))


def give(harness: Harness, subject: Subject, container: str, directories: tuple[Path, ...]) -> None:
    """Give directories to the user that the container runs as; without root nothing is changed."""
    if not directories or os.geteuid() != 0:
        return
    user = subject.settings.user or subject.image.user
    passwd, group = (_read(harness, container, path) for path in ("/etc/passwd", "/etc/group"))
    owner = resolve_user(user, passwd=passwd, group=group)
    owner = owner and id_maps(harness).to_host(owner)
    if owner and owner != (0, 0):
        for directory in directories:
            try:
                os.chown(directory, *owner)
            except OSError as error:
                raise HostError(f"{directory}: cannot be given to {user}: {error.strerror}") from error


def _read(harness: Harness, container: str, path: str) -> str:
    try:
        return harness.engine.read_file(container, path).decode(errors="replace")
    except KharnessError:
        return ""


NOT_HERE = "the volume {} has its contents where only a container that mounts it sees them"
NOT_YET = "/"
"""The place of a named volume that does not exist yet."""


def prepare(harness: Harness, subject: Subject, *, dry_run: bool = False, fix: bool = False) -> tuple[Prepared, ...]:
    """Prepare what production of a subject needs, parents first; the caller holds the container's lock.

    What is there already is changed only with `fix`, and then owner and mode alone. Raises `UsageError`, `HostError`,
    `EngineError` and `LaunchError`.
    """
    if not subject.settings.prepare:
        return ()
    refuse_elsewhere(harness, subject.name)
    check_volume_root(harness)
    if not dry_run and any(not entry.volume for entry in subject.settings.prepare):
        make_volume_root(harness)
    places, new = _places(harness, subject, make=not dry_run)
    mend = f"run '{as_root(harness, f'kharness prep {subject.name}')}'"
    found = []
    for item in _plan(harness, subject, places=places):
        if item.volume and places[item.volume] == NOT_YET:
            found.append(Prepared(item=item, state=PreparedState.CREATED))
            continue
        contents = partial(contents_of, harness, subject, item)
        each = prepare_item(item, contents, dry_run=dry_run, fix=fix or item.volume in new, mend=mend)
        # The directory of a volume that did not exist is not fixed, but made, though the engine did a part of it.
        made = each.good and item.volume in new
        found.append(replace(each, state=PreparedState.CREATED, notes=()) if made else each)
    return tuple(each for each in found if not each.item.implied or each.state is PreparedState.CREATED)


def prepare_launch(harness: Harness, subject: Subject) -> None:
    """Prepare production before it is launched; what is not as it is declared is reported, and stops nothing."""
    for each in prepare(harness, subject):
        _report(harness, subject, each)


def prepare_instance(harness: Harness, subject: Subject, plan: LaunchPlan) -> frozenset[str]:
    """Prepare what a test instance has in place of production's directories; returns the paths that are done.

    Without root, owners are left as they are. Raises as `prepare` does.
    """
    if not subject.settings.prepare:
        return frozenset()
    refuse_elsewhere(harness, subject.name)
    real = _plan(harness, subject, places=dict.fromkeys(_volumes(subject), NOT_YET))
    items = in_test_instance(
        real,
        plan.volumes,
        originals=frozenset(volume.real for volume in plan.volumes if volume.real and _exists(harness, volume)),
        places=_mountpoints(harness, plan),
    )
    for item in items:
        if item.fresh and item.kind is ItemKind.FILE:
            _make_way(item, plan)
        contents = partial(contents_of, harness, subject, item)
        _report(harness, subject, prepare_item(item, contents, fix=item.fresh, owners=os.geteuid() == 0))
    return frozenset(str(item.path) for item in items)


def refuse_elsewhere(harness: Harness, name: str) -> None:
    """Raise `UsageError` where the engine has another file system than this host."""
    if not shares_files(harness):
        raise UsageError(
            f"{name}: prepare: directories are made on the engine's file system, and the engine at "
            f"{harness.engine.facts().endpoint} is not on this host"
        )


def _plan(harness: Harness, subject: Subject, *, places: dict[str, str]) -> tuple[Item, ...]:
    user = subject.settings.user or subject.image.user
    passwd = group = ""
    if needs_names(subject.settings, user=user):
        passwd, group = image_files(harness, subject, "/etc/passwd", "/etc/group")
    return plan_prepare(
        subject.settings,
        name=subject.name,
        user=user,
        passwd=passwd,
        group=group,
        maps=id_maps(harness),
        volume_root=harness.volume_root,
        places=places,
    )


def _volumes(subject: Subject) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entry.volume for entry in subject.settings.prepare if entry.volume))


def _places(harness: Harness, subject: Subject, *, make: bool) -> tuple[dict[str, str], set[str]]:
    places, new = {}, set()
    for name in _volumes(subject):
        volume = harness.engine.volume(name)
        if volume is None and make:
            volume = harness.engine.create_volume(name)
            new.add(name)
        places[name] = NOT_YET if volume is None else volume.directory
        if not places[name]:
            raise UsageError(f"{subject.name}: prepare: {NOT_HERE.format(name)}")
    return places, new


def _mountpoints(harness: Harness, plan: LaunchPlan) -> dict[str, str]:
    names = [volume.mount.source for volume in plan.volumes if volume.scratch and volume.mount.kind is MountKind.VOLUME]
    found = [harness.engine.volume(name) for name in names if name]
    return {volume.name: volume.directory for volume in found if volume and volume.directory}


def _exists(harness: Harness, volume: VolumePlan) -> bool:
    if volume.mount.kind is MountKind.VOLUME:
        return harness.engine.volume(volume.real or "") is not None
    return Path(volume.real or "").exists()


def _make_way(item: Item, plan: LaunchPlan) -> None:
    # What stands for a missing original is a directory, and for a file in a stand-alone instance an empty one.
    sources = {volume.mount.source for volume in plan.volumes if volume.scratch and volume.mount.kind is MountKind.BIND}
    path = Path(item.path)
    if str(path) not in sources:
        return
    with suppress(OSError):
        if path.is_dir():
            path.rmdir()
        elif path.stat().st_size == 0:
            path.unlink()


def _report(harness: Harness, subject: Subject, found: Prepared) -> None:
    if not found.good:
        harness.report(subject.name, f"prepare: {found.item.said}: {'; '.join(found.notes)}")
