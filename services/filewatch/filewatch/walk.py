"""Find the files of a pattern. What cannot be listed is reported: it must not look like a directory without files."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from functools import partial

from filewatch.patterns import ANY_DEPTH, has_magic, is_hidden, part_matches

Report = Callable[[str, OSError], None]
"""Gets a path and why it could not be looked at."""

GONE = frozenset({errno.ENOENT, errno.ENOTDIR})
"""What the system says of a path that is not, or no longer, there."""


def expand(parts: tuple[str, ...], report: Report) -> Iterator[str]:
    """Yield every existing path that fits, as `/...` ("" for the root itself), in no order.

    Links to directories are followed where a part was written for them, never below `**`: a link could lead back up.
    """
    if not parts:
        yield ""
        return
    todo = [("", 0)]
    while todo:
        base, index = todo.pop()
        part = parts[index]
        if part == ANY_DEPTH:
            todo += [(base, index + 1), *((path, index) for path in _directories_below(base, report))]
        elif index == len(parts) - 1:
            yield from (path for path, _ in _children(base, part, report))
        else:
            todo += [(path, index + 1) for path, is_directory in _children(base, part, report) if is_directory()]


def entries(directory: str, report: Report) -> Iterator[os.DirEntry[str]]:
    """Yield a directory's entries; none where it is not there or is no directory."""
    try:
        with os.scandir(directory or "/") as listing:
            yield from listing
    except OSError as error:
        if error.errno not in GONE:
            report(directory or "/", error)


def newest(directory: str, report: Report, *, skip: Callable[[str], bool]) -> tuple[str | None, bool]:
    """Return the regular file that was modified last, and whether all stayed where it was meanwhile.

    Hidden files and those to skip are passed over. None where there is no other, and where one may not be looked at
    (which is reported): it could be the newest.
    """
    best: tuple[int, str] | None = None
    settled = True
    for entry in entries(directory, report):
        path = f"{directory}/{entry.name}"
        if is_hidden(entry.name) or skip(path):
            continue
        try:
            status = entry.stat()
        except OSError as error:
            if error.errno not in GONE | {errno.ELOOP}:
                report(path, error)
                return None, True
            settled = settled and entry.is_symlink()  # a broken link is no candidate; anything else has just gone
            continue
        if stat.S_ISREG(status.st_mode) and (best is None or (status.st_mtime_ns, path) > best):
            best = (status.st_mtime_ns, path)
    return best[1] if best else None, settled


def _children(base: str, part: str, report: Report) -> Iterator[tuple[str, Callable[[], bool]]]:
    if has_magic(part):
        for entry in entries(base, report):
            if part_matches(part, entry.name):
                yield f"{base}/{entry.name}", partial(_is_directory, entry, follow=True)
    elif _exists(path := f"{base}/{part}", report):
        yield path, lambda: True


def _directories_below(base: str, report: Report) -> Iterator[str]:
    for entry in entries(base, report):
        if not is_hidden(entry.name) and _is_directory(entry, follow=False):
            yield f"{base}/{entry.name}"


def _is_directory(entry: os.DirEntry[str], *, follow: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow)
    except OSError:
        return False


def _exists(path: str, report: Report) -> bool:
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno not in GONE:
            report(path, error)
        return False
    return True
