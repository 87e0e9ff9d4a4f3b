"""Secrets: files of the host that the container's user reads, and that no image, report or ledger ever has.

Compose names a service's secrets in a list and defines them at the top of the file. A `settings.yaml` is one service,
so here each secret says its own file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from kharness.settings.section import Section, expected, wrong
from kharness.settings.values import FileMode, MountTarget, StayingPath, read_text

DIRECTORY = "/run/secrets"
"""Where Compose, too, puts them in the container."""
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)
NUMBER = re.compile(r"\d{1,10}", re.ASCII)
HIGHEST = 2**32 - 2
"""The highest uid or gid that is one, chown(2)."""


def _placed(value: Any) -> str:
    text = read_text(value)
    if NAME.fullmatch(text):
        return f"{DIRECTORY}/{text}"
    if not text.startswith("/"):
        raise expected(f"an absolute path, or a name below {DIRECTORY}")
    return text


def _number(value: Any) -> int:
    text = "" if isinstance(value, bool) else read_text(value)
    if not NUMBER.fullmatch(text) or int(text) > HIGHEST:
        raise expected(f"a number from 0 to {HIGHEST}")
    return int(text)


Target = Annotated[MountTarget, BeforeValidator(_placed, json_schema_input_type=str)]
Number = Annotated[int, BeforeValidator(_number, json_schema_input_type=int | Annotated[str, Field(pattern=r"^\d+$")])]


class SecretFile(Section):
    """A file of the host and how the container sees it; uid and gid are those inside the container."""

    place: ClassVar[str] = "secrets"
    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"type": "string", "minLength": 1},)

    file: StayingPath
    """Its path on the host, absolute or relative to the container directory."""
    target: Target | None = None
    """Its path in the container, or a name below /run/secrets."""
    uid: Number | None = None
    """Its owner in the container; the user that the container runs as without it."""
    gid: Number | None = None
    """Its group in the container; that of the container's user without it."""
    mode: FileMode = 0o400
    """Its mode in the container, octal."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        if not isinstance(value, str):
            raise expected("the path of a file, or a mapping")
        return {"file": value}

    def placed(self, name: str) -> str:
        """Return the path in the container of the secret of that name."""
        return self.target or f"{DIRECTORY}/{name}"

    def overlaid(self, said: SecretFile) -> SecretFile:
        """Return it with what another one says laid over it."""
        return self.model_copy(update={key: getattr(said, key) for key in said.model_fields_set})


def _named(value: Any) -> Any:
    if isinstance(value, list | tuple):
        raise wrong(
            "should be a mapping of each name to its file, as in 'db_password: /etc/secrets/db_password'; a "
            "settings.yaml has one service, and no list of secrets at its top that a list here could refer to"
        )
    if isinstance(value, Mapping) and (odd := [name for name in value if not NAME.fullmatch(str(name))]):
        raise wrong(f"should have names of letters, digits, '_', '.' and '-', not '{str(odd[0])[:40]}'")
    return value


Secrets = Annotated[Mapping[str, SecretFile], BeforeValidator(_named)]


def merged(
    production: Mapping[str, SecretFile], test: Mapping[str, SecretFile], *, same: bool
) -> dict[str, SecretFile]:
    """Return a test instance's secrets: those that have a test value, and with `same` the real ones of the others."""
    tested = {name: production[name].overlaid(said) if name in production else said for name, said in test.items()}
    return {**(production if same else {}), **tested}
