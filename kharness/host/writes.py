"""What was written to a directory tree, found by comparing it with an earlier state of it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kharness.errors import HostError
from kharness.host.survey import MAX_DEPTH, open_directory
from kharness.plan.snapshots import Writes

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class _Seen:
    """What tells an entry from what it was; a directory's own time and size say only that something in it changed."""

    mode: int
    owner: tuple[int, int]
    size: int
    written: int
    leads_to: str

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)


def writes_since(before: Path, after: Path) -> Writes:
    """Compare names, kinds, sizes, owners, modes and times, not contents; sockets, which nobody can copy, do not count.

    Directories count where they were made, removed, or given to somebody else. Raises `HostError`.
    """
    old, new = _look(before), _look(after)
    added = new.keys() - old.keys()
    changed = {path for path in new.keys() & old.keys() if new[path] != old[path]}
    present = {path: new[path] for path in added | changed}
    latest = sorted(present, key=lambda path: (present[path].is_directory, -present[path].written, path))
    removed = sorted(old.keys() - new.keys())
    times = [seen.written for seen in present.values() if not seen.is_directory]
    return Writes(
        added=len(added),
        changed=len(changed),
        removed=len(removed),
        size=sum(seen.size for seen in present.values()),
        newest=max(times) / 1e9 if times else None,
        names=tuple(map(_shown, (*latest, *removed)))[:_SHOWN],
    )


def _look(top: Path) -> dict[str, _Seen]:
    found: dict[str, _Seen] = {}
    try:
        at = open_directory(top)
        try:
            found["."] = _seen(os.fstat(at), "")
            _visit(at, "", found, depth=0)
        finally:
            os.close(at)
    except OSError as error:
        raise HostError(f"{top}: cannot be compared: {error}") from error
    return found


def _visit(at: int, path: str, found: dict[str, _Seen], *, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise HostError(f"{path}: should not be deeper than {MAX_DEPTH} directories to be compared")
    for name in os.listdir(at):
        here = f"{path}/{name}" if path else name
        with suppress(FileNotFoundError):
            what = os.stat(name, dir_fd=at, follow_symlinks=False)
            if stat.S_ISSOCK(what.st_mode):
                continue
            link = os.readlink(name, dir_fd=at) if stat.S_ISLNK(what.st_mode) else ""
            found[here] = _seen(what, link)
            if stat.S_ISDIR(what.st_mode):
                inner = open_directory(name, within=at)
                try:
                    _visit(inner, here, found, depth=depth + 1)
                finally:
                    os.close(inner)


def _seen(found: os.stat_result, link: str) -> _Seen:
    directory = stat.S_ISDIR(found.st_mode)
    return _Seen(
        mode=found.st_mode,
        owner=(found.st_uid, found.st_gid),
        size=0 if directory else found.st_size,
        written=0 if directory else found.st_mtime_ns,
        leads_to=link,
    )


def _shown(path: str) -> str:
    # Names may hold anything, and this ends up on terminals and in the ledger.
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
