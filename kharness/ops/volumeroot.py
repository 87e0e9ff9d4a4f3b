"""The volume root is the one that was first used: a disk that is not mounted must not look like an empty service."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from kharness.errors import HostError
from kharness.host.volumes import filesystem_id
from kharness.ops.harness import Harness
from kharness.ops.idmap import shares_files
from kharness.plan.mounts import VolumePlan
from kharness.plan.runspec import MountKind

FACT = "volume root"
ACCEPT = "kharness volumes --accept-root"


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """A volume root: its path as the host's configuration has it, and its file system's id."""

    path: str
    filesystem: str


def check_volume_root(harness: Harness) -> None:
    """Raise `HostError` where the volume root is not the one that was recorded; `StateError` where that is not known.

    Asked before anything is created in it, or launched from it. Where nothing is recorded, or the engine is not on this
    host, there is nothing to compare.
    """
    if reason := root_changed(harness):
        raise HostError(reason)


def record_volume_root(harness: Harness) -> None:
    """Remember the volume root when it is first used; one that is not there yet is remembered once it is made."""
    if shares_files(harness) and recorded_root(harness) is None and Path(harness.host.dv).is_dir():
        accept_volume_root(harness)


def make_volume_root(harness: Harness) -> None:
    """Make the volume root if it was never used and is not there, and remember it; raises `HostError`."""
    if shares_files(harness) and recorded_root(harness) is None:
        path = Path(harness.host.dv)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HostError(f"{path}: the volume root cannot be made: {error.strerror}") from error
        accept_volume_root(harness)


def accept_volume_root(harness: Harness, *, dry_run: bool = False) -> Root:
    """Remember the volume root as it is now, in place of an earlier one. Raises `HostError` where it is not there.

    With `dry_run` it is only looked at.
    """
    path = Path(harness.host.dv)
    if not path.is_dir():
        raise HostError(f"{path}: should be a directory, to be the volume root")
    found = Root(path=str(path), filesystem=filesystem_id(path))
    if not dry_run:
        harness.state.set_fact(FACT, json.dumps(asdict(found)))
    return found


def recorded_root(harness: Harness) -> Root | None:
    """Return the volume root that was recorded, None before the first launch that used one."""
    said = harness.state.fact(FACT)
    return Root(**json.loads(said)) if said else None


def root_changed(harness: Harness) -> str:
    """Say how the volume root differs from the recorded one, and what to do; empty where it does not."""
    recorded = recorded_root(harness) if shares_files(harness) else None
    if recorded is None:
        return ""
    path = Path(harness.host.dv)
    if str(path) != recorded.path:
        why = f"the volume root should be {recorded.path}, as it was when it was first used, and 'dv' says {path}"
        return f"{path}: {why}; if the data were moved there, say '{ACCEPT}'"
    if not path.is_dir():
        found, probably = "is not there", "the disk is probably not mounted"
    elif (now := filesystem_id(path)) == recorded.filesystem:
        return ""
    elif not any(path.iterdir()):
        found, probably = f"is an empty directory on {now}", "the disk is probably not mounted"
    else:
        found, probably = f"is on {now}", "another disk was probably mounted there, or its device has changed"
    why = f"the volume root was on the file system {recorded.filesystem} when it was first used, and {found} now"
    return f"{path}: {why}: {probably}; mount it, or, if it is meant, say '{ACCEPT}'"


def uses_volume_root(harness: Harness, plans: tuple[VolumePlan, ...]) -> bool:
    """Whether any of these volumes are real directories below the volume root, or copies of such."""
    root = harness.volume_root
    real = (PurePosixPath(plan.real) for plan in plans if plan.mount.kind is MountKind.BIND and plan.real)
    return any(path.is_relative_to(root) or root.is_relative_to(path) for path in real)
