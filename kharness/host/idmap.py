"""The id mappings of an engine on this host, and whether mapped root can reach a directory."""

from __future__ import annotations

import os
import socket
import stat
import struct
from pathlib import Path

from kharness.errors import HostError
from kharness.plan.facts import EngineFacts
from kharness.plan.idmap import IDENTITY, IdMaps, parse_id_map, remapped, subordinate_length

UNIX = "unix://"
_CREDENTIALS = struct.Struct("3i")
_SUBORDINATE = {"uid": Path("/etc/subuid"), "gid": Path("/etc/subgid")}


def find_id_maps(facts: EngineFacts) -> IdMaps:
    """Return what ids in the engine's containers are on this host.

    With `userns-remap` the data root's name has the base, and /etc/subuid and /etc/subgid the lengths. A rootless
    engine lives in a user namespace of its own, which is that of the process behind its socket. Any other engine maps
    nothing. Raises `HostError` where an engine maps, and how cannot be told.
    """
    if facts.rootless:
        return _of_process(facts)
    if not facts.userns:
        return IDENTITY
    found = remapped(facts.root_dir, lengths=_length)
    if found is None:
        raise HostError(f"{facts.root_dir}: should end with the uid and gid of mapped root, as in /var/lib/docker/1.1")
    return found


def impassable(path: Path, owner: tuple[int, int]) -> Path | None:
    """Return the first directory on the way to a path, the path included, that this uid and gid may not pass.

    None when all may be passed; what does not exist is no obstacle yet.
    """
    real = Path(os.path.realpath(path))
    for place in (*reversed(real.parents), real):
        try:
            found = place.stat()
        except OSError:
            return None
        if stat.S_ISDIR(found.st_mode) and not found.st_mode & _needed(found, owner):
            return place
    return None


def _needed(found: os.stat_result, owner: tuple[int, int]) -> int:
    if found.st_uid == owner[0]:
        return stat.S_IXUSR
    return stat.S_IXGRP if found.st_gid == owner[1] else stat.S_IXOTH


def _length(what: str, base: int) -> int | None:
    try:
        return subordinate_length(_SUBORDINATE[what].read_text(encoding="utf-8", errors="replace"), base)
    except OSError:
        return None


def _of_process(facts: EngineFacts) -> IdMaps:
    path = facts.endpoint.removeprefix(UNIX)
    try:
        pid = _peer(path)
        if not pid:
            raise HostError(
                f"{path}: the ids that this rootless engine maps cannot be told: it is in another container"
            )
        uid, gid = (
            parse_id_map(Path(f"/proc/{pid}/{what}_map").read_text(encoding="ascii"), what=what)
            for what in ("uid", "gid")
        )
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise HostError(f"{path}: the ids that this rootless engine maps cannot be told: {reason}") from error
    return IdMaps(uid, gid)


def _peer(path: str) -> int:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(path)
        credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid: int = _CREDENTIALS.unpack(credentials)[0]
    return pid
