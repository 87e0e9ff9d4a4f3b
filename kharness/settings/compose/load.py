"""Read a Compose project from its folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kharness.errors import Problem, SettingsError
from kharness.settings.compose.document import Reading, read_document
from kharness.settings.compose.environment import with_environment
from kharness.settings.compose.finish import canonical_model, finished
from kharness.settings.compose.folder import OVERRIDES, OWN_FILE, compose_folder
from kharness.settings.compose.include import read_model
from kharness.settings.compose.profiles import circle, missing, split
from kharness.settings.compose.project import OWN_AT, ComposeProject
from kharness.settings.compose.remarks import remarks_of
from kharness.settings.project import derived
from kharness.settings.section import Loc

NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
NAME_KEY = "COMPOSE_PROJECT_NAME"


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
    canonical = canonical_model(model, faults)
    located = ComposeProject(
        name=project, directory=directory, files=tuple(reading.files), services={}, places=reading.places
    )
    # What follows takes each value for one of its form.
    _stop_at([located.problem(loc, message) for loc, message in faults])
    enabled, disabled = split(canonical["services"], active)
    remarks = [*remarks_of(model, enabled)]
    enabled = {key: with_environment(service, environment, reading) for key, service in enabled.items()}
    whole = finished({**canonical, "services": enabled}, project=project, faults=faults)
    faults += missing(whole["services"], disabled)
    if names := circle(whole["services"]):
        faults.append((("services", names[0], "depends_on"), f"should not be a circle: {' -> '.join(names)}"))
    own = _own(directory, reading)
    unknown = own.get("services", {}).keys() - whole["services"].keys() - disabled.keys()
    faults += [((OWN_AT, "services", key), "should be a service of the Compose file") for key in sorted(unknown)]
    result = replace(
        located,
        files=tuple(reading.files),
        main_files=tuple(found),
        own=own,
        services=whole["services"],
        disabled=disabled,
        networks=whole["networks"],
        volumes=whole["volumes"],
        secrets=whole["secrets"],
        configs=whole["configs"],
        extensions={key: value for key, value in model.items() if key.startswith("x-")},
        environment=environment,
    )
    _stop_at([*reading.problems, *(result.problem(loc, message) for loc, message in faults)])
    return replace(result, remarks=tuple(result.problem(loc, message) for loc, message in remarks))


def _own(directory: Path, reading: Reading) -> dict[str, Any]:
    """Return what stands in `kharness.yaml` beside the Compose file; nothing is put in for variables there."""
    path = directory / OWN_FILE
    if not path.is_file():
        return {}
    document = read_document(path, reading, called="what kharness adds to a Compose file")
    if document is None:
        return {}
    said = {} if document.value is None else document.value
    if not isinstance(said, dict) or not isinstance(said.get("services", {}), dict):
        message = "should be a mapping, as in 'services: {web: {expect: {tcp: [80]}}}'"
        reading.problems.append(Problem(path, "", message))
        return {}
    reading.places.update({(OWN_AT, *loc): (path, line) for loc, line in document.lines.items()})
    return said


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
