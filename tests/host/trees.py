"""Directory trees with everything that a file system can hold, and pictures of them to compare."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import stat
from dataclasses import dataclass
from pathlib import Path

NAMES = (
    *("plain", "with space", "new\nline", "tab\t", os.fsdecode(b"not-utf8-\xff\xfe"), "é\u202eß", "-rf", "*", "\\"),
    *(".hidden", "quote'\"", "$(id)", "x" * 255),
)
XATTRS = (("user.note", b"any \0 bytes \xff"), ("user.empty", b""))


@dataclass(frozen=True)
class Seen:
    """What one entry is; `extents` are the places of a file's data, `group` the first of its names in the tree."""

    mode: int
    owner: tuple[int, int]
    mtime: int
    content: str
    size: int
    xattrs: tuple[tuple[str, bytes], ...]
    extents: tuple[tuple[int, int], ...]
    device: int
    group: str


def picture(top: Path) -> dict[str, Seen]:
    """Return everything in a tree by its path there; the top itself is `.`."""
    first: dict[tuple[int, int], str] = {}
    seen: dict[str, Seen] = {}
    for path in (top, *sorted(top.rglob("*"))):
        found = path.lstat()
        name = str(path.relative_to(top))
        plain = stat.S_ISREG(found.st_mode)
        content, extents = _read(path) if plain else ("", ())
        seen[name] = Seen(
            mode=found.st_mode,
            owner=(found.st_uid, found.st_gid),
            mtime=found.st_mtime_ns,
            content=str(path.readlink()) if path.is_symlink() else content,
            size=found.st_size if plain else 0,
            xattrs=tuple(sorted((key, os.getxattr(path, key, follow_symlinks=False)) for key in _listxattr(path))),
            extents=extents,
            device=found.st_rdev,
            group="" if path.is_dir() else first.setdefault((found.st_dev, found.st_ino), name),
        )
    return seen


def grow(top: Path, *, seed: int, entries: int = 60) -> None:
    """Fill an empty directory with a tree that the seed decides."""
    chance = random.Random(seed)
    directories, files, made = [top], list[Path](), set[Path]()
    for _ in range(entries):
        path = chance.choice(directories) / chance.choice(NAMES)
        if path in made or len(os.fsencode(path)) > 2000:
            continue
        made.add(path)
        match chance.randrange(8):
            case 0 | 1:
                path.mkdir()
                directories.append(path)
            case 2 if files:
                path.hardlink_to(chance.choice(files))
            case 3:
                path.symlink_to(chance.choice(("/etc/passwd", "../..", os.fsdecode(b"gone\xff"), "plain")))
            case 4:
                os.mkfifo(path)
            case 5:
                _make_holes(path, chance)
                files.append(path)
            case _:
                path.write_bytes(chance.randbytes(chance.choice((0, 1, 4096, 100_000))))
                files.append(path)
    for path in (*sorted(made, reverse=True), top):
        _decorate(path, chance)


def _decorate(path: Path, chance: random.Random) -> None:
    if os.geteuid() == 0 and chance.random() < 0.7:
        os.chown(path, chance.randrange(70_000), chance.randrange(70_000), follow_symlinks=False)
    kind = stat.S_IFMT(path.lstat().st_mode)
    if kind in {stat.S_IFREG, stat.S_IFDIR} and os.access(path, os.W_OK) and chance.random() < 0.3:
        for key, value in XATTRS:
            os.setxattr(path, key, value)
    if kind != stat.S_IFLNK:
        modes = (0o755, 0o700, 0o2775, 0o1777) if kind == stat.S_IFDIR else (0o644, 0o400, 0o4755, 0o2711, 0o600)
        path.chmod(chance.choice(modes))
    when = chance.randrange(10**18)
    os.utime(path, ns=(when, when + 1), follow_symlinks=False)


def _make_holes(path: Path, chance: random.Random) -> None:
    with path.open("wb") as file:
        for place in range(4):
            if chance.random() < 0.5:
                file.seek(place << 20)
                file.write(chance.randbytes(4096))
        file.truncate((4 << 20) + chance.randrange(2) * 12_345)


def _read(path: Path) -> tuple[str, tuple[tuple[int, int], ...]]:
    with path.open("rb") as file:
        extents: list[tuple[int, int]] = []
        with contextlib.suppress(OSError):
            while True:
                begin = os.lseek(file.fileno(), extents[-1][1] if extents else 0, os.SEEK_DATA)
                extents.append((begin, os.lseek(file.fileno(), begin, os.SEEK_HOLE)))
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest(), tuple(extents)


def _listxattr(path: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return os.listxattr(path, follow_symlinks=False)
    return []
