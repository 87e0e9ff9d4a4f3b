"""`drift:`, what a running production container may change without anybody's being told."""

from __future__ import annotations

import posixpath
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator

from kharness.settings.policy import Day
from kharness.settings.section import Section, expected, wrong
from kharness.settings.values import Filled, MountTarget, Size

FileType = Literal["file", "directory", "link", "fifo", "socket", "device"]


def _pattern(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise expected("an absolute path in the container, in which * and ** may stand")
    if ".." in value.split("/"):
        raise wrong("should be a path without '..'")
    plain = "/" + posixpath.normpath(value).lstrip("/")
    if plain == "/":
        raise wrong("should be below /; /** is everything")
    return plain


Pattern = Annotated[str, BeforeValidator(_pattern, json_schema_input_type=str)]


class Expected(Section):
    """A change that is expected; `max_size` in bytes. What is not said is not limited."""

    place: ClassVar[str] = "drift.expect"
    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"type": "string", "pattern": "^/"},)

    path: Pattern
    """The path in the container: * and ? stay in a directory, ** does not, and /** at the end means DIR itself, too."""
    type: FileType | None = None
    """What it has to be: file, directory, link, fifo, socket or device."""
    max_size: Size | None = None
    """The most bytes that it may have."""
    until: Day | None = None
    """The last day on which it is expected, such as 2027-03-01."""
    reason: Filled | None = None
    """Why it is expected; shown when it has expired."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        if not isinstance(value, str):
            raise expected("a path such as /var/log/**, or a mapping with a path")
        return {"path": value}


class DriftSettings(Section):
    """What may differ in a running production container from its image."""

    place: ClassVar[str] = "drift"

    expect: tuple[Expected, ...] = ()
    """Changes of the copy-on-write layer, and of what is watched, that are expected."""
    watch: tuple[MountTarget, ...] = ()
    """Paths in volumes, which are not part of the layer: they are compared with what was recorded of them."""
