"""From a service of a Compose project to kharness's settings, and to what Compose makes around its container."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from kharness.errors import SettingsError
from kharness.settings.build import service_build
from kharness.settings.compose.origin import Definition, ServiceOrigin
from kharness.settings.compose.project import ComposeProject
from kharness.settings.model import Settings
from kharness.settings.problems import key_problems


def service_settings(project: ComposeProject, name: str) -> Settings:
    """Return the settings of a service, with the names of networks and volumes that the engine has for them.

    Raises `SettingsError` with all problems, each with file and line.
    """
    # A stand-in until all keys are read.
    said: dict[str, Any] = {key: value for key, value in project.services[name].items() if not key.startswith("x-")}
    said["networks"] = {
        project.networks[key]["name"]: {**(value or {}), "aliases": [*(value or {}).get("aliases", ()), name]}
        for key, value in (said.get("networks") or {}).items()
    }
    if "build" in said:
        # What is built here has our own tags; a build that nothing tested does not move the name in `image`.
        said["build"] = service_build(said["build"])
        said.pop("image", None)
    said.update(project.services[name].get("x-kharness") or {})
    try:
        return Settings.model_validate(said)
    except ValidationError as error:
        raise SettingsError(
            [project.problem(("services", name, *found.loc), found.message) for found in key_problems(error)]
        ) from None


def service_origin(project: ComposeProject, name: str) -> ServiceOrigin:
    """Return what Compose makes around a service's container."""
    service = project.services[name]
    networks = {
        project.networks[key]["name"]: Definition(
            key=key, name=project.networks[key]["name"], said=project.networks[key]
        )
        for key in service.get("networks") or ()
    }
    return ServiceOrigin(
        project=project.name,
        service=name,
        directory=project.directory,
        files=project.files,
        container=service.get("container_name") or f"{project.name}-{name}-1",
        networks=networks,
    )
