"""What differs between two images: configuration, packages, files. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kharness.plan.facts import ImageFacts
from kharness.plan.labels import PREFIX
from kharness.plan.trees import compare

DPKG, APK = "var/lib/dpkg/status", "lib/apk/db/installed"
"""Where Debian's and Alpine's package managers keep what is installed, dpkg-query(1), apk(8)."""
CONFIGURED = ("user", "entrypoint", "command", "environment", "exposed", "health", "volumes")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A file of an image: `kind` as tar(5) has it, `content` a digest, or the target of a link."""

    kind: str
    mode: int
    owner: tuple[int, int]
    content: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageChange:
    """One difference; None where there is nothing on one side."""

    what: str
    before: str | None
    after: str | None


def configuration_changes(before: ImageFacts, after: ImageFacts) -> tuple[ImageChange, ...]:
    """Compare the configurations of images; our own labels aside."""
    found = [
        ImageChange(what=name, before=_told(getattr(before, name)), after=_told(getattr(after, name)))
        for name in CONFIGURED
        if getattr(before, name) != getattr(after, name)
    ]
    labels = (_foreign(before.labels), _foreign(after.labels))
    return (*found, *changes(*labels, prefix="label "))


def file_changes(before: Mapping[str, FileEntry], after: Mapping[str, FileEntry]) -> tuple[ImageChange, ...]:
    """Compare files by their paths; what differs in one is named."""
    return tuple(
        ImageChange(what=path, before=_state(old, new), after=_state(new, old))
        for path, old, new in compare(before, after)
    )


def changes(before: Mapping[str, str], after: Mapping[str, str], *, prefix: str = "") -> tuple[ImageChange, ...]:
    """Compare two mappings, packages and their versions for example."""
    return tuple(
        ImageChange(what=f"{prefix}{name}", before=old, after=new) for name, old, new in compare(before, after)
    )


def packages(databases: Mapping[str, str]) -> dict[str, str]:
    """Return the installed packages and their versions, out of what `DPKG` and `APK` hold."""
    return {**dict(_dpkg(databases.get(DPKG, ""))), **dict(_apk(databases.get(APK, "")))}


def _dpkg(text: str) -> Iterator[tuple[str, str]]:
    for paragraph in text.split("\n\n"):
        said = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        if said.get("Status", "").endswith(" installed") and "Package" in said:
            yield said["Package"], said.get("Version", "")


def _apk(text: str) -> Iterator[tuple[str, str]]:
    for paragraph in text.split("\n\n"):
        said = dict(line.split(":", 1) for line in paragraph.splitlines() if line[1:2] == ":")
        if "P" in said:
            yield said["P"], said.get("V", "")


def _foreign(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if not name.startswith(PREFIX)}


def _told(value: object) -> str | None:
    match value:
        case None | "" | ():
            return None
        case tuple():
            return " ".join(map(str, value))
        case _:
            return str(value)


def _state(entry: FileEntry | None, other: FileEntry | None) -> str | None:
    if entry is None:
        return None
    if other is None:
        return entry.kind
    said = []
    if entry.kind != other.kind:
        said.append(entry.kind)
    if entry.mode != other.mode:
        said.append(f"mode {entry.mode:04o}")
    if entry.owner != other.owner:
        said.append(f"owner {entry.owner[0]}:{entry.owner[1]}")
    if entry.kind == other.kind == "link" and entry.content != other.content:
        said.append(f"to {entry.content}")
    elif entry.content != other.content:
        said.append("content")
    return ", ".join(said)
