"""The volumes of a container directory, declared, present and kept, as values."""

from __future__ import annotations

from dataclasses import dataclass

from kharness.plan.volumes.snapshots import Snapshot


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
