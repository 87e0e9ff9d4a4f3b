"""What a backup holds, and why one is refused for a restoration."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum

FORMAT = 1
"""Raised whenever a reader must know more; a backup of a later format is refused."""
MANIFEST, CHECKSUM = "manifest.json", "manifest.sha256"


class PartKind(StrEnum):
    """What a part of a container's data is."""

    DIRECTORY = "directory"
    """`DV/NAME`, whole."""
    VOLUME = "volume"
    """A volume that has its name from the settings."""
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a container's data: `targets` are its places in the container, `source` where it was on the host.

    `name` is a volume's. `size` and `sha256` are those of the member `file`, `entries` and `bytes` those of the tree.
    """

    file: str
    kind: PartKind
    targets: tuple[str, ...]
    source: str
    name: str = ""
    entries: int = 0
    bytes: int = 0
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Omitted:
    """What production mounts and a backup does not have, and why."""

    target: str
    source: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupManifest:
    """A backup of the container `name`, made `at` seconds since the epoch.

    `image` is the id of the image that production had then, `release` the number of the ledger's last entry. `root` is
    the host's uid and gid of root in containers, which owners in the backup depend on. `moment` says what made it one
    moment's.
    """

    format: int
    kharness: str
    project: str
    name: str
    at: float
    image: str
    digests: tuple[str, ...]
    release: int
    root: tuple[int, int]
    moment: str
    parts: tuple[Part, ...]
    omitted: tuple[Omitted, ...] = ()

    @property
    def bytes(self) -> int:
        """How much the data took on the disk."""
        return sum(part.bytes for part in self.parts)

    def to_json(self) -> str:
        """Return the text that is in a backup."""
        return f"{json.dumps(asdict(self), indent=2)}\n"

    @classmethod
    def from_json(cls, text: str) -> BackupManifest:
        """Read what `to_json` wrote; raises ValueError."""
        try:
            said = json.loads(text)
            number = int(said["format"])
            if number > FORMAT:
                raise ValueError(f"its format is {number}, and this kharness knows {FORMAT}; use a newer one")
            uid, gid = said.pop("root")
            found = cls(
                parts=tuple(_part(each) for each in said.pop("parts")),
                omitted=tuple(Omitted(**each) for each in said.pop("omitted")),
                digests=tuple(said.pop("digests")),
                root=(int(uid), int(gid)),
                **said,
            )
            # All that is shown of it has a date, and sizes.
            datetime.fromtimestamp(found.at, tz=UTC)
            nothing = not found.parts or any(part.bytes < 0 for part in found.parts)
        except (KeyError, TypeError, AttributeError, OverflowError, OSError, RecursionError) as error:
            raise ValueError(f"should be the manifest of a backup: {error!r}") from error
        if nothing:
            raise ValueError("should be the manifest of a backup, and has no parts with data")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoring:
    """What a restoration would do: the `manifest` of a backup, else a snapshot, goes to `paths` and `fresh` volumes.

    `running`: production runs, and is stopped for it.
    """

    name: str
    manifest: BackupManifest | None
    snapshot: str
    paths: tuple[str, ...]
    fresh: tuple[str, ...]
    running: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """How a restoration ended: `aside` are directories, and where their data of before are; `started` says it runs."""

    name: str
    snapshot: str
    started: bool
    aside: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def refusals_to_restore(
    manifest: BackupManifest, *, name: str, project: str, root: tuple[int, int], foreign: bool
) -> Iterator[str]:
    """Yield why a backup is not what this container's data may be."""
    if (manifest.name, manifest.project) != (name, project) and not foreign:
        whose = f"it is of {manifest.name} of project {manifest.project!r}"
        yield f"{whose}; --foreign puts it in the place of {name} all the same"
    if manifest.root != root:
        was, now = (f"{uid}:{gid}" for uid, gid in (manifest.root, root))
        yield (
            f"root in containers was {was} on the host of the backup, and is {now} here: "
            "all owners would be other ones; see docs/uid-mapping.md"
        )


def _part(said: dict[str, object]) -> Part:
    targets = said["targets"]
    if not isinstance(targets, list):
        raise TypeError("targets should be a list")
    return Part(**{**said, "kind": PartKind(str(said["kind"])), "targets": tuple(map(str, targets))})  # type: ignore[arg-type]
