"""How an image is built: Compose's `args` and `target`, and what kharness brings into the context."""

from __future__ import annotations

import posixpath
import re
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from kharness.settings.section import Section, expected
from kharness.settings.values import Duration, Environment, FileMode, Filled, RelativePath, below, read_text

SHA256 = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})", re.ASCII)
URL = re.compile(r"https?://[^\s/]+\S*")


def _checksum(value: Any) -> str:
    match = SHA256.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise expected("a SHA-256 checksum of 64 hexadecimal digits")
    return match[1].lower()


def _url(value: Any) -> str:
    if not isinstance(value, str) or not URL.fullmatch(value):
        raise expected("an http:// or https:// URL")
    return value


def _in_context(value: Any) -> str:
    return posixpath.normpath(read_text(value).lstrip("/") or ".")


# `/opt/x` and `opt/x` are the same place of the image.
InContext = Annotated[RelativePath, BeforeValidator(_in_context, json_schema_input_type=str)]


class CopyItem(Section):
    """A file or directory of the project that goes into the context's `files/`."""

    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"type": "string"},)

    source: RelativePath
    """The path in the project."""
    target: InContext
    """The path in the image."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        if not isinstance(value, str) or not value or value.count(":") > 1:
            raise expected("SOURCE[:TARGET]")
        source, _, target = value.partition(":")
        return {"source": below(source), "target": target or source}


class Download(Section):
    """A file that is fetched into the context's `files/`."""

    url: Annotated[str, BeforeValidator(_url, json_schema_input_type=str)]
    """Where it is; http or https."""
    sha256: Annotated[str, BeforeValidator(_checksum, json_schema_input_type=str)]
    """Its checksum: what else arrives is refused."""
    target: InContext
    """The path in the image."""
    mode: FileMode | None = None
    """Its mode, octal; 0o644 without it."""


class Build(Section):
    """`build:`; `max_age` in seconds."""

    place: ClassVar[str] = "build"

    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"enum": [".", "./"]},)

    args: Environment = Field(default_factory=dict[str, str])
    """Values for the Dockerfile's ARG instructions."""
    target: Filled | None = None
    """The stage of the Dockerfile to build."""
    copy_: tuple[CopyItem, ...] = Field(default=(), alias="copy")
    """What comes from elsewhere in the project."""
    download: tuple[Download, ...] = ()
    """What comes from the net, by checksum."""
    max_age: Duration | None = None
    """Build again when the image is older, though nothing changed: its base and packages have."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        # Compose's short form is the context, which here is the directory itself.
        return {} if value in (".", "./") else value
