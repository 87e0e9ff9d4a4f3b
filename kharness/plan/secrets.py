"""Secrets: how the container gets them, and how their values are kept out of what people read and send around."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from kharness.plan.runspec import Mount, MountKind

HIDDEN = "***"
SHORTEST = 4
"""Shorter values are no secrets, and hiding each `1` or `on` would make a text unreadable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretValue:
    """A secret that was read; its value is in no `repr`.

    `uid` and `gid` are those in the container, None the ones of the user that it runs as. `copy` is the path of
    production's private copy, another one for every value and owner. `exposed` is the file that it was read from, if
    everybody on this host may read that.
    """

    name: str
    target: str
    uid: int | None
    gid: int | None
    mode: int
    value: bytes = field(repr=False)
    copy: str = ""
    exposed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretCopy:
    """A secret, and the private copy of it that is mounted."""

    secret: SecretValue
    path: str

    @property
    def mount(self) -> Mount:
        """The mount; whatever the copy's mode, the container cannot change it."""
        return Mount(kind=MountKind.BIND, source=self.path, target=self.secret.target, read_only=True)


def production_copies(secrets: Iterable[SecretValue]) -> tuple[SecretCopy, ...]:
    """Mount production's own copies, which stay as long as a container may be started with them."""
    return tuple(SecretCopy(secret=secret, path=secret.copy) for secret in secrets)


def instance_copies(secrets: Iterable[SecretValue], *, scratch: PurePosixPath) -> tuple[SecretCopy, ...]:
    """Mount copies that are in a test instance's own directory, and go with it."""
    return tuple(SecretCopy(secret=secret, path=str(scratch / "secrets" / secret.name)) for secret in secrets)


def texts(value: bytes) -> frozenset[str]:
    """Return what must not be shown of a secret's value: the whole, and each line of it, without spaces around."""
    text = value.decode(errors="replace")
    return frozenset(part for part in (text.strip(), *map(str.strip, text.splitlines())) if part)


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return the text without these values. A value in another encoding, such as base64, is not recognised."""
    # The longest first: one may be part of another.
    for secret in sorted({secret for secret in secrets if len(secret) >= SHORTEST}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text
