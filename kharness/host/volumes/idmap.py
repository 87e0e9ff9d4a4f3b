"""The id mappings of an engine on this host: find them, and move the owners of a tree from one mapping to another.

An id that is in the new mapping already is left alone, and the two share none: what was interrupted is just done
again. An owner is changed last, after ACLs, so that it tells whether the rest was done.
"""

from __future__ import annotations

import os
import pwd
import socket
import stat
import struct
from contextlib import suppress
from pathlib import Path, PurePosixPath

from kharness.errors import HostError
from kharness.host.trees import DIRECTORY, FILE, HANDLE, Inode, holding, inode_of, mount_id, open_beneath, walk
from kharness.host.volumes.content import CAPABILITY, change_owner, extended, has_set_id
from kharness.plan.facts import EngineFacts
from kharness.plan.volumes.idmap import (
    IDENTITY,
    IdMaps,
    IdPlace,
    Shift,
    Shifted,
    parse_id_map,
    remapped,
    rootless_map,
    subordinate_length,
)

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


ACLS = ("system.posix_acl_access", "system.posix_acl_default")


def shift_tree(root: Path, relative: str, shift: Shift, *, dry_run: bool = False) -> Shifted | None:
    """Move the owners of `root/relative`, a file or a directory with all that is in it; None where nothing is there.

    Below `root` no link is followed, and no mount point is entered. Raises `HostError` where an entry cannot be moved;
    then everything before it is, and the same call goes on from there.
    """
    path = root / relative
    *above, name = PurePosixPath(relative).parts or (".",)
    shifting = _Shifting(path, shift, dry_run=dry_run)
    try:
        with holding(open_beneath(root, above)) as at:
            shifting.run(at, name)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError(f"{shifting.at}: its owner cannot be moved: {error.strerror}") from error
    return shifting.found()


class _Shifting:
    """One move of all owners below `top`; `at` is the path that is being worked on."""

    def __init__(self, top: Path, shift: Shift, *, dry_run: bool) -> None:
        self.at = top
        self._top = top
        self._shift = shift
        self._dry_run = dry_run
        self._mount = ""
        self._seen: set[Inode] = set()
        self._counts = {"moved": 0, "done": 0, "foreign": 0, "kept": 0}
        self._left: list[str] = []
        self._example = ""

    def run(self, at: int, name: str) -> None:
        found = os.stat(name, dir_fd=at, follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            leads_to = os.readlink(name, dir_fd=at)
            raise HostError(f"{self._top}: should be a directory, not a symbolic link (to {leads_to!r})")
        with holding(os.open(name, HANDLE, dir_fd=at)) as handle:
            self._mount = mount_id(handle)
        if stat.S_ISDIR(found.st_mode):
            with holding(os.open(name, DIRECTORY, dir_fd=at)) as top:
                # A directory's owner tells that everything in it was moved.
                for entry in walk(top, self._top, bottom_up=True, mounts=False):
                    # What vanishes meanwhile has no owner any more.
                    with suppress(FileNotFoundError):
                        self._take(entry.at, entry.name, self._top / entry.path, entry.found)
        self._take(at, name, self._top, found)

    def found(self) -> Shifted:
        return Shifted(**self._counts, example=self._example, left=tuple(self._left))

    def _take(self, at: int, name: str, path: Path, found: os.stat_result) -> None:
        self.at = path
        if stat.S_ISLNK(found.st_mode):
            if self._count(found, path) and not self._dry_run:
                os.chown(name, *self._shift.owner(found.st_uid, found.st_gid), dir_fd=at, follow_symlinks=False)
            return
        # What is neither is not opened: that would wait for another process, or command a device.
        flags = {stat.S_IFDIR: DIRECTORY, stat.S_IFREG: FILE}.get(stat.S_IFMT(found.st_mode), HANDLE)
        with holding(os.open(name, flags, dir_fd=at)) as opened:
            if mount_id(opened) != self._mount:
                self._left.append(str(path))
            elif flags == HANDLE:
                self._move_handle(opened, path)
            else:
                self._move(opened, path)

    def _move(self, opened: int, path: Path) -> None:
        found = os.fstat(opened)
        capability = extended(opened, CAPABILITY) if stat.S_ISREG(found.st_mode) else None
        changes = self._count(found, path, special=capability is not None or has_set_id(found))
        if self._dry_run:
            return
        self._move_acls(opened)
        if changes:
            change_owner(opened, self._shift.owner(found.st_uid, found.st_gid))
        if capability is not None and (moved := self._shift.capability(capability)) != capability:
            os.setxattr(opened, CAPABILITY, moved)

    def _move_handle(self, handle: int, path: Path) -> None:
        found = os.fstat(handle)
        if self._count(found, path, special=has_set_id(found)) and not self._dry_run:
            same = Path(f"/proc/self/fd/{handle}")
            os.chown(same, *self._shift.owner(found.st_uid, found.st_gid))
            if has_set_id(found):
                same.chmod(stat.S_IMODE(found.st_mode))

    def _move_acls(self, opened: int) -> None:
        for name in ACLS:
            value = extended(opened, name)
            if value is not None and (moved := self._shift.acl(value)) != value:
                os.setxattr(opened, name, moved)

    def _count(self, found: os.stat_result, path: Path, *, special: bool = False) -> bool:
        """Whether the owner changes; each inode is counted once, however many names it has."""
        places = {self._shift.uid.place(found.st_uid), self._shift.gid.place(found.st_gid)}
        changes = IdPlace.OLD in places
        inode = inode_of(found)
        if inode not in self._seen:
            if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
                self._seen.add(inode)
            foreign = IdPlace.FOREIGN in places
            self._counts["moved"] += changes
            self._counts["kept"] += changes and special
            self._counts["done"] += places == {IdPlace.NEW}
            self._counts["foreign"] += foreign
            if foreign and not self._example:
                self._example = str(path)
        return changes
