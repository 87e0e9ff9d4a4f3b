"""The upper directory of an overlay, beside what lies below it: every name that it has, and every one that it hides.

The kernel's documentation (filesystems/overlayfs) says what stands in one: a character device 0:0 hides the name below,
a directory with the attribute `opaque` hides all that is below it, anything else is there in place of what has its name
below, and directories merge. The walk holds directories open and follows no link; what vanishes meanwhile is not in it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from kharness.errors import HostError
from kharness.host.survey import MAX_DEPTH, open_directory
from kharness.plan.untouched import shown

TRUSTED, USER = "trusted.overlay.", "user.overlay."
"""What the kernel's own attributes begin with: those that root's mounts have, and those of `userxattr`."""
_LONGEST = 60
_GONE = (FileNotFoundError, NotADirectoryError)


class UnclearError(HostError):
    """The overlay uses a feature by which the upper directory alone does not say what was changed."""


@dataclass(frozen=True, slots=True)
class Old:
    """What lies below under a name: the open directory of the layer that has it, and what it is."""

    at: int
    found: os.stat_result


@dataclass(frozen=True, slots=True)
class Pair:
    """A name of the upper directory `at`, which is open until the next one is asked for.

    `new` is what is there, None for what is hidden; `old` what is below, None where nothing was. Never both.
    """

    path: str
    name: str
    at: int
    new: os.stat_result | None
    old: Old | None


def walk_upper(upper: int, below: Sequence[int], *, prefix: str = TRUSTED) -> Iterator[Pair]:
    """Yield everything that an open upper directory has or hides; `below` are the open lower ones, the uppermost first.

    A directory comes before what is in it. Raises OSError, `UnclearError` where a directory was renamed or a file's
    content is elsewhere, and `HostError` for a tree that is too deep.
    """
    yield from _walk(upper, tuple(below), "", prefix=prefix, depth=0)


def _walk(at: int, below: tuple[int, ...], path: str, *, prefix: str, depth: int) -> Iterator[Pair]:
    if depth > MAX_DEPTH:
        raise HostError(
            f"{shown(path[:_LONGEST])}...: should not be deeper than {MAX_DEPTH} directories to be looked at"
        )
    there = set[str]()
    with os.scandir(at) as entries:
        for entry in entries:
            with suppress(*_GONE):
                new = entry.stat(follow_symlinks=False)
                there.add(entry.name)
                old = _lookup(entry.name, below)
                here = f"{path}{entry.name}"
                if is_whiteout(new):
                    if old is not None:
                        yield Pair(here, entry.name, at, None, old)
                    continue
                _refuse_elsewhere(entry.name, at, new, prefix)
                yield Pair(here, entry.name, at, new, old)
                if stat.S_ISDIR(new.st_mode):
                    yield from _enter(entry.name, at, below, f"{here}/", prefix=prefix, depth=depth)
    if _is_opaque(at, prefix):
        for name in _merged(below) - there:
            if (old := _lookup(name, below)) is not None:
                yield Pair(f"{path}{name}", name, at, None, old)


def _enter(name: str, at: int, below: tuple[int, ...], path: str, *, prefix: str, depth: int) -> Iterator[Pair]:
    with ExitStack() as stack:
        inner = hold(stack, name, within=at)
        yield from _walk(inner, _inner(name, below, stack, prefix), path, prefix=prefix, depth=depth + 1)


def hold(stack: ExitStack, name: str | Path, *, within: int | None = None) -> int:
    """Open a directory, not through a link, until the stack is closed. Raises OSError."""
    found = open_directory(name, within=within)
    stack.callback(os.close, found)
    return found


def is_whiteout(found: os.stat_result) -> bool:
    """Whether it only hides what is below."""
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def attribute(place: int | str, name: str) -> bytes | None:
    """Return an extended attribute, not of what a link leads to; None where there is none, or may none be seen."""
    with suppress(OSError):
        return os.getxattr(place, name, follow_symlinks=isinstance(place, int))
    return None


def _lookup(name: str, below: Sequence[int]) -> Old | None:
    for at in below:
        with suppress(*_GONE):
            found = os.stat(name, dir_fd=at, follow_symlinks=False)
            return None if is_whiteout(found) else Old(at, found)
    return None


def _inner(name: str, below: Sequence[int], stack: ExitStack, prefix: str) -> tuple[int, ...]:
    """Open what makes up the directory of that name below: those of several layers, down to what hides the others."""
    found: list[int] = []
    for at in below:
        with suppress(FileNotFoundError):
            try:
                inner = hold(stack, name, within=at)
            except OSError:
                # It may be a whiteout, a link, a file: what is below it is hidden.
                os.stat(name, dir_fd=at, follow_symlinks=False)
                break
            found.append(inner)
            if _is_opaque(inner, prefix):
                break
    return tuple(found)


def _merged(below: Sequence[int]) -> set[str]:
    found = set[str]()
    for at in below:
        with os.scandir(at) as entries:
            found.update(entry.name for entry in entries)
    return found


def _is_opaque(directory: int, prefix: str) -> bool:
    value = attribute(directory, f"{prefix}opaque")
    if value == b"x":
        raise UnclearError("a directory of the overlay hides names by attributes of files")
    return value == b"y"


def _refuse_elsewhere(name: str, at: int, new: os.stat_result, prefix: str) -> None:
    if stat.S_ISDIR(new.st_mode):
        what = "redirect"
    elif stat.S_ISREG(new.st_mode) and new.st_size and not new.st_blocks:
        what = "metacopy"
    else:
        return
    # The calls for extended attributes know no directories.
    if attribute(f"/proc/self/fd/{at}/{name}", f"{prefix}{what}") is not None:
        raise UnclearError(f"{shown(name)}: what it was, or its content, is elsewhere in the overlay ({what})")
