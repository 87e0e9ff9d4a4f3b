"""Which containers, images and volumes belong to this project, to another project, or to no project."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kharness.errors import ConflictError, LaunchError
from kharness.host.project.projects import Registered, others
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts, ImageFacts
from kharness.plan.image.tags import LIVE
from kharness.plan.volumes.usage import meets
from kharness.settings.catalog import SETTINGS_FILE
from kharness.settings.project import is_project

if TYPE_CHECKING:
    from kharness.ops.harness import Harness
    from kharness.ops.project.view import View
    from kharness.plan.release.operation import Operation


def productions(view: View, name: str | None = None) -> tuple[ContainerFacts, ...]:
    """Return this project's production containers as they are listed, stopped or not; of one directory, or all.

    Raises `EngineError`, and `StateError` where the ledger has to be asked and cannot be read.
    """
    return view.production.services(name)


def names_in_production(view: View) -> frozenset[str]:
    """Return the names of the directories whose production containers are this project's. Raises as `productions`."""
    return frozenset(name for each in productions(view) if (name := each.labels.get(labels.NAME)))


def is_used(harness: Harness) -> bool:
    """Whether a Compose project was ever launched or promoted here; container directories say by `autostart`.

    A folder with a Compose file may be there for something else, and its services start with the host unless they
    say otherwise. Raises `EngineError`.
    """
    if harness.compose is None or productions(harness):
        return True
    tags = {tag for image in harness.engine.images() for tag in image.tags}
    return any(harness.tags(each.name).live in tags for each in harness.catalog.directories)


def tagged(harness: Harness, name: str) -> Iterator[tuple[str, ImageFacts]]:
    """Yield what follows `REPOSITORY/NAME:` in the references of images that are no other project's, and the images."""
    beginning = harness.tags(name).live.removesuffix(LIVE)
    for image in harness.engine.images():
        if image.labels.get(labels.PROJECT, harness.project.name) == harness.project.name:
            yield from ((ref.removeprefix(beginning), image) for ref in image.tags if ref.startswith(beginning))


def is_ours(view: View, found: ContainerFacts, name: str | None = None) -> bool:
    """Whether a container is production of this project, and of the directory `name` if that is given.

    It carries the project's labels and the proof that no committed image can hand on, and it was not launched from
    another folder that still is a project of this name. A container from before there were projects is this project's
    if the ledger has its image as a release of its directory. Raises `StateError`.
    """
    said = found.labels
    if said.get(labels.ROLE) != labels.ROLE_PRODUCTION or name not in {None, said.get(labels.NAME)}:
        return False
    if labels.older(said):
        return view.has_released(said.get(labels.NAME, ""), found.image_id)
    return (
        said[labels.PROJECT] == view.project.name
        and labels.is_proven(said, found.image_id)
        and _is_of_folder(view.project, said.get(labels.FOLDER, ""))
    )


def made_by(harness: Harness, operation: Operation) -> tuple[ContainerFacts, ...]:
    """Return the containers that an operation of this project's journal has created. Raises `EngineError`."""
    found = harness.engine.containers(labels={labels.RELEASE: operation.id})
    return tuple(
        each
        for each in found
        # A container from before there were projects is proven by the journal, which names the operation and its image.
        if (each.image_id == operation.image if labels.older(each.labels) else is_ours(harness, each, operation.name))
    )


def created(harness: Harness, operation: Operation) -> ContainerFacts:
    """Return the container that an operation has created; raises `LaunchError` where it vanished."""
    for found in made_by(harness, operation):
        return found
    raise LaunchError(f"{operation.container}: the new container vanished")


def whose(view: View, found: ContainerFacts) -> str:
    """Return the owner of a container, as the end of a sentence about it."""
    said = found.labels
    if said.get(labels.ROLE) != labels.ROLE_PRODUCTION:
        return "was not made by kharness"
    name = said.get(labels.NAME, "another directory")
    if is_ours(view, found):
        return f"belongs to {name}"
    if labels.older(said):
        return f"belongs to {name} of a project whose ledger is not this one's"
    if not labels.is_proven(said, found.image_id):
        whence = "was committed from" if labels.IMAGE in said else "has the labels of"
        return f"was made by hand from an image that {whence} {name}"
    folder = f" in {said[labels.FOLDER]}" if labels.FOLDER in said else ""
    return f"belongs to {name} of project {said[labels.PROJECT]!r}{folder}"


def how_to_remove(view: View, found: ContainerFacts) -> str:
    """Return how to remove a container that is in the way; of a production container only its owner."""
    proven = labels.older(found.labels) or labels.is_proven(found.labels, found.image_id)
    if proven and found.labels.get(labels.ROLE) == labels.ROLE_PRODUCTION:
        return f"it {whose(view, found)}"
    return f"'docker rm -f {found.name}' removes it"


def refuse_shared_images(harness: Harness, name: str) -> None:
    """Raise `ConflictError` if another project's images have the names of this directory's."""
    repository = harness.repository
    advice = "set another 'repository' in [tool.kharness] of one of them"
    for other in others(harness.host.state_dir, harness.project.name):
        if other.repository == repository and _has_directory(other, name):
            raise ConflictError(
                f"{name}: images {repository}/{name} are those of project {other.name!r} in {other.path}; {advice}"
            )
    tags = harness.tags(name)
    for ref in (tags.live, tags.latest):
        image = harness.engine.image(ref)
        owner = image.labels.get(labels.PROJECT) if image else None
        if owner not in {None, harness.project.name}:
            raise ConflictError(f"{name}: {ref} was built by project {owner!r}; {advice}")


def refuse_shared_volumes(harness: Harness, name: str) -> None:
    """Raise `ConflictError` if `DV/NAME` belongs to another project."""
    place = os.path.realpath(Path(harness.host.dv) / name)
    advice = "set another 'dv' in [tool.kharness] of one of them"
    for other in others(harness.host.state_dir, harness.project.name):
        if os.path.realpath(Path(other.dv) / name) == place and _has_directory(other, name):
            raise ConflictError(
                f"{name}: {place} is the volume directory of project {other.name!r} in {other.path}; {advice}"
            )
    for each in harness.engine.containers(labels={labels.ROLE: labels.ROLE_PRODUCTION, labels.PROJECT: None}):
        foreign = each.labels[labels.PROJECT] != harness.project.name and labels.is_proven(each.labels, each.image_id)
        if foreign and any(mount.source and meets(mount.source, place) for mount in each.mounts):
            raise ConflictError(f"{name}: {each.name}, which {whose(harness, each)}, has {place} mounted; {advice}")


def _is_of_folder(project: Registered, folder: str) -> bool:
    # The folder of a project that was moved, or that is on another computer, does not exist here.
    return folder in project.folders or not is_project(Path(folder))


def _has_directory(other: Registered, name: str) -> bool:
    return any((Path(path) / name / SETTINGS_FILE).is_file() for path in other.source_paths)
