"""The id mappings of an engine on this host, and whether mapped root can reach a directory."""

from __future__ import annotations

import os
import pwd
import socket
import stat
import struct
from pathlib import Path

from kharness.errors import HostError
from kharness.plan.facts import EngineFacts
from kharness.plan.idmap import IDENTITY, IdMaps, parse_id_map, remapped, rootless_map, subordinate_length

UNIX = "unix://"
_CREDENTIALS = struct.Struct("3i")
_UNKNOWN = "the ids that this rootless engine maps cannot be told"
_SUBORDINATE = {"uid": Path("/etc/subuid"), "gid": Path("/etc/subgid")}


def find_id_maps(facts: EngineFacts) -> IdMaps:
    """Return what ids in the engine's containers are on this host.

    With `userns-remap` the data root's name has the base, and /etc/subuid and /etc/subgid the lengths. A rootless
    engine lives in a user namespace of its own, which is that of the process behind its socket; where systemd listens
    in its stead, the user's ranges in these files are what it will map. Any other engine maps nothing. Raises
    `HostError` where an engine maps, and how cannot be told.
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
    return subordinate_length(_subordinate(what), base)


def _subordinate(what: str) -> str:
    try:
        return _SUBORDINATE[what].read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _of_process(facts: EngineFacts) -> IdMaps:
    path = facts.endpoint.removeprefix(UNIX)
    try:
        pid, *own = _peer(path)
        if not pid:
            raise HostError(f"{path}: {_UNKNOWN}: it is in another container")
        texts = {what: Path(f"/proc/{pid}/{what}_map").read_text(encoding="ascii") for what in _SUBORDINATE}
        found = [parse_id_map(text, what=what) for what, text in texts.items()]
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise HostError(f"{path}: {_UNKNOWN}: {reason}") from error
    if all(each.identity for each in found):
        # systemd listens in its stead, and lives in the host's namespace.
        found = [
            rootless_map(_subordinate(what), who=_names(own[0]), own=number, what=what)
            for what, number in zip(_SUBORDINATE, own, strict=True)
        ]
    return IdMaps(*found)


def _names(uid: int) -> frozenset[str]:
    try:
        return frozenset({str(uid), pwd.getpwuid(uid).pw_name})
    except KeyError:
        return frozenset({str(uid)})


def _peer(path: str) -> tuple[int, int, int]:
    """Return pid, uid and gid of the process that listens at a socket, unix(7)."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(path)
        credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(credentials)
    return pid, uid, gid
