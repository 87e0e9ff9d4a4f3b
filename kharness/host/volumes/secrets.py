"""Secret files: read where their owner keeps them, copied to where only root and the engine come.

A copy is written in full, and is root's alone, before it has its name; only then does the container's user own it.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kharness.errors import HostError

LARGEST = 1 << 20
"""Bytes; a larger file was named by mistake."""
KEY_BYTES = 32
_READ = os.O_RDONLY | os.O_CLOEXEC


def read_secret(path: Path) -> tuple[bytes, bool]:
    """Return what is in a secret's file, and whether everybody on this host may read it.

    Raises `HostError`: what it should be, and what is there instead. Nothing of the contents is in the text.
    """
    try:
        # Opening a fifo would wait for a writer.
        at = os.open(path, _READ | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise HostError(f"should be a file that can be read, not {path}: {error.strerror}") from error
    try:
        found = os.fstat(at)
        if stat.S_ISDIR(found.st_mode):
            raise HostError(f"should be a file, not the directory {path}")
        if not stat.S_ISREG(found.st_mode):
            raise HostError(f"should be a regular file, and {path} is not")
        if found.st_size > LARGEST:
            raise HostError(f"should have at most {LARGEST} bytes, and {path} has {found.st_size}")
        return _read(at), bool(found.st_mode & stat.S_IROTH)
    except OSError as error:
        raise HostError(f"should be a file that can be read, not {path}: {error.strerror}") from error
    finally:
        os.close(at)


def secret_key(path: Path) -> bytes:
    """Return the key at `path`, which is made at the first time and is its owner's alone; raises `HostError`."""
    with _telling(path, "cannot be used as a key"):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            # Where two processes make a key, the first one counts.
            _write(path, secrets.token_bytes(KEY_BYTES), name=_link_once)
        key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise HostError(f"{path}: should be a key of {KEY_BYTES} bytes, not {len(key)}; remove it to have a new one")
    return key


def place_secret(path: Path, value: bytes, *, group: int) -> None:
    """Write a private copy, unless it is there with this value; it and a new directory are root's alone.

    `group` is that of root in the engine's containers. Where it is mapped, it may pass through the directory: some
    engines mount as mapped root. Raises `HostError`.
    """
    with _telling(path, "cannot be written as the copy of a secret"):
        _make_private(path.parent, group)
        if not _has(path, value):
            _write(path, value, name=os.replace)


def give_secret(path: Path, *, owner: tuple[int, int], mode: int) -> None:
    """Set a copy's owner (uid and gid of this host) and mode; raises `HostError`."""
    with _telling(path, "cannot be given to the container's user"):
        at = os.open(path, _READ | os.O_NOFOLLOW)
        try:
            found = os.fstat(at)
            if (found.st_uid, found.st_gid) != owner:
                if os.geteuid() != 0:
                    raise HostError(
                        f"{path}: should belong to uid {owner[0]} and gid {owner[1]} of this host for the container to "
                        "read it, and only root can give files away: run this as root"
                    )
                os.fchown(at, *owner)
            os.fchmod(at, mode)
        finally:
            os.close(at)


def remove_unused(directory: Path, *, used: Callable[[str], bool]) -> tuple[str, ...]:
    """Remove the copies whose names are not used, and the directory when it is empty; returns the names."""
    removed = []
    with _telling(directory, "cannot be cleared of secrets"):
        for entry in sorted(directory.iterdir()) if directory.is_dir() else ():
            if not used(entry.name):
                entry.unlink(missing_ok=True)
                removed.append(entry.name)
    with suppress(OSError):
        directory.rmdir()
    return tuple(removed)


def _read(at: int) -> bytes:
    value = b""
    # It may grow meanwhile.
    while len(value) <= LARGEST and (part := os.read(at, LARGEST + 1 - len(value))):
        value += part
    return value


def _make_private(directory: Path, group: int) -> None:
    directory.parent.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        # Whatever the umask: an engine that maps ids passes through here.
        directory.parent.chmod(0o711)
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    at = os.open(directory, _READ | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.geteuid() == 0:
            os.fchown(at, 0, group)
        os.fchmod(at, 0o710 if group else 0o700)
    finally:
        os.close(at)


def _has(path: Path, value: bytes) -> bool:
    try:
        at = os.open(path, _READ | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return stat.S_ISREG(os.fstat(at).st_mode) and _read(at) == value
    finally:
        os.close(at)


def _write(path: Path, value: bytes, *, name: Callable[[Path, Path], None]) -> None:
    temporary = path.with_name(f".{secrets.token_hex(8)}")
    at = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(at, "wb") as file:
            file.write(value)
            file.flush()
            # After a power failure the engine starts production again, and must find all of it.
            os.fsync(file.fileno())
        name(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _link_once(temporary: Path, path: Path) -> None:
    with suppress(FileExistsError):
        os.link(temporary, path)


@contextmanager
def _telling(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HostError(f"{path}: {what}: {error.strerror}") from error
