"""A Compose project as it was read: its services and what is defined beside them, in Compose's long forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kharness.errors import Problem

Value = Mapping[str, Any]
OWN_AT = "kharness.yaml"
"""Stands before the places of that file, which only kharness reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeProject:
    """What `docker compose config --format json` prints of a project, as plain values that are never changed.

    `directory` is the project directory, to which the file's relative paths were made absolute; `files` are all that
    were read, `main_files` those that were named: others are included or extended. `services` are the enabled ones,
    `disabled` those of profiles that are not active. Each service, network, volume, secret and config is a mapping in
    Compose's canonical form: long forms only, variables put in, `env_file` merged into `environment`, sizes as decimal
    text of bytes, `x-` keys kept. What is defined beside services has the engine's name as `name`. `extensions` are the
    `x-` keys of the top, `own` is what stands in `kharness.yaml`. `remarks` are what was read in another way than
    Compose does, or has no effect here. `environment` is what variables were taken from.
    """

    name: str
    directory: Path
    files: tuple[Path, ...]
    main_files: tuple[Path, ...] = ()
    services: Mapping[str, Value] = field(default_factory=dict)
    disabled: Mapping[str, Value] = field(default_factory=dict)
    networks: Mapping[str, Value] = field(default_factory=dict)
    volumes: Mapping[str, Value] = field(default_factory=dict)
    secrets: Mapping[str, Value] = field(default_factory=dict)
    configs: Mapping[str, Value] = field(default_factory=dict)
    extensions: Value = field(default_factory=dict)
    own: Value = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    remarks: tuple[Problem, ...] = ()
    places: Mapping[tuple[str | int, ...], tuple[Path, int]] = field(default_factory=dict, repr=False)
    """The file and line of each place, such as ("services", "web", "ports", 0)."""

    def place(self, loc: tuple[str | int, ...]) -> tuple[Path, int]:
        """Return file and line of a place, or of the nearest one around it; line 0 where that is not known."""
        while loc and loc not in self.places:
            loc = loc[:-1]
        return self.places.get(loc, (self.files[0], 0))

    def problem(self, loc: tuple[str | int, ...], message: str) -> Problem:
        """Return a problem of a place, with its file, line and key."""
        from kharness.settings.problems import dotted  # noqa: PLC0415 - it imports pydantic

        file, line = self.place(loc)
        loc = loc[1:] if loc[:1] == (OWN_AT,) else loc
        where = f"{dotted(loc)} (line {line})" if line else dotted(loc)
        return Problem(file, where, message)
