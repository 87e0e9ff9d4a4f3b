"""What a service's environment and labels are, from its own keys and the files that it names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kharness.settings.compose.document import Reading


def with_environment(service: Mapping[str, Any], environment: Mapping[str, str], reading: Reading) -> dict[str, Any]:
    """Return a canonical service whose files of variables and labels are read into `environment` and `labels`.

    `environment` has the project's variables: a name without a value is taken from there, and is None where unset.
    """
    found = {key: value for key, value in service.items() if key not in {"env_file", "label_file"}}
    variables: dict[str, Any] = {}
    for file in service.get("env_file") or ():
        path = Path(file["path"])
        if file["required"] or path.is_file():
            # What the same file says before comes first, then what earlier files say.
            raw = file.get("format") == "raw"
            variables.update(reading.variables(path, environment.get, raw=raw, below=dict(variables)))
    variables.update(_given(service.get("environment") or {}, environment))
    labels: dict[str, Any] = {}
    for name in service.get("label_file") or ():
        labels.update(reading.variables(Path(name), environment.get))
    labels.update(service.get("labels") or {})
    build = found.get("build")
    if isinstance(build, dict) and "args" in build:
        # An argument without a value that no variable has is left to the Dockerfile's own.
        given = _given(build["args"], environment)
        found["build"] = {**build, "args": {name: said for name, said in given.items() if said is not None}}
    return {**found, **({"environment": variables} if variables else {}), **({"labels": labels} if labels else {})}


def _given(said: Mapping[str, str | None], environment: Mapping[str, str]) -> dict[str, str | None]:
    return {name: environment.get(name) if value is None else value for name, value in said.items()}
