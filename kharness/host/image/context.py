"""The build context of a container directory: entries out of directory trees, digested, streamed as a tar archive.

Nothing is written into the source tree, and nothing depends on who checked it out, when, or with which umask.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import translate
from io import FileIO
from pathlib import Path
from typing import Literal

from kharness.errors import HostError
from kharness.host.trees import FILE, Inode, holding, inode_of, open_directory, walk

ContextKind = Literal["file", "dir", "link"]
Tree = dict[str, "ContextEntry"]
"""Entries by their names in the archive."""

LEFTOVERS = (
    *("__pycache__", "*.py[co]", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"),
    *("*~", ".#*", "#*#", "*.sw[op]", ".DS_Store", ".git"),
)
"""Names that never enter a context: byte code, tools' caches, editors' and file managers' files, version control."""

_DIRECTORY, _PROGRAM, _PLAIN = 0o755, 0o755, 0o644
_CHUNK = 1 << 18
_BUFFER = 1 << 16
_SETTLED = 2_000_000_000
"""Nanoseconds after which a change of a file certainly changes its times."""

_FileKey = tuple[str, int, int, int, int, int]
_sums: dict[_FileKey, bytes] = {}

_LEFTOVER = re.compile("|".join(map(translate, LEFTOVERS)))


@dataclass(frozen=True, slots=True)
class ContextEntry:
    """A member of the archive: the content of `path`, or `content`; `link` is a symbolic link's text.

    Names may hold any bytes, those that are not UTF-8 as Python's file system encoding has them. `mtime` is in seconds
    since the epoch; as for Docker's cache, a file that differs in it alone is the same.
    """

    arcname: str
    path: Path | None
    mode: int
    kind: ContextKind
    link: str = ""
    content: bytes | None = None
    mtime: int = 0


def read_tree(
    top: Path, arcname: str, *, optional: bool = False, follow_top: bool = False, private: bool = False
) -> Tree:
    """Return a file, or a directory and all below it, under a name in the archive.

    An `optional` directory may be missing. `follow_top` allows the top itself to be a link. `private` stands for what
    `private.d/` may do: links that leave the tree are followed, a README at the top is not taken, modes without rights
    for others are kept.
    """
    if optional and not os.path.lexists(top):
        return {}
    if top.is_symlink():
        if not (follow_top or private):
            raise HostError(f"{top}: should be a directory, not a symbolic link")
        top = _real(top)
    if optional and not top.is_dir():
        raise HostError(f"{top}: should be a directory")
    tree = _ContextReader(private=private).read(top, arcname)
    if private:
        tree.pop(f"{arcname}/README", None)
    return tree


def is_leftover(name: str) -> bool:
    """Whether a name never enters a context."""
    return _LEFTOVER.match(name) is not None


def directory_entries(arcname: str) -> Tree:
    """Return entries for a directory's parents; `files` itself, which has none, is returned too."""
    parts = arcname.split("/")
    parents = ["/".join(parts[:depth]) for depth in range(1, len(parts))] or [arcname]
    return {name: ContextEntry(name, None, _DIRECTORY, "dir") for name in parents}


def clean_target(target: str, *, source: Path) -> str:
    """Return a target below `files/` as a name in the archive; one that ends with a slash takes the source's name."""
    parts = [part for part in target.split("/") if part not in {"", "."}]
    if ".." in parts or "\0" in target:
        raise HostError(f"{target!r}: the target of {source} should be a path below files/")
    if target.endswith("/") and source.is_file():
        parts.append(source.name)
    if not parts and source.is_file():
        raise HostError(f"{target!r}: the target of the file {source} should name a file below files/")
    return "/".join(("files", *parts))


def lay(tree: Tree, upper: Tree) -> None:
    """Lay `upper` over `tree`: directories merge, any other entry of the same name is replaced.

    Raises `HostError` where an entry would come to lie below a link, because builders differ in what they do then.
    """
    for name, entry in upper.items():
        lower = tree.get(name)
        if entry.kind == "dir" and lower is not None and lower.kind == "dir":
            continue
        if lower is not None and lower.kind == "dir":
            for below in [other for other in tree if other.startswith(f"{name}/")]:
                del tree[below]
        if lower is not None and lower.kind == "link" and entry.kind == "dir":
            raise HostError(f"{lower.path}: should be a directory, not a symbolic link: something is put below it")
        tree[name] = entry


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
    """Yield the entries as a GNU tar archive (owner 0:0), in pieces of 64 KiB to 1 MiB but for the last.

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


class _ContextReader:
    """Reads trees into one; links must not leave the tree that they are in, unless it is `private`."""

    def __init__(self, *, private: bool) -> None:
        self._private = private
        self._tree: Tree = {}

    def read(self, top: Path, arcname: str, *, above: frozenset[Inode] = frozenset()) -> Tree:
        """Take a tree; `above` are the directories that the links on the way to it are in."""
        try:
            found = top.lstat()
            self._take(top, arcname, found.st_mode, root=top, above=above)
            if stat.S_ISDIR(found.st_mode):
                with holding(open_directory(top)) as at:
                    for entry in walk(at, top, skip=is_leftover):
                        name = f"{arcname}/{entry.path}"
                        self._take(top / entry.path, name, entry.found.st_mode, root=top, above=above)
        except OSError as error:
            raise HostError(f"{top}: cannot be read: {error.strerror}") from error
        return self._tree

    def _take(self, path: Path, arcname: str, mode: int, *, root: Path, above: frozenset[Inode]) -> None:
        kind = stat.S_IFMT(mode)
        if kind == stat.S_IFREG:
            self._tree[arcname] = ContextEntry(arcname, path, self._mode(mode), "file")
        elif kind == stat.S_IFDIR:
            self._tree[arcname] = ContextEntry(arcname, path, _DIRECTORY, "dir")
        elif kind == stat.S_IFLNK:
            self._take_link(path, arcname, root=root, above=above)
        else:
            what = {stat.S_IFSOCK: "socket", stat.S_IFIFO: "fifo"}.get(kind, "device")
            raise HostError(f"{path}: should be a file, a directory or a link, not a {what}: it cannot be in an image")

    def _take_link(self, path: Path, arcname: str, *, root: Path, above: frozenset[Inode]) -> None:
        text = os.readlink(path)  # noqa: PTH115 - a Path would lose a trailing slash
        # By the text alone: what a link means is decided in the image, where its target may not exist yet.
        place = os.path.normpath(path.parent.relative_to(root) / text) if path != root else ".."
        if not text.startswith("/") and place.split("/")[0] != "..":
            self._tree[arcname] = ContextEntry(arcname, path, 0o777, "link", link=text)
        elif self._private:
            real = _real(path)
            above = above.union(inode_of(parent.stat()) for parent in path.parents)
            if inode_of(real.stat()) in above:
                raise HostError(f"{path}: should not lead back to a directory that it is in")
            self.read(real, arcname, above=above)
        else:
            raise HostError(
                f"{path}: should not be a link that leaves {root} (to {text!r}); a relative one that stays below it "
                "can name any place of the image, and build.copy takes files from elsewhere"
            )

    def _mode(self, mode: int) -> int:
        if self._private and not mode & 0o077:
            return stat.S_IMODE(mode) & 0o777
        return _PROGRAM if mode & stat.S_IXUSR else _PLAIN


def _real(path: Path) -> Path:
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise HostError(f"{path}: links to {str(path.readlink())!r}, which cannot be followed: {error}") from error


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
    info.mtime = entry.mtime
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
        number = os.open(path, FILE)
    except OSError as error:
        raise HostError(f"{path}: cannot be read: {error.strerror}") from error
    return FileIO(number, "rb")
