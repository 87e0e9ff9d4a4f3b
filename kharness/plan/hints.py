"""When a start fails in a way that a secure default typically causes: which default, and what relaxes it."""

from __future__ import annotations

from collections.abc import Iterable

from kharness.plan.modes import Mode
from kharness.plan.mounts import VolumeAction, VolumePlan
from kharness.plan.runspec import RunSpec


def hints(logs: str, spec: RunSpec) -> tuple[str, ...]:
    """Return advice that fits both the messages and what the container was denied."""
    text = logs.lower()
    found = []
    if spec.read_only and "read-only file system" in text:
        found.append(
            "the root file system is read-only (the default): add the path to 'tmpfs' or 'volumes', "
            "or say 'read_only: false'"
        )
    if "ALL" in spec.cap_drop and ("operation not permitted" in text or "permission denied" in text):
        found.append(
            "all capabilities are dropped (the default): name what is needed in 'cap_add', for example "
            "[CHOWN, SETUID, SETGID], or say 'cap_drop: []'"
        )
    if spec.limits.pids and ("resource temporarily unavailable" in text or "can't start new thread" in text):
        found.append(f"at most {spec.limits.pids} processes are allowed: raise 'pids_limit'")
    return tuple(found)


def volume_hints(volumes: Iterable[VolumePlan], *, mode: Mode) -> tuple[str, ...]:
    """Return advice where a stand-alone instance may miss what its volumes have in production."""
    empty = [volume.mount.target for volume in volumes if volume.action is VolumeAction.EMPTY and not volume.said]
    if mode is not Mode.STANDALONE or not empty:
        return ()
    return (f"in a stand-alone test {', '.join(empty)} is empty; --prod-ready tests with copies of the real volumes",)
