"""Lists of production's containers and images, and of container directories."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from kharness.errors import SettingsError
from kharness.host.project.test_files import files_of_tests
from kharness.ops.project.identity import productions
from kharness.ops.project.production import precedence
from kharness.ops.project.view import View
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts, ImageFacts
from kharness.plan.fleet.course import wave_of
from kharness.plan.image.tags import LATEST, LIVE, PREV
from kharness.plan.project import Described, Listed, ListedImage
from kharness.settings.catalog import ContainerDir

if TYPE_CHECKING:
    from pathlib import Path

    from kharness.settings.compose.project import ComposeProject
    from kharness.settings.layers import SettingsLayer
    from kharness.settings.model import Settings


Tagged = tuple[str, ImageFacts]

FIRST = (LATEST, LIVE, PREV)
"""The tags that come before those of releases."""


def production(view: View, fleet: Mapping[str, Settings], *, everything: bool = False) -> tuple[Listed, ...]:
    """Return all production containers, sorted by name; with `everything` the directories without one, too.

    `fleet` are the settings that could be read. Containers without a directory are included. Raises `EngineError`.
    """
    found: dict[str, list[ContainerFacts]] = {}
    for each in productions(view):
        facts = view.production.runtime.container(each.id)
        if facts is not None:
            found.setdefault(facts.labels.get(labels.NAME, facts.name), []).append(facts)
    names = {directory.name for directory in view.catalog.directories} if everything else set()
    rows = [
        _listed(view, name, facts, fleet)
        for name, containers in found.items()
        for facts in sorted(containers, key=precedence)
    ]
    rows += [_listed(view, name, None, fleet) for name in names - found.keys()]
    return tuple(sorted(rows, key=lambda row: row.name))


def images(view: View, directories: Iterable[ContainerDir]) -> tuple[ListedImage, ...]:
    """Return the images of directories: `:latest`, `:live`, `:prev`, then those of releases, the newest first."""
    there = productions(view)
    used = {each.image_id for each in there if each.up}
    tagged = [(tag, image) for image in view.engine.images() for tag in image.tags]
    return tuple(
        ListedImage(
            name=directory.name,
            tag=ref.rpartition(":")[2],
            image=image.id,
            created=image.created,
            size=image.size,
            used=image.id in used,
        )
        for directory in directories
        for ref, image in _ordered(tagged, of=view.tags(directory.name).live.removesuffix(LIVE))
    )


def _listed(view: View, name: str, facts: ContainerFacts | None, fleet: Mapping[str, Settings]) -> Listed:
    live = view.engine.image(view.tags(name).live)
    return Listed(
        name=name,
        facts=facts,
        live=live.id if live else None,
        known=view.catalog.get(name) is not None,
        wave=wave_of(fleet[name], host=socket.gethostname()) if name in fleet else None,
    )


def _ordered(tagged: Iterable[Tagged], *, of: str) -> Iterator[Tagged]:
    own = {ref.removeprefix(of): (ref, each) for ref, each in tagged if ref.startswith(of)}
    yield from (own.pop(tag) for tag in FIRST if tag in own)
    yield from (own[tag] for tag in sorted(own, reverse=True))


def describe(directories: Iterable[ContainerDir], *, below: tuple[SettingsLayer, ...] = ()) -> Iterator[Described]:
    """Yield a description of each, in their order, also of one whose settings cannot be read.

    `below` are the defaults of the host's configuration.
    """
    for directory in directories:
        known = Described(
            name=directory.name,
            path=str(directory.path),
            buildable=directory.has_dockerfile,
            test_files=len(files_of_tests(directory.path)),
        )
        yield _with_settings(known, directory, below)


def describe_services(compose: ComposeProject, *, path: Path) -> Iterator[Described]:
    """Yield a description of each service of a Compose project, by the name that commands know."""
    from kharness.settings.compose.service import service_settings  # noqa: PLC0415 - see below

    tests = len(files_of_tests(path))
    for name in sorted(compose.services):
        known = Described(
            name=f"{compose.name}/{name}",
            path=str(path),
            buildable="build" in compose.services[name],
            test_files=tests,
            project=compose.name,
        )
        try:
            settings = service_settings(compose, name)
        except SettingsError as error:
            yield replace(known, broken=str(error))
        else:
            yield _described(known, settings)


def _with_settings(known: Described, directory: ContainerDir, below: tuple[SettingsLayer, ...]) -> Described:
    from kharness.settings.load import load_settings  # noqa: PLC0415 - lists of what runs need no settings

    try:
        settings = load_settings(directory.path, below=below)
    except SettingsError as error:
        return replace(known, broken=str(error))
    return _described(known, settings)


def _described(known: Described, settings: Settings) -> Described:
    autostart = settings.autostart
    return replace(
        known,
        wave=autostart.wave if autostart else None,
        host=autostart.host if autostart else None,
        expects=settings.expect.declares,
    )
