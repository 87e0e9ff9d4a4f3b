"""How an image is built: Compose's keys, and what kharness brings into the context of a container directory."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field

from kharness.settings.network import ExtraHosts
from kharness.settings.process import Ulimits
from kharness.settings.section import Section, expected, wrong
from kharness.settings.values import (
    Duration,
    Environment,
    FileMode,
    Filled,
    Flag,
    Labels,
    RelativePath,
    Size,
    below,
    read_duration,
    read_text,
)

SHA256 = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})", re.ASCII)
URL = re.compile(r"https?://[^\s/]+\S*")
REMOTE = re.compile(r"(?:https?|git|ssh)://|git@|github\.com/")
"""How a context begins that is no folder: the addresses that an engine fetches itself."""
IDLE: Mapping[str, str] = {
    "cache_from": "the engine's own cache is used alone",
    "cache_to": "no build cache is written elsewhere",
    "entitlements": "the engine grants none without a client's session",
    "isolation": "Linux has one",
    "platforms": "the image is built for the platform of the service, or of the engine",
    "provenance": "no attestation is made",
    "sbom": "no attestation is made; kharness looks into the image itself",
    "tags": "kharness moves the tags latest, live and prev of its own repository alone",
}
"""Keys of a service's `build` that change nothing in the image, and what holds instead."""


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


_PULL_POLICY = re.compile(r"always|missing|if_not_present|never|build|daily|weekly|every_(.+)")
_EVERY = {"daily": 86400.0, "weekly": 604800.0}


def _pull_policy(value: Any) -> str:
    match = _PULL_POLICY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise expected("always, missing, if_not_present, never, build, daily, weekly or every_DURATION")
    if match[1] is not None:
        read_duration(match[1])
    return str(value)


PullPolicy = Annotated[str, BeforeValidator(_pull_policy, json_schema_input_type=str)]


def pull_interval(policy: str) -> float | None:
    """Return after how many seconds a policy pulls an image again, None where age does not matter."""
    if policy.startswith("every_"):
        return read_duration(policy.removeprefix("every_"))
    return _EVERY.get(policy)


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
    context: Filled | None = None
    """A service's folder, absolute, or the URL of a repository or an archive; None is the directory itself."""
    dockerfile: Filled | None = None
    """The Dockerfile, relative to the context."""
    dockerfile_inline: Filled | None = None
    """The text of the Dockerfile."""
    additional_contexts: Environment = Field(default_factory=dict[str, str])
    """Folders, images (docker-image://) and services (service:) by the names that the Dockerfile has for them."""
    labels: Labels = Field(default_factory=dict[str, str])
    """Labels of the image."""
    network: Filled | None = None
    """The network of RUN."""
    shm_size: Size | None = None
    """The size of /dev/shm in RUN."""
    extra_hosts: ExtraHosts = ()
    """Names for RUN."""
    ulimits: Ulimits = Field(default_factory=dict)
    """Limits of RUN."""
    no_cache: Flag = False
    """Whether a build that is needed runs every step again."""
    pull: Flag = False
    """Whether each build asks the registry for newer base images."""
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

    def settled(self) -> Self:
        """Refuse two Dockerfiles, as Compose does."""
        if self.dockerfile is not None and self.dockerfile_inline is not None:
            raise wrong("should have dockerfile or dockerfile_inline, not both")
        if self.dockerfile_inline is not None and self.is_remote:
            raise wrong("should have no dockerfile_inline: the engine fetches the context, with its own Dockerfile")
        return self

    @property
    def is_remote(self) -> bool:
        """Whether the engine fetches the context itself."""
        return self.context is not None and REMOTE.match(self.context) is not None


def service_build(said: Any) -> Any:
    """Return what `Build` reads of a service's `build`: without what has no effect, nulls and `x-` keys."""
    if not isinstance(said, Mapping):
        return {"context": said} if isinstance(said, str) else said
    kept = {key: value for key, value in said.items() if key not in IDLE and not key.startswith("x-")}
    # As in Compose, an argument without a value is one that the Dockerfile has.
    if isinstance(args := kept.get("args"), Mapping):
        kept["args"] = {name: value for name, value in args.items() if value is not None}
    return {key: value for key, value in kept.items() if value not in (None, {}, [])}


def idle_keys(said: Any) -> Iterator[tuple[str, str]]:
    """Yield the keys of a service's `build` that have no effect here, each with what holds instead."""
    for key in said if isinstance(said, Mapping) else ():
        if key in IDLE and said[key] not in (None, {}, [], False, "false"):
            yield key, f"has no effect here: {IDLE[key]}"
