"""Whose the directories are that were made for a container: its user's, who has another id on the host."""

from __future__ import annotations

import os
from pathlib import Path

from kharness.errors import HostError, KharnessError
from kharness.ops.harness import Harness
from kharness.ops.idmap import give_to_root, id_maps
from kharness.plan.launch import LaunchPlan, Subject
from kharness.plan.runspec import MountKind
from kharness.plan.users import resolve_user


def give_new_directories(
    harness: Harness, subject: Subject, container: str, plan: LaunchPlan, *, but: frozenset[str] = frozenset()
) -> None:
    """Let the container's user own the empty directories that have no original to take an owner from."""
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
    """Let the user that the container runs as own these directories; without root that is left as it is."""
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
