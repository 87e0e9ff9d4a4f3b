"""Read a Compose project from its folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kharness.errors import Problem, SettingsError
from kharness.settings.compose.document import Reading
from kharness.settings.compose.environment import octal, with_environment
from kharness.settings.compose.folder import OVERRIDES, compose_folder
from kharness.settings.compose.include import read_model
from kharness.settings.compose.profiles import circle, missing, split
from kharness.settings.compose.project import ComposeProject
from kharness.settings.project import derived
from kharness.settings.section import Loc

NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
NAME_KEY = "COMPOSE_PROJECT_NAME"
OCTAL = "keeps the number of {name} as it is written, where Compose reads an octal one"


def load_compose(
    folder: Path,
    *,
    environ: Mapping[str, str],
    files: Sequence[Path] = (),
    profiles: Sequence[str] = (),
    name: str = "",
) -> ComposeProject:
    """Read the project of a folder as Compose would with this environment.

    `files`, `profiles` and `name` are what its flags `-f`, `--profile` and `-p` would say. Raises `SettingsError` with
    all problems at once.
    """
    folder = folder.absolute()
    reading = Reading()
    environment = _environment(folder, environ, files, reading)
    found = _files(folder, environment, files)
    directory = found[0].parent
    said = name or environment.get(NAME_KEY, "")
    environment.setdefault(NAME_KEY, said or derived(directory.resolve().name))
    model = read_model(found, directory=directory, environment=environment, reading=reading)
    _stop_at(reading.problems)
    said = said or derived(str(model.get("name") or ""))
    project = said or derived(directory.resolve().name)
    if not NAME.fullmatch(project):
        message = "should be a project's name: lower-case letters, digits, '-' and '_', first a letter or digit"
        raise SettingsError([Problem(found[0], "name", message)])
    active = [*profiles, *(each.strip() for each in environment.get("COMPOSE_PROFILES", "").split(","))]
    faults: list[tuple[Loc, str]] = []
    services: dict[str, dict[str, Any]] = {
        key: _canonical(service, ("services", key), faults) for key, service in (model.get("services") or {}).items()
    }
    enabled, disabled = split(services, active)
    remarks = [
        (("services", key, "environment"), OCTAL.format(name=variable))
        for key, service in enabled.items()
        for variable in octal(service)
    ]
    enabled = {
        key: with_environment(service, environment, reading, ("services", key), faults)
        for key, service in enabled.items()
    }
    faults += missing(enabled, disabled)
    if names := circle(enabled):
        faults.append((("services", names[0], "depends_on"), f"should not be a circle: {' -> '.join(names)}"))
    networks = _networks(enabled, model.get("networks") or {}, faults)
    result = ComposeProject(
        name=project,
        directory=directory,
        files=tuple(reading.files),
        services=enabled,
        disabled=disabled,
        networks=_with_names(project, networks),
        volumes=_with_names(project, model.get("volumes") or {}),
        secrets=_with_names(project, model.get("secrets") or {}),
        configs=_with_names(project, model.get("configs") or {}),
        extensions={key: value for key, value in model.items() if key.startswith("x-")},
        environment=environment,
        places=reading.places,
    )
    _stop_at([*reading.problems, *(result.problem(loc, message) for loc, message in faults)])
    return replace(result, remarks=tuple(result.problem(loc, message) for loc, message in remarks))


def _stop_at(problems: Sequence[Problem]) -> None:
    if problems:
        raise SettingsError(dict.fromkeys(problems))


def _environment(folder: Path, environ: Mapping[str, str], files: Sequence[Path], reading: Reading) -> dict[str, str]:
    """Return the project's variables: the caller's, and below them those of its `.env`."""
    home = (folder / files[0]).parent if files else folder
    listed = [each.strip() for each in environ.get("COMPOSE_ENV_FILES", "").split(",") if each.strip()]
    paths = [folder / each for each in listed] or ([home / ".env"] if (home / ".env").is_file() else [])
    own: dict[str, str] = {}
    for path in paths:

        def lookup(name: str) -> str | None:
            return environ.get(name, own.get(name))

        own.update(reading.variables(path, lookup))
    _stop_at(reading.problems)
    return {**own, **environ}


def _files(folder: Path, environment: Mapping[str, str], files: Sequence[Path]) -> list[Path]:
    if files:
        return [folder / each for each in files]
    if said := environment.get("COMPOSE_FILE"):
        return [folder / each for each in said.split(environment.get("COMPOSE_PATH_SEPARATOR") or ":")]
    found = compose_folder(folder)
    if found is None:
        raise SettingsError([Problem(folder, "", "should hold a Compose file")])
    over = next((path for name in OVERRIDES if (path := found.path / name).is_file()), None)
    return [found.file, *([over] if over else [])]


def _canonical(  # noqa: C901 - a row for each key
    service: dict[str, Any], loc: Loc, faults: list[tuple[Loc, str]]
) -> dict[str, Any]:
    """Return a service with `networks`, `depends_on` and `profiles` in their long forms, and what they imply."""
    found = dict(service)
    for key in ("networks", "depends_on"):
        said = found.get(key)
        if isinstance(said, list) and all(isinstance(each, str) for each in said):
            found[key] = dict.fromkeys(said)
        elif not isinstance(said, dict | None):
            faults.append(((*loc, key), "should be a list of names, or a mapping"))
            found[key] = {}
    waited = {
        name: {"condition": "service_started", "required": True, **(each if isinstance(each, dict) else {})}
        for name, each in (found.get("depends_on") or {}).items()
    }
    for key in ("network_mode", "ipc", "pid"):
        kind, _, other = str(found.get(key) or "").partition(":")
        if kind == "service":
            # The one whose namespace it takes is replaced together with it.
            waited.setdefault(other, {"condition": "service_started", "restart": True, "required": True})
    found.pop("depends_on", None)
    if waited:
        found["depends_on"] = waited
    if not found.get("network_mode"):
        found["networks"] = found.get("networks") or {"default": None}
    elif not found.get("networks"):
        found.pop("networks", None)
    profiles = found.get("profiles")
    if not isinstance(profiles, list | None) or not all(isinstance(each, str) for each in profiles or ()):
        faults.append(((*loc, "profiles"), "should be a list of names"))
        profiles = []
    if not profiles:
        found.pop("profiles", None)
    return found


def _networks(services: Mapping[str, Any], said: Mapping[str, Any], faults: list[tuple[Loc, str]]) -> dict[str, Any]:
    """Return the networks that services use, the default one among them even if nobody defines it."""
    found: dict[str, Any] = {}
    for name, service in services.items():
        for key in service.get("networks") or ():
            if key not in said and key != "default":
                faults.append((("services", name, "networks"), f"should name a network of the project, not {key!r}"))
            found[key] = said.get(key)
    return found


def _with_names(project: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is defined with its name on the engine; what is external has its own, not the project's."""
    return {
        key: {"name": key if (value or {}).get("external") else f"{project}_{key}", **(value or {})}
        for key, value in said.items()
    }
