"""Relative paths of a Compose file, made absolute by the directory that they mean.

That is the project's for its own files, an include's project directory for what it includes, and the file's own for a
service that another extends.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kharness.settings.compose.merge import by_name

REMOTE = ("git@", "github.com/", "git://", "http://", "https://", "ssh://", "oci://", "docker-image://")
OTHERS = ("service:", "target:")
"""Contexts that are another service's image, or another stage."""


def absolute(model: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Return a file's model, as it was written, with the paths of its services, secrets and configs absolute."""
    home = _below(directory)
    found = dict(model)
    if isinstance(services := model.get("services"), dict):
        found["services"] = {name: service_paths(each, directory) for name, each in services.items()}
    for kind in ("secrets", "configs"):
        if isinstance(defined := model.get(kind), dict):
            found[kind] = {name: _at(each, "file", home) for name, each in defined.items()}
    return found


def service_paths(service: Any, directory: Path) -> Any:
    """Return a service, as it was written, with its paths absolute."""
    if not isinstance(service, dict):
        return service
    below = _below(directory)
    found = dict(service)
    for name in ("env_file", "label_file"):
        if name in found:
            said = found[name]
            found[name] = (
                [_at(each, "path", below) for each in said] if isinstance(said, list) else _at(said, "path", below)
            )
    if isinstance(mounts := found.get("volumes"), list):
        found["volumes"] = [_mount(each, below) for each in mounts]
    if isinstance(build := found.get("build"), str | dict):
        found["build"] = _build(build, below)
    if isinstance(develop := found.get("develop"), dict) and isinstance(rules := develop.get("watch"), list):
        found["develop"] = {**develop, "watch": [_at(each, "path", below) for each in rules]}
    return found


def _below(directory: Path) -> Callable[[str], str]:
    def path(said: str) -> str:
        if not said or said.startswith(REMOTE) or said.startswith(OTHERS):
            return said
        if said == "~" or said.startswith("~/"):
            return os.path.normpath(Path.home() / said[2:])
        return os.path.normpath(directory / said)

    return path


def _at(value: Any, key: str, path: Callable[[str], str]) -> Any:
    """Apply `path` to a text, or to the text below a key of a mapping."""
    if isinstance(value, str):
        return path(value)
    if isinstance(value, dict) and isinstance(value.get(key), str):
        return {**value, key: path(value[key])}
    return value


def _mount(item: Any, path: Callable[[str], str]) -> Any:
    if isinstance(item, dict):
        return _at(item, "source", path) if item.get("type") == "bind" else item
    if isinstance(item, str) and ":" in item and item.startswith((".", "~")):
        source, _, rest = item.partition(":")
        return f"{path(source)}:{rest}"
    return item


def _build(build: Any, path: Callable[[str], str]) -> Any:
    if isinstance(build, str):
        return path(build)
    found = dict(build)
    if isinstance(context := build.get("context"), str):
        found["context"] = path(context)
    contexts = by_name(build.get("additional_contexts"))
    if isinstance(contexts, dict):
        found["additional_contexts"] = {
            name: path(each) if isinstance(each, str) else each for name, each in contexts.items()
        }
    return found
