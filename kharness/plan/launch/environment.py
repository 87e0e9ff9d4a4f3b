"""Values that only the container may see: those of an `env_file` and secrets, and how reports are kept free of them.

An `env_file` has `NAME=value` lines, as Compose reads them, but nothing is put in for `$NAME`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from kharness.plan.launch.runspec import Mount, MountKind

NAME = re.compile(r"[^\s=#'\"]+")
QUOTED = re.compile(r"""(?:"(?P<double>(?:\\.|[^"\\])*)"|'(?P<single>[^']*)')(?:\s+#.*|\s*)""")
COMMENT = re.compile(r"\s+#.*")
ESCAPED = re.compile(r"\\(.)")
MEANING = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "$": "$"}

Wrong = tuple[int, str]
"""A line's number and what it should be."""


def parse_env(text: str) -> tuple[dict[str, str], tuple[Wrong, ...]]:
    """Return the values, later lines winning, and what is wrong; no value is in the messages.

    Empty lines and those that begin with `#` count for nothing, `export` before a name neither. A value in quotes is
    taken as it is, with the usual backslashes between double ones; without quotes it ends before a `#` that follows a
    space.
    """
    values: dict[str, str] = {}
    wrong: list[Wrong] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        said = line.strip().removeprefix("export ").strip()
        if not said or said.startswith("#"):
            continue
        name, equals, rest = said.partition("=")
        if not equals or not NAME.fullmatch(name.rstrip()):
            wrong.append((number, "should be NAME=value"))
        elif (value := _value(rest)) is None:
            wrong.append((number, "should end with the quote that its value begins with"))
        else:
            values[name.rstrip()] = value
    return values, tuple(wrong)


def _value(said: str) -> str | None:
    if said.strip()[:1] not in {'"', "'"}:
        return COMMENT.sub("", said).strip()
    match = QUOTED.fullmatch(said.strip())
    if match is None:
        return None
    if match["single"] is not None:
        return match["single"]
    return ESCAPED.sub(lambda found: MEANING.get(found[1], found[0]), match["double"])


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
        """The mount; the container cannot change it, even if the copy's mode would let it."""
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
