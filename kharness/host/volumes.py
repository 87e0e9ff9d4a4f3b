"""The volume directories of production: make them, and know the file system that they are on."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path, PurePosixPath

from kharness.errors import HostError
from kharness.host.mountinfo import read_mounts

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_INSIDE = _DIRECTORY | os.O_NOFOLLOW


def ensure_directory(root: Path, relative: str, *, mode: int = 0o755, owner: tuple[int, int] | None = None) -> Path:
    """Return `root/relative`, a directory; what is missing of it is created.

    `mode` and `owner` (uid, gid) are given to the last directory alone, and only when it is made here; those on the
    way are 0755. The root itself may be a link, as the host's configuration says it. Below it no link is followed,
    not even one that is put there meanwhile: `HostError` names the component that is a link or no directory.
    """
    parts = _parts(root, relative)
    try:
        root.mkdir(parents=True, exist_ok=True)
        at = os.open(root, _DIRECTORY)
    except OSError as error:
        raise HostError(f"{root}: should be a directory that can be written: {error.strerror}") from error
    try:
        for depth, part in enumerate(parts, start=1):
            path = root.joinpath(*parts[:depth])
            last = depth == len(parts)
            at = _descend(at, part, path=path, mode=mode if last else 0o755, owner=owner if last else None)
    finally:
        os.close(at)
    return root.joinpath(*parts)


def remove_if_empty(path: Path | str) -> None:
    """Remove a directory unless something is in it; one that is not there is no error."""
    with suppress(OSError):
        Path(path).rmdir()


def filesystem_id(path: Path) -> str:
    """Return a text that stays the same while the same file system is mounted there, across reboots where it can.

    It is the kernel's own id (statfs(2), made from the UUID by ext4, btrfs, f2fs, from the device by xfs). A device
    number is not part of it where such an id exists: it changes when a disk is added. Network file systems without
    an id are known by their source. Raises `HostError`.
    """
    try:
        device = path.stat().st_dev
        fsid = os.statvfs(path).f_fsid
    except OSError as error:
        raise HostError(f"{path}: its file system cannot be told: {error.strerror}") from error
    if fsid:
        return f"fsid:{fsid:016x}"
    return _mount_source(device) or f"dev:{os.major(device)}:{os.minor(device)}"


def _parts(root: Path, relative: str) -> tuple[str, ...]:
    parts = PurePosixPath(relative).parts
    if not parts or relative.startswith("/") or ".." in parts or "\0" in relative:
        raise HostError(f"{relative!r}: should be a path below {root}")
    return parts


def _descend(at: int, part: str, *, path: Path, mode: int, owner: tuple[int, int] | None) -> int:
    # Takes over the directory `at` and closes it, unless it fails.
    try:
        made = _make(at, part)
        inner = os.open(part, _INSIDE, dir_fd=at)
    except OSError as error:
        raise HostError(f"{path}: {why_no_directory(at, part, error)}") from error
    try:
        if made:
            if owner is not None:
                os.fchown(inner, *owner)
            # Not left to mkdir, whose mode the umask lowers.
            os.fchmod(inner, mode)
    except OSError as error:
        os.close(inner)
        raise HostError(f"{path}: owner {owner} and mode {mode:04o} cannot be set: {error.strerror}") from error
    os.close(at)
    return inner


def _make(at: int, part: str) -> bool:
    try:
        os.mkdir(part, 0o700, dir_fd=at)
    except FileExistsError:
        return False
    return True


def why_no_directory(at: int, part: str, error: OSError) -> str:
    """Say why an entry of an open directory could not be opened as a directory, or made."""
    try:
        found = os.stat(part, dir_fd=at, follow_symlinks=False)
    except OSError:
        return f"cannot be created: {error.strerror}"
    if stat.S_ISLNK(found.st_mode):
        return f"should be a directory, not a symbolic link (to {os.readlink(part, dir_fd=at)!r})"
    if not stat.S_ISDIR(found.st_mode):
        return "should be a directory, not a file"
    return f"cannot be opened: {error.strerror}"


def _mount_source(device: int) -> str | None:
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = read_mounts()
    except OSError:
        return None
    # That of a network file system names its server.
    named = (each for each in mounts if each.device == wanted and ":" in each.source)
    return next((f"{each.kind} {each.source}" for each in named), None)
