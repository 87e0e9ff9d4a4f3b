"""`policy:`, what a container is checked for, and excused from; `drift:`, what it may change while it runs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from kharness.settings.ports import HIGHEST
from kharness.settings.section import Section, expected, wrong
from kharness.settings.values import AbsolutePath, Duration, Filled, MountTarget, Size, Texts, read_text

DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _day(value: Any) -> date:
    # A datetime is a date, too, and says more than a day.
    if type(value) is date:
        return value
    if isinstance(value, str) and DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise expected("a date such as 2027-03-01")


Day = Annotated[
    date,
    BeforeValidator(_day, json_schema_input_type=Annotated[str, Field(pattern=f"^{DAY.pattern}$")]),
]
"""A day of the calendar, `2027-03-01`; YAML 1.2 has no dates, so that a file gives it as text."""


Profile = Literal["strict", "baseline", "none"]
IDENTIFIER = re.compile(r"KH\d{3}", re.ASCII)
DAYS = 24 * 60 * 60.0


def _published(value: Any) -> str:
    port, _, protocol = (read_text(value) if not isinstance(value, bool) else "").lower().partition("/")
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= HIGHEST and protocol in {"", "tcp", "udp", "sctp"}):
        raise expected("a port of the host such as 53/udp")
    return f"{int(port)}/{protocol or 'tcp'}"


def _reason(value: Any) -> str:
    text = read_text(value)
    if not text.strip():
        raise wrong("should not be empty")
    return text


def _identifier(value: Any) -> str:
    if not isinstance(value, str) or not IDENTIFIER.fullmatch(value):
        raise expected("a check's identifier such as KH110")
    return value


Reason = Annotated[str, BeforeValidator(_reason, json_schema_input_type=str)]


class Waiver(Section):
    """Why a check need not hold, and until when."""

    place: ClassVar[str] = "policy.waive"

    reason: Reason
    """Why this container is excused."""
    until: Day | None = None
    """The last day on which it is."""

    def expired(self, today: date) -> bool:
        """Whether it no longer holds."""
        return self.until is not None and today > self.until


Identifier = Annotated[str, BeforeValidator(_identifier, json_schema_input_type=str)]
HostPort = Annotated[str, BeforeValidator(_published, json_schema_input_type=str | int)]


class Allow(Section):
    """What an image or a launch of this container may have, each by name."""

    place: ClassVar[str] = "policy.allow"

    set_uid: tuple[AbsolutePath, ...] = ()
    """Programs in the image that run as their owner or group."""
    world_writable: tuple[AbsolutePath, ...] = ()
    """Files and directories of the image that anybody may write to."""
    secrets: tuple[AbsolutePath, ...] = ()
    """Files of the image that look like secrets and are none; * stays in a directory, ** does not."""
    published: tuple[HostPort, ...] = ()
    """Ports of the host that are below 1024, or open on all of its addresses, on purpose."""


class Policy(Section):
    """The checks of this container; `max_age` in seconds."""

    place: ClassVar[str] = "policy"

    profile: Profile | None = None
    """Which checks there are: strict, baseline, or none."""
    waive: Mapping[Identifier, Waiver] = Field(default_factory=dict[str, Waiver])
    """Checks that need not hold, by identifier."""
    allow: Allow = Field(default_factory=Allow)
    """What it may have, each by name."""
    processes: Texts = ()
    """The programs that run in it, by name; the one that its entry point starts without it."""
    max_age: Duration = 90 * DAYS
    """How old its image may become."""


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
