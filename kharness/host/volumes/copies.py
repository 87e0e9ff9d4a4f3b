"""Copies of volume directories for test instances: an empty directory, the directories alone, or everything.

A copy is made by walking with open directories, so that nothing that is put in the way of a live tree leads out of it.
Where the file system can, contents are shared (`reflink`).
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kharness.errors import HostError
from kharness.host.trees import holding, open_directory
from kharness.host.volumes.content import forget_inherited_acl, give
from kharness.host.volumes.copying import Copier, Progress
from kharness.host.volumes.fingerprint import (
    Survey,
    refuse_full_disk,
    refuse_sockets,
    survey,
    why_no_reflink,
)
from kharness.settings.volumes import CopyStrategy


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyReport:
    """What was copied: entries that are no directories, bytes of content, in which way, and the seconds it took.

    `vanished` are paths that were removed or replaced meanwhile, below the source; `lost` names what the target's file
    system or this user's rights could not take over: `owner`, or an extended attribute's name.
    """

    files: int
    bytes: int
    strategy: CopyStrategy
    seconds: float
    vanished: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def make_empty(source: Path | None, target: Path) -> None:
    """Make an empty directory with owner, mode and ACL of `source` if that exists, else 0755 and this user's.

    `target` may be there if it is empty. What only root may give (the owner) is left to root. Raises `HostError`.
    """
    with _failing(target), _made(target) as new:
        if source is None or not source.exists():
            os.fchmod(new, 0o755)
            return
        with _opened(source) as old:
            give(old, new, os.fstat(old), lost=set(), times=False)


def make_tree(source: Path, target: Path) -> None:
    """Make the directories of `source`, with owners, modes, times, and nothing of what else is in them.

    Links to directories are not directories. `target` may be there if it is empty. Raises `HostError`.
    """
    with _failing(source), _opened(source) as old, _made(target) as new:
        Copier(source=source, target=new, contents=False, reflink=False, progress=None).run(old)


def make_copy(
    source: Path,
    target: Path,
    *,
    progress: Progress | None,
    reflink: bool | None = None,
    found: Survey | None = None,
    skip_sockets: bool = False,
) -> CopyReport:
    """Make a real copy of a directory, or of a single file, at `target`, which may be there if it is empty.

    Owners, modes, times, hard links, holes, extended attributes, symbolic links as they are, fifos and devices are
    kept; what is mounted below the source is part of it. A tree may be in use: what vanishes meanwhile is reported, a
    file is what it was at some moments of the copy. `progress` is told about once a second, from any thread. `reflink`
    says whether contents are to be shared; without it that is tried. `found` is a survey that was made before. With
    `skip_sockets` those that a stopped server has left behind are left out, and reported as vanished.

    Raises `HostError`: there are sockets, not enough space (checked before anything is written), or something cannot
    be read or written; then an incomplete target is left, for the caller to remove.
    """
    began = time.monotonic()
    with _failing(source):
        real = source.resolve(strict=True)
        if stat.S_ISREG(real.stat().st_mode):
            copier = _copy_file(real, target, reflink=reflink is not False)
        else:
            _refuse_inside(real, target)
            copier = _copy_directory(real, target, progress, reflink=reflink, found=found, skip_sockets=skip_sockets)
    return CopyReport(
        files=copier.files,
        bytes=copier.bytes,
        strategy=CopyStrategy.REFLINK if copier.reflink and not copier.unshared else CopyStrategy.REAL,
        seconds=time.monotonic() - began,
        vanished=tuple(sorted(copier.vanished)),
        lost=tuple(sorted(copier.lost)),
    )


def _copy_directory(
    source: Path,
    target: Path,
    progress: Progress | None,
    *,
    reflink: bool | None,
    found: Survey | None,
    skip_sockets: bool,
) -> Copier:
    target.parent.mkdir(parents=True, exist_ok=True)
    place = target if target.exists() else target.parent
    shared = not why_no_reflink(source, place) if reflink is None else reflink
    if not shared:
        # What shares its blocks takes no space to speak of, and needs no survey for that.
        found = found or survey(source)
        refuse_full_disk(found, source, place)
    if found is not None and not skip_sockets:
        refuse_sockets(found.sockets, source)
    with _opened(source) as old, _made(target) as new:
        copier = Copier(source=source, target=new, contents=True, reflink=shared, progress=progress)
        copier.run(old)
    if found is None and not skip_sockets:
        refuse_sockets(copier.sockets, source)
    # Those that are new since the survey are of a server that runs, and would have been others a moment later.
    copier.vanished += copier.sockets
    return copier


def _copy_file(source: Path, target: Path, *, reflink: bool) -> Copier:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_file() and not target.stat().st_size:
        target.unlink()
    with _opened(source.parent) as old, _opened(target.parent) as new:
        copier = Copier(source=source.parent, target=new, contents=True, reflink=reflink, progress=None)
        copier.file(old, new, source.name, as_name=target.name)
    return copier


def _refuse_inside(source: Path, target: Path) -> None:
    if target.resolve().is_relative_to(source):
        raise HostError(f"{target}: should not be below {source}, of which it is to be a copy")


def _opened(directory: Path) -> AbstractContextManager[int]:
    # A volume directory may itself be a link, as it may be for the engine that mounts it.
    return holding(open_directory(directory.resolve(strict=True)))


@contextmanager
def _made(target: Path) -> Iterator[int]:
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    with holding(open_directory(target)) as number:
        if os.listdir(number):  # noqa: PTH208 - of the directory that is open
            raise HostError(f"{target}: should be empty")
        forget_inherited_acl(number)
        yield number


@contextmanager
def _failing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HostError(f"{path}: cannot be copied: {error}") from error
