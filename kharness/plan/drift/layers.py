"""Where a container's overlay layers are, and what the engine itself puts into the upper one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from kharness.plan.drift.changes import Drifted
from kharness.plan.facts import Change, ContainerFacts

OVERLAYS = frozenset({"overlay", "overlay2"})
"""Storage drivers whose layers are directories as the kernel's overlay has them."""
SNAPSHOTTERS = frozenset({"overlayfs"})
"""Snapshotters of containerd with such layers; the engine does not report where they are."""
MTAB = "/etc/mtab"
"""A link that engines make."""
INITS = ("/sbin/docker-init", "/usr/sbin/docker-init", "/usr/bin/docker-init")
"""Where an engine mounts its init: in /sbin, which in an image may be a link to one of the others."""
OWN = (
    *("/.dockerenv", "/dev", "/dev/console", "/dev/mqueue", "/dev/pts", "/dev/shm"),  # noqa: S108 - a place in a container
    *("/etc/hostname", "/etc/hosts", MTAB, "/etc/resolv.conf"),
    *("/proc", "/run/.containerenv", "/run/podman-init", "/run/secrets", "/sys"),
    *INITS,
)
"""Mount points that every container has; Docker makes most of them in a layer below the container's own."""
_MADE = 0o755
"""The mode of directories that a runtime makes."""
_LINKED = {
    "/bin": ("/usr/bin",),
    "/sbin": ("/usr/sbin", "/usr/bin"),
    "/usr/sbin": ("/usr/bin",),
    "/lib": ("/usr/lib",),
    "/lib64": ("/usr/lib64", "/usr/lib"),
    "/var/run": ("/run",),
    "/var/lock": ("/run/lock",),
}
"""Directories that are links in many distributions, with their targets: a mount below a link is a mount there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """Directories of the engine's host: `upper` has the container's changes, `lower` are below, the topmost first."""

    upper: str
    lower: tuple[str, ...]


def layers_of(facts: ContainerFacts) -> Layers | None:
    """Read an inspected container; None where it has no overlay, or the engine does not report its layers."""
    driver = facts.raw.get("GraphDriver") or {}
    data = driver.get("Data") or {}
    upper, lower = data.get("UpperDir"), data.get("LowerDir")
    if driver.get("Name") not in OVERLAYS or not upper or not lower:
        return None
    return Layers(upper=upper, lower=tuple(lower.split(":")))


def mounted_layers(options: Iterable[str]) -> Layers | None:
    """Read the options of a mounted overlay, as in /proc/PID/mountinfo; None where they are ambiguous.

    Lower paths may be relative to the directory that holds all snapshots, two above `upper`: `SNAPSHOTS/NUMBER/fs`.
    """
    lower: list[str] = []
    upper = ""
    for option in options:
        name, _, value = option.partition("=")
        # Colons and commas in a path are escaped, and no engine has such paths.
        if "\\" in value:
            return None
        match name:
            case "upperdir":
                upper = value
            case "lowerdir":
                lower += value.split(":")
            case "lowerdir+":
                lower.append(value)
            case _:
                pass
    if not upper.startswith("/") or not all(lower) or not lower:
        return None
    below = PurePosixPath(upper).parent.parent
    return Layers(upper=upper, lower=tuple(str(below / each) for each in lower))


def mount_points(facts: ContainerFacts) -> frozenset[str]:
    """Return the mount points of an inspected container, and its working directory."""
    host, config = facts.raw.get("HostConfig") or {}, facts.raw.get("Config") or {}
    # The engine also makes a working directory that the image lacks.
    targets = (
        *(mount.target for mount in facts.mounts),
        *(host.get("Tmpfs") or {}),
        config.get("WorkingDir"),
        *OWN,
    )
    return frozenset(place for target in targets if target for place in _paths(PurePosixPath(target)))


def without_mount_points(found: Iterable[Drifted], points: Iterable[str]) -> Iterator[Drifted]:
    """Leave out mount points, and directories that were made to hold one.

    A mount point is empty in the layer: other content there, or below, is the container's own.
    """
    points = frozenset(points)
    above = {str(parent) for point in points for parent in PurePosixPath(point).parents}
    for each in found:
        if each.kind != "added" or not (_is_point(each, points) or _is_above(each, above)):
            yield each


def _paths(target: PurePosixPath) -> Iterator[str]:
    yield str(target)
    for link, homes in _LINKED.items():
        if target.is_relative_to(link):
            yield from (str(PurePosixPath(home) / target.relative_to(link)) for home in homes)


def without_init(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Leave out of an engine's diff its init, and directories that it made only for that."""
    found = tuple(changes)
    paths = {each.path for each in found}
    for init in paths.intersection(INITS):
        paths.discard(init)
        for parent in map(str, PurePosixPath(init).parents):
            if not any(path.startswith(f"{parent}/") for path in paths):
                paths.discard(parent)
    return tuple(each for each in found if each.path in paths)


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
