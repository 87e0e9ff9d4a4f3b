"""What Compose calls and labels a service's container, its networks and volumes, and what it makes around it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kharness.settings.compose.folder import LABEL
from kharness.settings.compose.given import given_files, secret_files
from kharness.settings.compose.mounts import named_volumes
from kharness.settings.compose.origin import Definition, ServiceOrigin
from kharness.settings.compose.project import ComposeProject

VERSION = "2.40.3"
"""The version of Compose whose labels these are."""
SECRET = re.compile(r"PASS|SECRET|TOKEN|CREDENTIAL|PRIVATE|APIKEY|API_KEY|_KEY$|^KEY$", re.IGNORECASE)
"""What the name of a variable has whose value no report shows."""
CREDENTIALS = re.compile(r"://[^/@\s]+@")
"""A URL with a user and a password: no report shows such a value."""


def container_name(project: ComposeProject, name: str) -> str:
    """Return the name of a service's container."""
    return str(project.services[name].get("container_name") or f"{project.name}-{name}-1")


def service_origin(project: ComposeProject, name: str) -> ServiceOrigin:
    """Return what Compose makes around a service's container."""
    service = project.services[name]
    return ServiceOrigin(
        project=project.name,
        service=name,
        directory=project.directory,
        files=project.files,
        container=container_name(project, name),
        labels=_labels(project, name),
        networks=dict(_definitions(project, "networks", service.get("networks") or ())),
        volumes=dict(_definitions(project, "volumes", named_volumes(service))),
        given=given_files(project, name),
        secrets=secret_files(project, name),
        hidden=frozenset(
            key
            for key, said in (service.get("environment") or {}).items()
            if SECRET.search(key) or CREDENTIALS.search(said or "")
        ),
    )


def _labels(project: ComposeProject, name: str) -> dict[str, str]:
    service = project.services[name]
    needs = service.get("depends_on") or {}
    said = (f"{other}:{need['condition']}:{str(bool(need.get('restart'))).lower()}" for other, need in needs.items())
    told = {
        "project": project.name,
        "service": name,
        "container-number": "1",
        "oneoff": "False",
        "project.working_dir": str(project.directory),
        "project.config_files": ",".join(map(str, project.main_files)),
        "depends_on": ",".join(said),
        "config-hash": _hash(service),
        "version": VERSION,
    }
    return {f"{LABEL}{key}": value for key, value in told.items()}


def _hash(service: Mapping[str, Any]) -> str:
    # Compose's own hash is of its internal form; by another one it only knows that a service is not as it made it.
    return hashlib.sha256(json.dumps(service, sort_keys=True, default=str).encode()).hexdigest()


def _definitions(project: ComposeProject, kind: str, keys: Iterable[str]) -> Iterator[tuple[str, Definition]]:
    for key in keys:
        said = getattr(project, kind)[key]
        yield said["name"], Definition(key=key, name=said["name"], external=bool(said.get("external")), said=said)


def definition_labels(origin: ServiceOrigin, definition: Definition, *, kind: str) -> dict[str, str]:
    """Return the labels of a network or volume that is created, `kind` being which of the two."""
    own = {f"{LABEL}{kind}": definition.key, f"{LABEL}project": origin.project, f"{LABEL}version": VERSION}
    return {**(definition.said.get("labels") or {}), **own}
