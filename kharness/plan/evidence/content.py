"""What is in an image: its files as a container sees them, and what any of its layers keeps.

Pure: layers come as values, in the order in which they were made.
"""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

MANAGERS = frozenset(
    {"apk", "apt", "apt-get", "aptitude", "dpkg", "dnf", "microdnf", "yum", "rpm", "zypper", "pacman", "opkg", "ipkg"}
)
PROGRAMS = frozenset({"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"})
PASSWD = "/etc/passwd"  # noqa: S105 - a file of accounts, no password
OPEN = frozenset({"/tmp", "/var/tmp", "/run", "/var/run", "/run/lock", "/var/lock", "/dev/shm"})  # noqa: S108
"""Directories that are everybody's by convention (Filesystem Hierarchy Standard 3.0), as long as they are sticky."""
REPLACED = ("/dev", "/proc", "/sys")
"""What the engine mounts something else over."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a layer: its path from the root, its type and mode as in stat(2).

    `capable`: it has capabilities of its own (setcap(8)), which whoever runs it gets.
    """

    path: str
    mode: int
    capable: bool = False


@dataclass(frozen=True, slots=True)
class Secret:
    """Something in a file that nobody else should have: what kind of thing, and the file's path."""

    kind: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer: its entries, what it removes from those below, the secrets in its files, its passwd if it has one.

    `removed` are paths; `emptied` are directories of which nothing that lower layers have is left.
    """

    entries: tuple[Entry, ...] = ()
    removed: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()
    passwd: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What of an image's files matters to checks. `secrets` are in it, `lost` in a layer whose file is gone or changed.

    `files` counts all entries that are left: an image of which nothing could be read has none. `passwd` is None where
    there is one, and it is no plain file.
    """

    files: int
    set_uid: tuple[str, ...] = ()
    world_writable: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()
    lost: tuple[Secret, ...] = ()
    passwd: str | None = ""


def content_of(layers: Sequence[Layer]) -> Content:
    """Lay the layers over each other."""
    left: dict[str, tuple[int, Entry]] = {}
    for number, layer in enumerate(layers):
        for path in layer.removed:
            left.pop(path, None)
        # What a layer puts in the place of a directory hides what was below it. Files that it replaces are many, and
        # have nothing below them.
        over = (entry.path for entry in layer.entries if not stat.S_ISDIR(entry.mode))
        hollow = frozenset((*layer.removed, *layer.emptied, *(path for path in over if _is_directory(left, path))))
        if hollow:
            left = {path: found for path, found in left.items() if not _below(path, hollow)}
        left.update((entry.path, (number, entry)) for entry in layer.entries)
    entries = [entry for _, entry in left.values()]
    kept: list[Secret] = []
    lost: list[Secret] = []
    for number, layer in enumerate(layers):
        for secret in layer.secrets:
            (kept if left.get(secret.path, (None,))[0] == number else lost).append(secret)
    return Content(
        files=len(left),
        set_uid=_paths(entry for entry in entries if entry.capable or _runs_as_another(entry.mode)),
        world_writable=_paths(entry for entry in entries if _is_everybodys(entry)),
        managers=_paths(entry for entry in entries if _is_manager(entry)),
        secrets=tuple(dict.fromkeys(kept)),
        lost=tuple(dict.fromkeys(lost)),
        passwd=_passwd(layers, left),
    )


def administrators(passwd: str) -> tuple[str, ...]:
    """Return the accounts with uid 0 of a passwd(5) file."""
    lines = (line.split(":") for line in passwd.splitlines())
    return tuple(fields[0] for fields in lines if len(fields) > 2 and fields[2].strip("0") == "" and fields[2])  # noqa: PLR2004 - the columns up to the uid


def _passwd(layers: Sequence[Layer], left: Mapping[str, tuple[int, Entry]]) -> str | None:
    number = left.get(PASSWD, (None,))[0]
    return "" if number is None else layers[number].passwd


def _is_directory(left: Mapping[str, tuple[int, Entry]], path: str) -> bool:
    found = left.get(path)
    return found is not None and stat.S_ISDIR(found[1].mode)


def _below(path: str, above: frozenset[str]) -> bool:
    while path != "/":
        path = posixpath.dirname(path)
        if path in above:
            return True
    return False


def _runs_as_another(mode: int) -> bool:
    return stat.S_ISREG(mode) and bool(mode & (stat.S_ISUID | stat.S_ISGID))


def _is_everybodys(entry: Entry) -> bool:
    if not (stat.S_ISREG(entry.mode) or stat.S_ISDIR(entry.mode)) or not entry.mode & stat.S_IWOTH:
        return False
    if entry.path in REPLACED or entry.path.startswith(tuple(f"{path}/" for path in REPLACED)):
        return False
    sticky = stat.S_ISDIR(entry.mode) and bool(entry.mode & stat.S_ISVTX)
    return not (sticky and entry.path in OPEN)


def _is_manager(entry: Entry) -> bool:
    # busybox has links by some of these names, and little behind them.
    directory, name = posixpath.split(entry.path)
    return stat.S_ISREG(entry.mode) and name in MANAGERS and directory in PROGRAMS


def _paths(entries: Iterable[Entry]) -> tuple[str, ...]:
    return tuple(sorted(entry.path for entry in entries))
