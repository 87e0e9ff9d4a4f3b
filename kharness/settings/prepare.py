"""`prepare:`, directories and files of the volume directory that must be there before a container is launched."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, model_validator

from kharness.settings.section import Section, expected, wrong
from kharness.settings.values import Argv, FileMode, Text, below, is_number, read_text
from kharness.settings.volumes import VOLUME_NAME, Volume

NAMED = re.compile(r"[^\s:/]+")
"""What passwd(5) and group(5) can hold as a name."""
HIGHEST_ID = 2**32 - 2


def _below(value: Any) -> str:
    path = below(value)
    if ".." in read_text(value).split("/"):
        raise wrong("should be a path without '..'")
    if "\0" in path:
        raise expected("a path without null characters")
    return posixpath.normpath(path)


def _who(value: Any, kind: str, number: str) -> str:
    text = read_text(value) if isinstance(value, str) or is_number(value) else ""
    prefix, _, name = text.partition("/")
    by_number = text.isascii() and text.isdigit() and int(text) <= HIGHEST_ID
    if not by_number and not (prefix == kind and NAMED.fullmatch(name)):
        raise expected(f"a {number}, or {kind}/NAME from the image's own files")
    return str(int(text)) if by_number else text


def _owner(value: Any) -> str:
    return _who(value, "user", "uid")


def _group(value: Any) -> str:
    return _who(value, "group", "gid")


def _volume(value: Any) -> str:
    if not isinstance(value, str) or not VOLUME_NAME.fullmatch(value):
        raise expected("the name of a named volume")
    return value


PreparedPath = Annotated[str, BeforeValidator(_below, json_schema_input_type=str)]
Owner = Annotated[str, BeforeValidator(_owner, json_schema_input_type=str | int)]
Group = Annotated[str, BeforeValidator(_group, json_schema_input_type=str | int)]
VolumeName = Annotated[str, BeforeValidator(_volume, json_schema_input_type=str)]


class Contents(Section):
    """Where the first contents of a file come from; exactly one of the three."""

    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"type": ["string", "number"]},)

    text: Text | None = None
    """The contents themselves."""
    file: PreparedPath | None = None
    """A file, relative to the container directory."""
    command: Argv | None = None
    """A command that is run in a container of the image, without network; what it prints are the contents."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        if not isinstance(value, str) and not is_number(value):
            raise expected("text, or a mapping with file or command")
        return {"text": value}

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(said is not None for said in (self.text, self.file, self.command)) != 1 or self.command == ():
            raise wrong("should say one of text, file and command")
        return self


class Prepare(Section):
    """A directory, or with `contents` a file, below `DV/NAME/` or in a named volume."""

    place: ClassVar[str] = "prepare"
    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"type": "string"},)

    path: PreparedPath
    """Its path below DV/NAME/, or below the volume's directory."""
    volume: VolumeName | None = None
    """The named volume that it is in."""
    owner: Owner | None = None
    """Its owner in the container: a uid, or user/NAME from the image's passwd; the container's user without it."""
    group: Group | None = None
    """Its group in the container: a gid, or group/NAME from the image's group file; the owner's without it."""
    mode: FileMode | None = None
    """Its mode, octal; 0o755 for a directory and 0o644 for a file without it."""
    contents: Contents | None = None
    """What a file that is not there begins with; one that is there keeps what it has."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        if not isinstance(value, str):
            raise expected("a path, or a mapping with a path")
        return {"path": value}


def check_prepare(entries: tuple[Prepare, ...], *, volumes: Iterable[Volume]) -> Iterator[tuple[int, str, str]]:
    """Yield index, key and message of each entry that cannot stand beside the others."""
    named = {volume.source for volume in volumes if volume.type == "volume"}
    seen: dict[tuple[str | None, PurePosixPath], tuple[int, bool]] = {}
    for index, entry in enumerate(entries):
        place = (entry.volume, PurePosixPath(entry.path))
        if entry.volume is not None and entry.volume not in named:
            yield index, "volume", f"should be a named volume of volumes, not '{entry.volume}'"
        if entry.path == "." and entry.contents is not None:
            yield index, "path", "should be that of a file, not of the whole directory"
        if place in seen:
            yield index, "path", f"should be set once, it is that of prepare[{seen[place][0]}] already"
        seen.setdefault(place, (index, entry.contents is not None))
    for index, entry in enumerate(entries):
        for parent in PurePosixPath(entry.path).parents:
            above, file = seen.get((entry.volume, parent), (0, False))
            if file and parent != PurePosixPath(entry.path):
                yield index, "path", f"should not lie below a file, prepare[{above}] is one"
