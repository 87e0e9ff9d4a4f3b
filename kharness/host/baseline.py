"""How an instance's volume looked when it was launched, kept in a file for whoever asks what was written since."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path

from kharness.errors import HostError
from kharness.host.fingerprint import fingerprint
from kharness.host.overlay import overlay_changes
from kharness.plan.changes import changes_between, in_order
from kharness.plan.facts import Change
from kharness.plan.untouched import Fingerprint, records


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A volume at its launch: what was there, or, of an overlay, what was in its `upper` directory over `lower`."""

    top: Path
    found: Fingerprint
    lower: Path | None = None
    upper: Path | None = None

    @classmethod
    def take(cls, top: Path, *, overlay: tuple[Path, Path] | None = None) -> Baseline:
        """Look at a volume; `overlay` is its lower and its upper directory."""
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
