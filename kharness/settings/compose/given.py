"""Secrets and configs of a service: files of the host that are mounted, and texts that are put into the container."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kharness.settings.compose.origin import GivenFile
from kharness.settings.compose.project import ComposeProject

KINDS = {"secrets": "/run/secrets/", "configs": "/"}
"""Where each kind is put that does not say an absolute target."""
MODE = 0o444
Said = Mapping[str, Any]


def mounted(project: ComposeProject, name: str) -> list[dict[str, Any]]:
    """Return the mounts of what is a file of the host, as Compose mounts it: read-only, as it is there."""
    return [
        {
            "type": "bind",
            "source": definition["file"],
            "target": target,
            "read_only": True,
            "bind": {"create_host_path": False},
        }
        for _, _, definition, target in _given(project, name)
        if "file" in definition
    ]


def faults_of_given(project: ComposeProject, name: str) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield what of a service's secrets and configs cannot be given to a container of one host."""
    for kind, said, definition, _ in _given(project, name):
        what = f"should be in the file, and {said['source']}"
        variable = definition.get("environment")
        if definition.get("external"):
            yield (kind,), f"{what} is external: one host has no store of {kind}"
        elif variable is not None and variable not in project.environment:
            yield (kind,), f"should have the variable {variable} set, which {said['source']} is taken from"
        for key in ("uid", "gid"):
            if key in said and not str(said[key]).isdecimal():
                yield (kind,), f"should have a number as {key} of {said['source']}"


def secret_files(project: ComposeProject, name: str) -> tuple[Path, ...]:
    """Return the files whose contents no report may show."""
    return tuple(
        Path(definition["file"])
        for kind, _, definition, _ in _given(project, name)
        if kind == "secrets" and "file" in definition
    )


def given_files(project: ComposeProject, name: str) -> tuple[GivenFile, ...]:
    """Return what has its content in the file or in a variable: it is put into the container before that starts."""
    found = []
    for kind, said, definition, target in _given(project, name):
        content = definition.get("content")
        if "environment" in definition:
            content = project.environment.get(definition["environment"], "")
        if content is not None:
            found.append(
                GivenFile(
                    name=str(said["source"]),
                    target=target,
                    content=str(content).encode(),
                    uid=int(said.get("uid") or 0),
                    gid=int(said.get("gid") or 0),
                    mode=int(str(said["mode"]).replace("o", ""), 8) if said.get("mode") else MODE,
                    secret=kind == "secrets",
                )
            )
    return tuple(found)


def _given(project: ComposeProject, name: str) -> Iterator[tuple[str, Said, Said, str]]:
    """Yield kind, what the service says, the definition, and the path in the container."""
    service = project.services[name]
    for kind, below in KINDS.items():
        for said in service.get(kind) or ():
            target = str(said.get("target") or said["source"])
            yield (
                kind,
                said,
                getattr(project, kind)[said["source"]],
                target if target.startswith("/") else below + target,
            )
