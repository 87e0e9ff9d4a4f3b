"""The model of a project's files: each with its includes and with what its services extend, merged in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kharness.settings.compose.document import MAPPINGS, ComposeFile, Reading, read_file
from kharness.settings.compose.extends import Extending
from kharness.settings.compose.merge import merged, unique
from kharness.settings.compose.paths import absolute
from kharness.settings.compose.scalars import Faults

KEYS = frozenset({"path", "project_directory", "env_file"})
DEEPEST = 50


def read_model(
    files: Sequence[Path],
    *,
    directory: Path,
    environment: Mapping[str, str],
    reading: Reading,
    above: tuple[Path, ...] = (),
) -> dict[str, Any]:
    """Return what several files say together, with absolute paths; `above` are the files that include these."""
    extending = Extending(environment.get, reading)
    model: dict[str, Any] = {}
    for path in files:
        file = read_file(path, environment.get, reading)
        if file is None:
            continue
        value = {key: said for key, said in file.value.items() if key != "include"}
        if "services" in value:
            value["services"] = extending.services(file, directory)
        value = absolute(value, directory)
        _places(file, reading)
        if "include" in file.value:
            value = _including(file, value, directory=directory, environment=environment, reading=reading, above=above)
        faults: Faults = []
        model = merged(model, value, faults, (), file.document.tags)
        for loc, message in faults:
            reading.fault(file, loc, message)
        services = model.get("services") or {}
        model["services"] = {
            name: unique(service) if isinstance(service, dict) else service for name, service in services.items()
        }
    for service in (model.get("services") or {}).values():
        if isinstance(service, dict) and isinstance(service.get("build"), dict):
            service["build"] = {"context": str(directory), **service["build"]}
    return model


def _places(file: ComposeFile, reading: Reading) -> None:
    reading.places.update({loc: (file.path, line) for loc, line in file.document.lines.items()})


def _including(
    file: ComposeFile,
    value: dict[str, Any],
    *,
    directory: Path,
    environment: Mapping[str, str],
    reading: Reading,
    above: tuple[Path, ...],
) -> dict[str, Any]:
    """Return a file's value beside what it includes; a name that both define in different ways is a fault."""
    said = file.value["include"] or []
    if not isinstance(said, list):
        reading.fault(file, ("include",), "should be a list of files")
        return value
    for index, item in enumerate(said):
        loc = ("include", index)
        entry = _entry(item)
        if entry is None:
            reading.fault(file, loc, "should be a file, or have 'path' and perhaps 'project_directory' and 'env_file'")
            continue
        paths, place, env_files = entry
        found = [(directory / path).absolute() for path in paths]
        if missing := [path for path in found if not path.is_file()]:
            reading.fault(file, loc, f"should name files that are there, and {missing[0]} is not")
            continue
        if len(above) > DEEPEST or any(path in {*above, file.path} for path in found):
            reading.fault(file, loc, "should not lead back to the file itself")
            continue
        home = (directory / place).absolute() if place else found[0].parent
        included = read_model(
            found,
            directory=home,
            environment=_variables(home, [directory / each for each in env_files], environment, reading),
            reading=reading,
            above=(*above, file.path),
        )
        value = _beside(file, value, included, reading)
    return value


def _entry(item: Any) -> tuple[list[str], str, list[str]] | None:
    said = {"path": item} if isinstance(item, str) else item
    if not isinstance(said, dict) or said.keys() - KEYS or "path" not in said:
        return None
    paths, env_files = _texts(said["path"]), _texts(said.get("env_file") or [])
    place = said.get("project_directory") or ""
    return (paths, place, env_files or []) if paths and env_files is not None and isinstance(place, str) else None


def _texts(said: Any) -> list[str] | None:
    texts = [said] if isinstance(said, str) else said
    return texts if isinstance(texts, list) and all(isinstance(each, str) for each in texts) else None


def _variables(
    home: Path, env_files: Sequence[Path], environment: Mapping[str, str], reading: Reading
) -> dict[str, str]:
    """Return the variables of an include: the project's, and below them those of its own files."""
    own: dict[str, str] = {}
    files = env_files or ([home / ".env"] if (home / ".env").is_file() else [])
    for path in files:
        own.update(reading.variables(path, environment.get))
    return {**own, **environment}


def _beside(file: ComposeFile, value: dict[str, Any], included: dict[str, Any], reading: Reading) -> dict[str, Any]:
    result = dict(value)
    for kind in MAPPINGS:
        own, others = dict(value.get(kind) or {}), included.get(kind) or {}
        for name, said in others.items():
            if name in own and own[name] != said:
                reading.fault(file, (kind, name), "should not be defined in another way than in an included file")
            own.setdefault(name, said)
        if own:
            result[kind] = own
    return result
