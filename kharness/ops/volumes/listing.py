"""List a container directory's volumes: what is declared, what is there, and the snapshots of earlier data."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from kharness.errors import HostError
from kharness.host.volumes.fingerprint import survey
from kharness.ops.harness import Harness
from kharness.ops.volumes.snapshots import snapshots_of
from kharness.plan.launch.mounts import Scratch, VolumeAction, plan_production, plan_test
from kharness.plan.launch.runspec import MountKind
from kharness.plan.session.modes import Mode
from kharness.plan.volumes.listing import DeclaredVolume, DirectoryVolumes, Kept, ListedVolume
from kharness.settings.catalog import ContainerDir
from kharness.settings.layers import for_test
from kharness.settings.volumes import Volume

NOWHERE = Scratch(directory=PurePosixPath("/"), prefix="test")


def volumes_of(harness: Harness, directory: ContainerDir) -> DirectoryVolumes:
    """Return the volumes of a container directory; nothing is changed. Raises `SettingsError`, `HostError`."""
    settings = harness.settings(directory)
    tested = {volume.target: volume for volume in for_test(settings).volumes}
    local = harness.engine.facts().local
    found = tuple(
        _facts(harness, directory.name, volume, tested.get(volume.target, volume), local=local)
        for volume in settings.volumes
    )
    kept = tuple(_kept(harness, directory.name)) if local else ()
    return DirectoryVolumes(name=directory.name, volumes=found, snapshots=kept)


def _facts(harness: Harness, name: str, volume: Volume, tested: Volume, *, local: bool) -> DeclaredVolume:
    root = harness.volume_root
    plan = plan_production(volume, name=name, volume_root=root)
    test = plan_test(tested, mode=Mode.PROD_READY, name=name, volume_root=root, scratch=NOWHERE, index=0)
    if test.action is VolumeAction.NONE:
        in_test = test.mount.kind.value if test.real is None else "ro" if test.mount.read_only else "same"
    else:
        in_test = test.action.value
    mount = plan.mount
    look = local and mount.kind is MountKind.BIND and mount.source is not None
    return DeclaredVolume(
        target=mount.target,
        kind=mount.kind.value,
        source=mount.source,
        read_only=mount.read_only,
        in_test=in_test,
        known=look,
        place=_place(Path(mount.source or "")) if look else None,
    )


def _place(path: Path) -> ListedVolume | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError(f"{path}: cannot be inspected: {error.strerror}") from error
    said = ListedVolume(uid=found.st_uid, gid=found.st_gid, mode=stat.S_IMODE(found.st_mode))
    if not stat.S_ISDIR(found.st_mode):
        return replace(said, entries=1, bytes=found.st_size)
    try:
        tree = survey(path.resolve())
    except (HostError, OSError) as error:
        return replace(said, problem=str(error))
    return replace(said, entries=tree.entries, bytes=tree.bytes)


def _kept(harness: Harness, name: str) -> Iterator[Kept]:
    found = snapshots_of(harness, name)
    for snapshot in found.kept():
        yield Kept(snapshot=snapshot, bytes=found.size(snapshot))
