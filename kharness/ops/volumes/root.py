"""The volume root is the one that was first used: a disk that is not mounted must not look like an empty service."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from shlex import quote

from kharness.errors import HostError
from kharness.host.project.invoker import Invoker
from kharness.host.volumes.directories import filesystem_id
from kharness.ops.harness import Harness
from kharness.ops.volumes.idmap import shares_files
from kharness.plan.launch.mounts import VolumePlan
from kharness.plan.launch.runspec import MountKind
from kharness.settings.sources import SYSTEM_FILE

FACT = "volume root"
ACCEPT = "kharness volumes --accept-root"


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """A volume root: its path as the host's configuration has it, and its file system's id."""

    path: str
    filesystem: str


def check_volume_root(harness: Harness) -> None:
    """Raise `HostError` where the volume root is not the one that was recorded; `StateError` where that is not known.

    Call it before anything is created in the root, or launched from it. Where no root was recorded, it should be that
    of the user who runs this by sudo, if there is one. An engine on another host leaves nothing to compare.
    """
    if reason := root_changed(harness):
        raise HostError(reason)


def record_volume_root(harness: Harness) -> None:
    """Record the volume root when it is first used; a root that is missing is recorded once it is made."""
    if shares_files(harness) and recorded_root(harness) is None and Path(harness.host.dv).is_dir():
        accept_volume_root(harness)


def make_volume_root(harness: Harness) -> None:
    """Make the volume root if it was never used and is not there, and record it; raises `HostError`."""
    if shares_files(harness) and recorded_root(harness) is None:
        path = Path(harness.host.dv)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HostError(f"{path}: the volume root cannot be made: {error.strerror}") from error
        accept_volume_root(harness)


def accept_volume_root(harness: Harness, *, dry_run: bool = False) -> Root:
    """Record the volume root as it is now, in place of an earlier one. Raises `HostError` where it is not there.

    With `dry_run` nothing is recorded.
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
    """Return how the volume root differs from the recorded one, and what to do; empty where it does not."""
    if not shares_files(harness):
        return ""
    path = Path(harness.host.dv)
    recorded = recorded_root(harness)
    if recorded is None:
        return _differs_from_invokers(path, harness.invoker)
    if str(path) != recorded.path:
        why = f"the volume root should be {recorded.path}, as when it was first used, and 'dv' is {path}"
        return f"{path}: {why}; if the data were moved there, run '{ACCEPT}'"
    if not path.is_dir():
        found, probably = "is not there", "the disk is probably not mounted"
    elif (now := filesystem_id(path)) == recorded.filesystem:
        return ""
    elif not any(path.iterdir()):
        found, probably = f"is an empty directory on {now}", "the disk is probably not mounted"
    else:
        found, probably = f"is on {now}", "another disk was probably mounted there, or its device has changed"
    why = f"the volume root was on the file system {recorded.filesystem} when it was first used, and {found} now"
    return f"{path}: {why}: {probably}; mount it, or, if this is intended, run '{ACCEPT}'"


def _differs_from_invokers(path: Path, invoker: Invoker | None) -> str:
    if invoker is None or invoker.volume_root == path or not invoker.volume_root.is_dir():
        return ""
    return (
        f"{path}: is the volume root under sudo, and {invoker.volume_root} is that of {invoker.user}, who runs this: "
        f"set the one that holds for both as 'dv' in {SYSTEM_FILE}, or run 'sudo KHARNESS_DV=PATH kharness ...'"
    )


def as_root(harness: Harness, command: str) -> str:
    """Return what runs a command as root with the volume root of this user, which sudo does not know by itself."""
    return f"sudo {command}" if os.geteuid() == 0 else f"sudo KHARNESS_DV={quote(str(harness.host.dv))} {command}"


def uses_volume_root(harness: Harness, plans: tuple[VolumePlan, ...]) -> bool:
    """Whether any of these volumes are real directories below the volume root, or copies of such."""
    root = harness.volume_root
    real = (PurePosixPath(plan.real) for plan in plans if plan.mount.kind is MountKind.BIND and plan.real)
    return any(path.is_relative_to(root) or root.is_relative_to(path) for path in real)
