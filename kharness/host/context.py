"""The build context of a container directory: planned as entries, digested, streamed as a tar archive.

Nothing is written into the source tree, and nothing depends on who checked it out, when, or with which umask.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from io import FileIO
from pathlib import Path

from kharness.errors import HostError
from kharness.host.entries import ContextEntry, clean_target, directory_entries, lay, read_tree

__all__ = ["ContextEntry", "content_digest", "plan_context", "stream"]

_CHUNK = 1 << 18
_BUFFER = 1 << 16
_SETTLED = 2_000_000_000
"""Nanoseconds after which a change of a file certainly changes its times."""

_FileKey = tuple[str, int, int, int, int, int]
_sums: dict[_FileKey, bytes] = {}


def plan_context(
    directory: Path,
    *,
    copies: Sequence[tuple[Path, str]],
    downloads: Sequence[tuple[Path, str, int | None]],
    dockerfile: bytes | None = None,
) -> tuple[ContextEntry, ...]:
    """Return the context of a container directory, sorted by name: `Dockerfile`, and `files/`.

    `files/` has the directory's own `files/`, over them `copies` (a file or directory, and its place below `files/`),
    over them `downloads` (with a mode or None), over them `private.d/` without its README. Later ones win; directories
    merge. `dockerfile` stands in for the directory's own.

    Byte-code caches and editors' leftovers are left out. Modes become 0755 or 0644 by the owner's x bit; a file of
    `private.d/` that only its owner may use keeps its mode. Links are kept as they are. One that leaves its tree is
    followed in `private.d/`, anywhere else it is a `HostError`, as are sockets, fifos, devices and unreadable files.
    """
    tree = directory_entries("files")
    lay(tree, read_tree(directory / "files", "files", optional=True))
    for source, target in copies:
        into = clean_target(target, source=source)
        lay(tree, directory_entries(into) | read_tree(source, into, follow_top=True))
    for path, target, mode in downloads:
        into = clean_target(target, source=path)
        entries = directory_entries(into) | read_tree(path, into, follow_top=True)
        entries[into] = replace(entries[into], mode=0o644 if mode is None else mode)
        lay(tree, entries)
    lay(tree, read_tree(directory / "private.d", "files", optional=True, private=True))
    if dockerfile is None:
        tree |= read_tree(directory / "Dockerfile", "Dockerfile", follow_top=True)
    else:
        tree["Dockerfile"] = ContextEntry("Dockerfile", None, 0o644, "file", content=dockerfile)
    return tuple(sorted(tree.values(), key=lambda entry: os.fsencode(entry.arcname)))


def stream(entries: Iterable[ContextEntry]) -> Iterator[bytes]:
    """Yield the entries as a GNU tar archive (owner 0:0, mtime 0), in pieces of 64 KiB to 1 MiB but for the last.

    GNU, because it carries any name and size, and BuildKit does not read every PAX header. Raises `HostError` when a
    file cannot be read or has changed since it was planned.
    """
    buffer = bytearray()
    for entry in entries:
        for piece in _blocks(entry):
            buffer += piece
            if len(buffer) >= _BUFFER:
                yield bytes(buffer)
                buffer.clear()
    buffer += bytes(2 * tarfile.BLOCKSIZE)
    buffer += bytes(-len(buffer) % tarfile.RECORDSIZE)
    yield bytes(buffer)


def content_digest(entries: Iterable[ContextEntry], extra: Mapping[str, str]) -> str:
    """Return a sha256 (hex) over names, kinds, modes, link targets and contents, and over `extra`.

    The order of neither matters. The sums of unchanged files are remembered by this process.
    """
    total = hashlib.sha256()
    for key in sorted(extra):
        _feed(total, b"extra", key.encode(errors="surrogateescape"), extra[key].encode(errors="surrogateescape"))
    for entry in sorted(entries, key=lambda entry: os.fsencode(entry.arcname)):
        _feed(
            total,
            entry.kind.encode(),
            os.fsencode(entry.arcname),
            f"{entry.mode:o}".encode(),
            os.fsencode(entry.link),
            _content_sum(entry),
        )
    return total.hexdigest()


def _feed(total: hashlib._Hash, *parts: bytes) -> None:
    # Lengths keep neighbouring parts from running into one another.
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)


def _blocks(entry: ContextEntry) -> Iterator[bytes]:
    if entry.kind != "file":
        yield _header(entry, size=0)
    elif entry.path is None:
        content = entry.content or b""
        yield _header(entry, size=len(content))
        yield content
        yield bytes(-len(content) % tarfile.BLOCKSIZE)
    else:
        with _open(entry.path) as file:
            size = os.fstat(file.fileno()).st_size
            yield _header(entry, size=size)
            left = size
            while left and (piece := file.read(min(_CHUNK, left))):
                left -= len(piece)
                yield piece
            if left or file.read(1):
                raise HostError(f"{entry.path}: changed while it was read for the build")
        yield bytes(-size % tarfile.BLOCKSIZE)


def _header(entry: ContextEntry, *, size: int) -> bytes:
    info = tarfile.TarInfo(entry.arcname)
    info.type = {"file": tarfile.REGTYPE, "dir": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}[entry.kind]
    info.mode = entry.mode
    info.size = size
    info.linkname = entry.link
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _content_sum(entry: ContextEntry) -> bytes:
    if entry.kind != "file" or entry.path is None:
        return hashlib.sha256(entry.content or b"").digest()
    with _open(entry.path) as file:
        found = os.fstat(file.fileno())
        key = (str(entry.path), found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_dev)
        if key not in _sums:
            digest = hashlib.file_digest(file, "sha256").digest()
            # A file can change twice within one tick of the file system's clock: a fresh one is read again.
            if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < _SETTLED:
                return digest
            _sums[key] = digest
    return _sums[key]


def _open(path: Path) -> FileIO:
    try:
        # Without O_NONBLOCK, a fifo that took the file's place would be waited for.
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise HostError(f"{path}: cannot be read: {error.strerror}") from error
    return FileIO(number, "rb")
