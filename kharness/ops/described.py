"""Describe container directories from their files alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from kharness.errors import SettingsError
from kharness.host.testfiles import files_of_tests
from kharness.plan.described import Described
from kharness.settings.catalog import ContainerDir
from kharness.settings.laid import Source
from kharness.settings.load import load_settings


def describe(directories: Iterable[ContainerDir], *, below: tuple[Source, ...] = ()) -> Iterator[Described]:
    """Yield what they are, in their order; one whose settings cannot be read is among them.

    `below` is what the host's configuration says for all.
    """
    for directory in directories:
        known = Described(
            name=directory.name,
            path=str(directory.path),
            buildable=directory.has_dockerfile,
            test_files=len(files_of_tests(directory.path)),
        )
        yield _with_settings(known, directory, below)


def _with_settings(known: Described, directory: ContainerDir, below: tuple[Source, ...]) -> Described:
    try:
        settings = load_settings(directory.path, below=below)
    except SettingsError as error:
        return replace(known, broken=str(error))
    autostart = settings.autostart
    return replace(
        known,
        wave=autostart.wave if autostart else None,
        host=autostart.host if autostart else None,
        expects=settings.expect.declares,
    )
