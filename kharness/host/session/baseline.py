"""What was written to a volume since its instance was launched, or since a snapshot: two states of it compared."""

from __future__ import annotations

import json
import os
import stat
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kharness.errors import HostError
from kharness.host.session.overlay import overlay_changes
from kharness.host.trees import holding, open_directory, walk
from kharness.host.volumes.fingerprint import fingerprint
from kharness.plan.facts import Change
from kharness.plan.session.untouched import Fingerprint, records
from kharness.plan.trees import compare
from kharness.plan.volumes.manifest import changes_between, in_order
from kharness.plan.volumes.snapshots import Writes


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A volume at its launch: what was there, or, of an overlay, what was in its `upper` directory over `lower`."""

    top: Path
    found: Fingerprint
    lower: Path | None = None
    upper: Path | None = None

    @classmethod
    def take(cls, top: Path, *, overlay: tuple[Path, Path] | None = None) -> Baseline:
        """Record a volume as it is; `overlay` is its lower and its upper directory."""
        lower, upper = overlay or (None, None)
        return cls(top=top, found=fingerprint(upper or top), lower=lower, upper=upper)

    def save(self, file: Path) -> None:
        """Write it to a file; raises `HostError`."""
        listings = {path: (names, _text(records)) for path, (names, records) in self.found.listings.items()}
        said = {
            "top": str(self.top),
            "lower": str(self.lower) if self.lower else "",
            "upper": str(self.upper) if self.upper else "",
            "own": _text(self.found.top),
            "listings": listings,
        }
        try:
            file.write_text(json.dumps(said), encoding="utf-8")
        except OSError as error:
            raise HostError(f"{file}: cannot be written: {error.strerror}") from error

    @classmethod
    def load(cls, file: Path) -> Baseline:
        """Read what `save` wrote; raises `HostError`."""
        try:
            said = json.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise HostError(f"{file}: cannot be read: {error.strerror}") from error
        listings = {path: (names, b64decode(records)) for path, (names, records) in said["listings"].items()}
        return cls(
            top=Path(said["top"]),
            found=Fingerprint(top=b64decode(said["own"]), listings=listings),
            lower=Path(said["lower"]) if said["lower"] else None,
            upper=Path(said["upper"]) if said["upper"] else None,
        )

    def changes(self) -> tuple[Change, ...]:
        """Return what was added, changed and removed since; raises `HostError`."""
        try:
            if self.lower is None or self.upper is None:
                return changes_between(self.found, fingerprint(self.top))
            found = overlay_changes(self.lower, self.upper)
        except OSError as error:
            raise HostError(f"{self.top}: cannot be compared with its launch: {error}") from error
        if found is None:
            return changes_between(fingerprint(self.lower), fingerprint(self.top), same_place=False)
        # What was there at the launch already, such as a prepared file, counts when it was written since.
        early = records(self.found)
        since = {each.path: each for each in changes_between(self.found, fingerprint(self.upper)) if each.path in early}
        return in_order(since.get(each.path, each) for each in found if each.path not in early or each.path in since)


def _text(content: bytes) -> str:
    return b64encode(content).decode("ascii")


_SHOWN = 5


@dataclass(frozen=True, slots=True)
class _Seen:
    """The properties of an entry that are compared; a directory's time and size change with what is in it."""

    mode: int
    owner: tuple[int, int]
    size: int
    written: int
    leads_to: str

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)


def writes_since(before: Path, after: Path) -> Writes:
    """Compare names, kinds, sizes, owners, modes and times, not contents; sockets, which have no copy, do not count.

    Directories count where they were made, removed, or got another owner. Raises `HostError`.
    """
    found = tuple(compare(_look(before), _look(after)))
    present = {path: new for path, _, new in found if new is not None}
    added = sum(old is None for _, old, _ in found)
    latest = sorted(present, key=lambda path: (present[path].is_directory, -present[path].written, path))
    removed = [path for path, _, new in found if new is None]
    times = [seen.written for seen in present.values() if not seen.is_directory]
    return Writes(
        added=added,
        changed=len(present) - added,
        removed=len(removed),
        size=sum(seen.size for seen in present.values()),
        newest=max(times) / 1e9 if times else None,
        names=tuple(map(_shown, (*latest, *removed)))[:_SHOWN],
    )


def _look(top: Path) -> dict[str, _Seen]:
    found: dict[str, _Seen] = {}
    try:
        with holding(open_directory(top)) as at:
            found["."] = _seen(os.fstat(at), "")
            for entry in walk(at, top):
                mode = entry.found.st_mode
                with suppress(FileNotFoundError):
                    if not stat.S_ISSOCK(mode):
                        found[entry.path] = _seen(entry.found, entry.leads_to() if stat.S_ISLNK(mode) else "")
    except OSError as error:
        raise HostError(f"{top}: cannot be compared: {error}") from error
    return found


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
