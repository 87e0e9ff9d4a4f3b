"""Read a Compose project from its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kharness.errors import Problem, SettingsError
from kharness.settings.compose.folder import compose_folder
from kharness.settings.compose.project import ComposeProject
from kharness.settings.project import derived
from kharness.settings.yaml12 import YamlError, read_yaml


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
    # A stand-in until the reader is here: one file, no variables, service keys as they are written.
    del files, profiles
    found = compose_folder(folder)
    if found is None:
        raise SettingsError([Problem(folder, "", "should hold a Compose file")])
    try:
        document = read_yaml(found.file.read_bytes())
    except YamlError as error:
        raise SettingsError([Problem(found.file, f"line {error.line}", error.message)]) from None
    value: dict[str, Any] = document.value or {}
    project = name or str(value.get("name") or derived(folder.resolve().name))
    services: dict[str, dict[str, Any]] = {}
    networks = dict(value.get("networks") or {})
    for key, said in (value.get("services") or {}).items():
        service = dict(said or {})
        if "network_mode" not in service:
            joined = service.get("networks") or {"default": None}
            service["networks"] = joined if isinstance(joined, dict) else dict.fromkeys(joined)
            for each in service["networks"]:
                networks.setdefault(each, None)
        services[key] = service
    return ComposeProject(
        name=project,
        directory=found.path,
        files=(found.file,),
        services=services,
        networks={key: {"name": f"{project}_{key}", **(said or {})} for key, said in networks.items()},
        volumes={
            key: {"name": f"{project}_{key}", **(said or {})} for key, said in (value.get("volumes") or {}).items()
        },
        extensions={key: said for key, said in value.items() if key.startswith("x-")},
        environment=dict(environ),
    )
