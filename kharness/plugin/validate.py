"""Read every selected directory's settings before anything else happens."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from kharness.errors import SettingsError
from kharness.ops.policy import refuse_unknown_waivers
from kharness.plugin.selection import Selection
from kharness.settings.catalog import ContainerDir
from kharness.settings.conflicts import conflicts
from kharness.settings.laid import Source
from kharness.settings.load import load_settings
from kharness.settings.model import Settings


def read_settings(selection: Selection, *, below: tuple[Source, ...]) -> tuple[Mapping[str, Settings], dict[str, str]]:
    """Return the good settings, over what is `below`, and for each broken directory all its problems.

    A broken file in a directory that was named is a `pytest.UsageError`; in a whole fleet the others go on.
    """
    good: dict[str, Settings] = {}
    broken: dict[str, str] = {}
    everyone: dict[ContainerDir, Settings] = {}
    for directory in selection.catalog.directories:
        try:
            everyone[directory] = settings = load_settings(directory.path, below=below)
            refuse_unknown_waivers(directory, settings)
        except SettingsError as error:
            if directory in selection.directories:
                broken[directory.name] = str(error)
    for problem in conflicts(everyone):
        found = selection.catalog.at(problem.file)
        if found is not None and found in selection.directories:
            before = broken.get(found.name)
            broken[found.name] = f"{before}\n{problem}" if before else str(problem)
    named = [broken[directory.name] for directory in selection.named if directory.name in broken]
    if named:
        raise pytest.UsageError("\n".join(named))
    for directory, settings in everyone.items():
        if directory in selection.directories and directory.name not in broken:
            good[directory.name] = settings
    return good, broken
