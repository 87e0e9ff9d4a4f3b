"""The snapshots of one volume directory, beside it on its own file system, so that putting one back is a rename.

    DV/NAME                                    the directory itself
    DV/.kharness/snapshots/NAME/ID/            as it was before the release ID: `data`, and `about.json`
    DV/.kharness/snapshots/NAME/ID.restored/   a copy of an older snapshot, about to become DV/NAME
    DV/.kharness/snapshots/NAME/ID.discarded/  what DV/NAME was when the release ID was undone
    DV/.kharness/snapshots/NAME/*.partial/     being made, or being removed; nothing needs it

An entry under its own name is complete and on the disk: it is made as `.partial` and renamed, or it is one rename. So
the state of a release is read from the directories, and not recorded:

| `ID/data` | `DV/NAME` | `ID.discarded/data` | state | the way back |
|---|---|---|---|---|
| -   | yes | -   | before the snapshot: the new container never ran | nothing |
| yes | yes | -   | behind it: the new one may have written | `DV/NAME` becomes `ID.discarded/data`, and on |
| yes | -   | any | between two renames of a restoration, or of the way back | `ID/data` becomes `DV/NAME` |
| -   | yes | yes | put back | nothing |
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from kharness.errors import HostError
from kharness.host.durable import rename, sync_directory, sync_filesystem, write_text
from kharness.host.session.baseline import writes_since
from kharness.host.volumes import btrfs
from kharness.host.volumes.copies import make_copy
from kharness.host.volumes.directories import ensure_directory, remove_tree
from kharness.host.volumes.fingerprint import refuse_full_disk, survey, why_no_reflink
from kharness.plan.volumes.snapshots import DATA, PLACE, Snapshot, Writes, in_order

ABOUT = "about.json"
PARTIAL, RESTORED, DISCARDED = ".partial", ".restored", ".discarded"
_SHOWN = 5

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a snapshot would cost: how it would be made, and the bytes and entries of a real copy."""

    strategy: str
    bytes: int = 0
    entries: int = 0


class Snapshots:
    """The snapshots of `root/name`. Every method raises `HostError`; the caller holds the release lock of `name`."""

    def __init__(self, root: Path, name: str, *, place: str = PLACE) -> None:
        # The root may be a link, and what is below it may not.
        self._root = Path(os.path.realpath(root))
        self._name = name
        self.directory = self._root / name
        self._below = f"{place}/{name}"
        self.place = self._root / self._below

    def exists(self) -> bool:
        """Whether there is anything to make a snapshot of."""
        with _naming(self.directory):
            return _exists(self.directory)

    def estimate(self, *, of: str | None = None) -> Estimate:
        """Return what a copy of the directory, or of a snapshot, would take; `HostError` where the disk is too full.

        Nothing is made but the snapshots' place.
        """
        source = self.place / of / DATA if of else self.directory
        with _naming(source):
            if _is_whole_subvolume(source):
                return Estimate(strategy="btrfs")
            place = self._made_place()
            found = survey(source)
            strategy = "real" if why_no_reflink(source, place) else "reflink"
            if strategy == "real":
                refuse_full_disk(found, source, place)
        return Estimate(strategy=strategy, bytes=found.bytes, entries=found.entries)

    def take(self, snapshot: Snapshot, *, progress: Progress | None = None) -> tuple[str, ...]:
        """Make the snapshot of an operation; nothing else may write meanwhile. Returns the sockets, which it lacks.

        Refused is what is not the same afterwards: owners or attributes that were lost, files that vanished meanwhile.
        """
        partial = self.place / f"{snapshot.id}{PARTIAL}"
        with _naming(self.directory):
            strategy, sockets = self._copy(self.directory, partial, progress)
            write_text(partial / ABOUT, _told(replace(snapshot, strategy=strategy)))
            sync_filesystem(partial)
            self._move(partial, self.place / snapshot.id)
        return sockets

    def prepare(self, operation: str, *, of: str, progress: Progress | None = None) -> None:
        """Copy the snapshot `of`, to be put in the directory's place later; it stays what it is itself."""
        partial = self.place / f"{operation}{RESTORED}{PARTIAL}"
        with _naming(self.place / of):
            self._copy(self.place / of / DATA, partial, progress)
            sync_filesystem(partial)
            self._move(partial, self.place / f"{operation}{RESTORED}")

    def unpack(self, operation: str, fill: Callable[[Path], None]) -> None:
        """Let `fill` give an empty directory its contents, to be put in the directory's place later."""
        partial = self.place / f"{operation}{RESTORED}{PARTIAL}"
        with _naming(self.directory):
            self._made_place()
            self._remove(partial)
            partial.mkdir(mode=0o700)
            if not btrfs.create(partial / DATA):
                (partial / DATA).mkdir()
            fill(partial / DATA)
            sync_filesystem(partial)
            self._move(partial, self.place / f"{operation}{RESTORED}")

    def has(self, snapshot: str) -> bool:
        """Whether a snapshot of that name is kept."""
        return snapshot in {each.name for each in self.kept()}

    def lend(self, reader: str) -> Path | None:
        """Return a copy that took next to no time, for a slow reader; None where every byte would have to be read.

        `take_back` removes it; so does `tidy`, where the reader was killed.
        """
        with _naming(self.directory):
            if not _is_whole_subvolume(self.directory) and why_no_reflink(self.directory, self._made_place()):
                return None
            partial = self.place / f"{reader}{PARTIAL}"
            self._copy(self.directory, partial, None)
            return partial / DATA

    def take_back(self, reader: str) -> None:
        """Remove the copy that was lent."""
        with _naming(self.place):
            self._remove(self.place / f"{reader}{PARTIAL}")

    def exchange(self, snapshot: Snapshot) -> None:
        """Make the directory itself the snapshot of an operation, and put the prepared copy in its place."""
        aside = self.place / snapshot.id
        with _naming(self.directory):
            if not self.exists():
                ensure_directory(self._root, self._name)
            aside.mkdir(mode=0o700, exist_ok=True)
            write_text(aside / ABOUT, _told(replace(snapshot, strategy="moved")))
            sync_directory(self.place)
            self._move(self.directory, aside / DATA)
            self._move(self.place / f"{snapshot.id}{RESTORED}" / DATA, self.directory)

    def is_taken(self, operation: str) -> bool:
        """Whether an operation's snapshot is complete, and not put back: data may have been written since."""
        with _naming(self.place):
            return _exists(self.place / operation / DATA)

    def put_back(self, operation: str, *, base: str = "") -> None:
        """Put the directory back as it was before an operation, by the table above; a call may be repeated.

        `base` is the snapshot that the directory was restored from: what was written is what differs from that.
        """
        taken, discarded = self.place / operation, self.place / f"{operation}{DISCARDED}"
        with _naming(self.directory):
            if not self.is_taken(operation):
                return
            if self.exists() and _exists(discarded / DATA):
                # The way back was cut short between its renames: only an empty directory can be in the way.
                self.directory.rmdir()
            elif self.exists():
                writes = self._writes(self.place / (base or operation) / DATA)
                lost = replace(self._about(taken), discarded=True, strategy="moved", writes=writes)
                discarded.mkdir(mode=0o700, exist_ok=True)
                write_text(discarded / ABOUT, _told(lost))
                sync_directory(self.place)
                self._move(self.directory, discarded / DATA)
            self._move(taken / DATA, self.directory)

    def discarded(self, operation: str) -> Snapshot | None:
        """Return what the way back of an operation has discarded, None where that is nothing."""
        path = self.place / f"{operation}{DISCARDED}"
        with _naming(path):
            return self._about(path) if _is_kept(path) else None

    def writes_since(self, operation: str) -> Writes:
        """Return how the directory differs from a snapshot, as far as can be seen while it is written to."""
        return writes_since(self.place / operation / DATA, self.directory)

    def kept(self) -> tuple[Snapshot, ...]:
        """Return everything that is kept, the oldest first."""
        found = [self._about(path) for path in self._entries() if _is_kept(path)]
        return tuple(sorted(found, key=in_order))

    def size(self, snapshot: Snapshot) -> int:
        """Return the bytes of a tree on the disk; shared ones are counted as if they were its own."""
        return survey(self.place / snapshot.name / DATA).bytes

    def remove(self, snapshot: Snapshot) -> None:
        """Remove what is kept; cut short, it is gone all the same, and `tidy` removes the rest."""
        path = self.place / snapshot.name
        with _naming(path):
            gone = path.with_name(f"{path.name}{PARTIAL}")
            self._remove(gone)
            if _exists(path):
                self._move(path, gone)
                self._remove(gone)

    def tidy(self, *, in_use: frozenset[str] = frozenset()) -> None:
        """Remove what is not complete, and discarded trees that nothing had written to, but for operations `in_use`."""
        for path in self._entries():
            if path.name.partition(".")[0] in in_use:
                continue
            if not _is_kept(path):
                self._remove(path)
            elif path.name.endswith(DISCARDED) and (found := self._about(path)).writes == Writes():
                self.remove(found)

    def _entries(self) -> list[Path]:
        with _naming(self.place):
            return sorted(self.place.iterdir()) if self.place.is_dir() else []

    def _made_place(self) -> Path:
        return ensure_directory(self._root, self._below, mode=0o700)

    def _copy(self, source: Path, partial: Path, progress: Progress | None) -> tuple[str, tuple[str, ...]]:
        self._made_place()
        self._remove(partial)
        partial.mkdir(mode=0o700)
        if _is_whole_subvolume(source):
            btrfs.snapshot(source, partial / DATA)
            return "btrfs", ()
        report = make_copy(source, partial / DATA, progress=progress, skip_sockets=True)
        sockets = tuple(path for path in report.vanished if _is_socket(source / path))
        if vanished := [path for path in report.vanished if path not in sockets]:
            raise HostError(f"{source}: should not change while it is copied, and {_few(vanished)} vanished meanwhile")
        if report.lost:
            raise HostError(f"{source}: a snapshot cannot keep {_few(report.lost)} as this user, on this file system")
        return report.strategy, sockets

    def _writes(self, base: Path) -> Writes | None:
        try:
            return writes_since(base, self.directory)
        except HostError:
            return None  # putting it back is more important than knowing what that discards

    def _about(self, path: Path) -> Snapshot:
        try:
            said = json.loads((path / ABOUT).read_text(encoding="utf-8"))
            writes = said.pop("writes")
            return Snapshot(**said, writes=Writes(**{**writes, "names": tuple(writes["names"])}) if writes else None)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise HostError(
                f"{path / ABOUT}: should say what this snapshot is, and cannot be read: {error!r}"
            ) from error

    def _move(self, old: Path, new: Path) -> None:
        rename(old, new)

    def _remove(self, path: Path) -> None:
        with _naming(path):
            data = path / DATA
            if not (_exists(data) and btrfs.is_subvolume(data) and btrfs.destroy(data)):
                remove_tree(data)
            remove_tree(path)


def _is_whole_subvolume(path: Path) -> bool:
    return btrfs.is_subvolume(path) and not btrfs.has_inner(path)


def _exists(path: Path) -> bool:
    # Unlike os.path.lexists, which takes a disk that fails for a file that is not there.
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def _is_kept(path: Path) -> bool:
    return not path.name.endswith((PARTIAL, RESTORED)) and _exists(path / DATA)


def _told(snapshot: Snapshot) -> str:
    return json.dumps(asdict(snapshot))


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:
        return False


def _few(names: Iterator[str] | tuple[str, ...] | list[str]) -> str:
    shown = list(names)
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return f"{', '.join(map(ascii, shown[:_SHOWN]))}{more}"


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HostError(f"{path}: its snapshots cannot be worked on: {error}") from error
