"""What a service's environment and labels are, from its own keys and the files that it names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kharness.settings.compose.document import Reading
from kharness.settings.compose.merge import by_name
from kharness.settings.compose.scalars import decimal_text
from kharness.settings.section import Loc

OCTAL = re.compile(r"[-+]?0[0-7]+")
Faults = list[tuple[Loc, str]]


def with_environment(
    service: Mapping[str, Any], environment: Mapping[str, str], reading: Reading, loc: Loc, faults: Faults
) -> dict[str, Any]:
    """Return a service whose files of variables and labels are read into `environment` and `labels`.

    `environment` has the project's variables: a name without a value is taken from there, and is None where unset.
    """
    found = {key: value for key, value in service.items() if key not in {"env_file", "label_file"}}
    variables: dict[str, Any] = {}
    for path, required, raw in _files(service.get("env_file"), (*loc, "env_file"), faults):
        if required or path.is_file():
            # What the same file says before comes first, then what earlier files say.
            variables.update(reading.variables(path, environment.get, raw=raw, below=dict(variables)))
    own = _named(service, "environment", loc, faults)
    variables.update({name: environment.get(name) if said is None else text(said) for name, said in own.items()})
    labels: dict[str, Any] = {}
    for path, _, _ in _files(service.get("label_file"), (*loc, "label_file"), faults):
        labels.update(reading.variables(path, environment.get))
    labels.update({k: "" if v is None else text(v) for k, v in _named(service, "labels", loc, faults).items()})
    build = found.get("build")
    if isinstance(build, dict) and "args" in build:
        # An argument without a value that no variable has is left to the Dockerfile's own.
        given = {name: environment.get(name) if said is None else said for name, said in build["args"].items()}
        found["build"] = {**build, "args": {name: said for name, said in given.items() if said is not None}}
    return {**found, **({"environment": variables} if variables else {}), **({"labels": labels} if labels else {})}


def octal(service: Mapping[str, Any]) -> list[str]:
    """Return the variables of a service whose number Compose would read as an octal one."""
    own = by_name(service.get("environment"))
    return [
        name
        for name, said in (own.items() if isinstance(own, dict) else ())
        if isinstance(said, int) and OCTAL.fullmatch(str(getattr(said, "written", "")))
    ]


def text(value: Any) -> str:
    """Return a plain value as the text that a process finds; a number that looks octal stays as it is written."""
    if isinstance(value, bool):
        return str(value).lower()
    written = str(getattr(value, "written", value))
    if isinstance(value, int):
        return written if OCTAL.fullmatch(written) else str(int(value))
    if isinstance(value, float):
        return decimal_text(value)
    return written


def _named(service: Mapping[str, Any], key: str, loc: Loc, faults: Faults) -> dict[str, Any]:
    own = by_name(service.get(key))
    if own is None:
        return {}
    if isinstance(own, dict) and not any(isinstance(said, dict | list) for said in own.values()):
        return own
    faults.append(((*loc, key), "should be a mapping of names to plain values, or a list of NAME=VALUE"))
    return {}


def _files(said: Any, loc: Loc, faults: Faults) -> list[tuple[Path, bool, bool]]:
    """Return each file with whether it is required, and whether its lines are taken raw."""
    found: list[tuple[Path, bool, bool]] = []
    for item in said if isinstance(said, list) else [] if said is None else [said]:
        entry = {"path": item} if isinstance(item, str) else item
        if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
            faults.append((loc, "should be a file, or a list of files"))
        elif entry.get("format") not in {None, "raw"}:
            faults.append((loc, "should have no format but raw"))
        else:
            found.append((Path(entry["path"]), entry.get("required") is not False, entry.get("format") == "raw"))
    return found
