"""The entries of a build context: read from directory trees, laid over one another."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from kharness.errors import HostError

Kind = Literal["file", "dir", "link"]
Tree = dict[str, "ContextEntry"]
"""Entries by their names in the archive."""

LEFTOVERS = (
    *("__pycache__", "*.py[co]", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"),
    *("*~", ".#*", "#*#", "*.sw[op]", ".DS_Store", ".git"),
)
"""Names that never enter a context: byte code, tools' caches, editors' and file managers' files, version control."""

_DIRECTORY, _PROGRAM, _PLAIN = 0o755, 0o755, 0o644


@dataclass(frozen=True, slots=True)
class ContextEntry:
    """A member of the archive: the content of `path`, or `content`; `link` is a symbolic link's text.

    Names may hold any bytes, those that are not UTF-8 as Python's file system encoding has them.
    """

    arcname: str
    path: Path | None
    mode: int
    kind: Kind
    link: str = ""
    content: bytes | None = None


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
    tree = _Reader(private=private).read(top, arcname, root=top)
    if private:
        for name in [name for name in tree if name == f"{arcname}/README"]:
            del tree[name]
    return tree


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
    """Lay `upper` over `tree`: directories merge, whatever else has the same name is replaced.

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


class _Reader:
    """One walk; `root` of its methods is the directory that links must not leave."""

    def __init__(self, *, private: bool) -> None:
        self._private = private
        self._open: set[tuple[int, int]] = set()
        self._tree: Tree = {}

    def read(self, path: Path, arcname: str, *, root: Path) -> Tree:
        self._take(path, arcname, root=root)
        return self._tree

    def _take(self, path: Path, arcname: str, *, root: Path) -> None:
        try:
            found = path.lstat()
        except OSError as error:
            raise HostError(f"{path}: cannot be read: {error.strerror}") from error
        kind = stat.S_IFMT(found.st_mode)
        if kind == stat.S_IFREG:
            self._tree[arcname] = ContextEntry(arcname, path, self._mode(found.st_mode), "file")
        elif kind == stat.S_IFDIR:
            self._take_directory(path, arcname, root=root, identity=(found.st_dev, found.st_ino))
        elif kind == stat.S_IFLNK:
            self._take_link(path, arcname, root=root)
        else:
            what = {stat.S_IFSOCK: "socket", stat.S_IFIFO: "fifo"}.get(kind, "device")
            raise HostError(f"{path}: should be a file, a directory or a link, not a {what}: it cannot be in an image")

    def _take_directory(self, path: Path, arcname: str, *, root: Path, identity: tuple[int, int]) -> None:
        if identity in self._open:
            raise HostError(f"{path}: should not lead back to a directory that it is in")
        self._tree[arcname] = ContextEntry(arcname, path, _DIRECTORY, "dir")
        try:
            names = sorted(os.listdir(path))  # noqa: PTH208 - names are wanted
        except OSError as error:
            raise HostError(f"{path}: cannot be read: {error.strerror}") from error
        self._open.add(identity)
        for name in names:
            if not any(fnmatchcase(name, pattern) for pattern in LEFTOVERS):
                self._take(path / name, f"{arcname}/{name}", root=root)
        self._open.remove(identity)

    def _take_link(self, path: Path, arcname: str, *, root: Path) -> None:
        text = os.readlink(path)  # noqa: PTH115 - a Path would lose a trailing slash
        # By the text alone: what a link means is decided in the image, where its target may not exist yet.
        place = os.path.normpath(path.parent.relative_to(root) / text) if path != root else ".."
        if not text.startswith("/") and place.split("/")[0] != "..":
            self._tree[arcname] = ContextEntry(arcname, path, 0o777, "link", link=text)
        elif self._private:
            real = _real(path)
            self._take(real, arcname, root=real)
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
