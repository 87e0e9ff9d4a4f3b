"""What is decided about the data of a release: what stands in the way of a snapshot, which one fits, which ones go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from kharness.plan.launch.runspec import Mount, MountKind
from kharness.plan.volumes.usage import meets

PLACE = ".kharness/snapshots"
"""Where snapshots are below the volume root; its mode is 0700: they keep what only a container's user may read."""
DATA = "data"
"""The directory tree itself, within a snapshot."""
KEY = "release: {data: snapshot}"
OTHERWISE = "or say 'release: {data: keep}'"
LAUNCHES = frozenset({"launch", "relaunch", "rollback", "found"})
"""The ledger's words for what let production run an image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writes:
    """How a tree differs from what it was: files by number, `size` in bytes of those that are there.

    `newest` is when the last of them was written, in seconds since the epoch, `names` are a few, the newest first.
    """

    added: int = 0
    changed: int = 0
    removed: int = 0
    size: int = 0
    newest: float | None = None
    names: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many files differ."""
        return self.added + self.changed + self.removed


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A volume directory as it was before a release, or, `discarded`, as it was when that was undone.

    `id` is the operation's, `image` what it launched, `previous` what ran until then, `after` the number of the
    ledger's last entry before it, `at` when it began, in seconds since the epoch. `strategy` is btrfs (a snapshot),
    reflink or real, or moved: the directory itself, put aside. `writes` is what was discarded, None where that is not
    known.
    """

    id: str
    at: float
    image: str
    previous: str | None
    after: int
    strategy: str = "real"
    discarded: bool = False
    writes: Writes | None = None

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"{self.id}.discarded" if self.discarded else self.id


@dataclass(frozen=True, slots=True)
class Use:
    """A directory of the host that a container may write to; `source` without links."""

    container: str
    source: str


@dataclass(frozen=True, slots=True)
class Launched:
    """An entry of the ledger that let production run `image`."""

    number: int
    image: str


def refusals_to_snapshot(
    mounts: Iterable[Mount], *, directory: str, local: bool, mounted: Iterable[str], others: Iterable[Use]
) -> tuple[str, ...]:
    """Return why a snapshot of `directory` would not be all that the new container writes to, and only that.

    Paths are without links. `mounted` are the host's mount points at and below the directory, `others` what containers
    other than the directory's own may write to.
    """
    if not local:
        return (f"'{KEY}' needs the engine's file system, and the engine is not on this host; {OTHERWISE}",)
    reasons = [f"'{KEY}': {why}; make it read-only, {OTHERWISE}" for why in _uncovered(mounts, directory)]
    for place in mounted:
        what = "is a mount point" if place == directory else f"has something mounted in it, at {place}"
        reasons.append(f"'{KEY}': {directory} {what}, and could not be renamed as a whole; {OTHERWISE}")
    for use in others:
        if meets(use.source, directory):
            writes = f"the container {use.container} can write to {use.source}"
            reasons.append(f"'{KEY}': {writes}, and what it writes would be put back as well; {OTHERWISE}")
    return tuple(reasons)


def _uncovered(mounts: Iterable[Mount], directory: str) -> Iterable[str]:
    for mount in mounts:
        if mount.read_only or mount.source is None:
            continue
        if mount.kind is MountKind.BIND and not PurePosixPath(mount.source).is_relative_to(directory):
            yield f"{mount.target} is {mount.source}, outside of {directory}, and would not be put back"
        elif mount.kind is MountKind.VOLUME:
            yield f"{mount.target} is the named volume {mount.source}, and would not be put back"


def snapshot_to_restore(image: str, launches: Sequence[Launched], snapshots: Iterable[Snapshot]) -> Snapshot | None:
    """Return the data as `image` left them: the snapshot of the release that replaced it when it ran last.

    `launches` are the ledger's, the oldest first. None where that release took no snapshot, or none that is kept: an
    older one is never taken in its place.
    """
    last = max((place for place, each in enumerate(launches) if each.image == image), default=None)
    if last is None or last + 1 == len(launches):
        return None
    replaced = launches[last + 1]
    for each in snapshots:
        first = next((launch for launch in launches if launch.number > each.after), None)
        if not each.discarded and first == replaced and (each.previous, each.image) == (image, replaced.image):
            return each
    return None


def expired_snapshots(snapshots: Iterable[Snapshot], *, keep: int, in_use: Iterable[str] = ()) -> tuple[Snapshot, ...]:
    """Return all but the last `keep` snapshots, and the last `keep` of what was discarded, the oldest first.

    A launch that fails again and again takes no snapshot's place. The order is the ledger's, because clocks jump. Those
    of the operations `in_use` are neither counted nor returned.
    """
    used = frozenset(in_use)
    ours = sorted((each for each in snapshots if each.id not in used), key=in_order)
    kinds = ([each for each in ours if each.discarded is kind] for kind in (False, True))
    expired = (each for kind in kinds for each in kind[: max(0, len(kind) - keep)])
    return tuple(sorted(expired, key=in_order))


def in_order(snapshot: Snapshot) -> tuple[int, float, str]:
    """Return what sorts snapshots from the oldest to the newest."""
    return snapshot.after, snapshot.at, snapshot.name


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedVolume:
    """A volume's source on the host: owner and group by number, its mode, entries and bytes of the whole tree.

    Entries and bytes are None where they cannot be counted, and `problem` has the reason.
    """

    uid: int
    gid: int
    mode: int
    entries: int | None = None
    bytes: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredVolume:
    """A declared volume: `in_test` is what a test instance gets with production's data; `place` None: nothing there.

    `kind` is bind, volume or tmpfs. Whether something is there is only `known` of paths of this host.
    """

    target: str
    kind: str
    source: str | None
    read_only: bool
    in_test: str
    known: bool
    place: ListedVolume | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A snapshot, and its bytes on the disk."""

    snapshot: Snapshot
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryVolumes:
    """The volumes of the container directory `name`."""

    name: str
    volumes: tuple[DeclaredVolume, ...]
    snapshots: tuple[Kept, ...]
