"""What the engine itself puts into a container's layer: places to mount things on, and to begin in. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from kharness.plan.drift import Drifted
from kharness.plan.facts import ContainerFacts

MTAB = "/etc/mtab"
"""A link that engines make."""
OWN = (
    *("/.dockerenv", "/dev", "/dev/console", "/dev/mqueue", "/dev/pts", "/dev/shm"),  # noqa: S108 - a place in a container
    *("/etc/hostname", "/etc/hosts", MTAB, "/etc/resolv.conf"),
    *("/proc", "/run/.containerenv", "/run/secrets", "/sbin/docker-init", "/sys"),
)
"""Where engines mount what every container has; Docker has most of them in a layer below the container's own."""
_MADE = 0o755
"""The mode that a runtime gives to the directories that it makes."""


def mount_points(facts: ContainerFacts) -> frozenset[str]:
    """Return where something is mounted in a container, and where its process begins, by the answer to an inspect."""
    host, config = facts.raw.get("HostConfig") or {}, facts.raw.get("Config") or {}
    # A working directory that the image does not have is made, too.
    said = (
        *(mount.target for mount in facts.mounts),
        *(host.get("Tmpfs") or {}),
        config.get("WorkingDir"),
        *OWN,
    )
    return frozenset(str(PurePosixPath(target)) for target in said if target)


def without_mount_points(found: Iterable[Drifted], points: Iterable[str]) -> Iterator[Drifted]:
    """Yield what is no place to mount something on, nor a directory that was made to hold one.

    Such a place is empty. What else is found there, or below, is nobody's but the container's.
    """
    points = frozenset(points)
    above = {str(parent) for point in points for parent in PurePosixPath(point).parents}
    for each in found:
        if each.kind != "added" or not (_is_point(each, points) or _is_above(each, above)):
            yield each


def _is_point(found: Drifted, points: frozenset[str]) -> bool:
    if found.path not in points:
        return False
    match found.type:
        case "directory" | "":
            return True
        case "file":
            return not found.size
        case _:
            return found.path == MTAB


def _is_above(found: Drifted, above: set[str]) -> bool:
    return found.path in above and found.type in {"directory", ""} and found.mode in {_MADE, None}
