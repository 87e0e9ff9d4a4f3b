"""What a pytest process reads once and keeps with its configuration: host, settings of the directories, harness."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pytest

from kharness.errors import SettingsError
from kharness.plugin.selection import Selection, project_of

if TYPE_CHECKING:
    from kharness.ops.harness import Harness
    from kharness.settings.catalog import ContainerDir
    from kharness.settings.host import HostSettings
    from kharness.settings.layers import SettingsLayer
    from kharness.settings.model import Settings

HOST = pytest.StashKey["HostSettings"]()
HARNESS = pytest.StashKey["Harness"]()
SETTINGS = pytest.StashKey[dict["ContainerDir", "Settings"]]()


def host_of(config: pytest.Config) -> HostSettings:
    """Return the host's settings; raises `SettingsError`."""
    from kharness.settings.host import load_host_settings  # noqa: PLC0415 - in projects with container directories

    if HOST not in config.stash:
        config.stash[HOST] = load_host_settings(project=project_of(config), environ=os.environ)
    return config.stash[HOST]


def harness_of(config: pytest.Config, report: Callable[[str, str], None] | None = None) -> Harness:
    """Return the process's harness, opened at the first call; callers translate what this raises."""
    from kharness.ops.harness import silent  # noqa: PLC0415 - a listing needs no engine
    from kharness.ops.opening import open_harness  # noqa: PLC0415

    if HARNESS not in config.stash:
        config.stash[HARNESS] = open_harness(
            folder=project_of(config), environ=os.environ, report=report or silent, host=host_of(config)
        )
    return config.stash[HARNESS]


def settings_of(config: pytest.Config, directory: ContainerDir, *, below: tuple[SettingsLayer, ...]) -> Settings:
    """Return a directory's settings over the defaults `below`, read once; raises `SettingsError`."""
    from kharness.settings.load import load_settings  # noqa: PLC0415 - in projects with container directories

    known = config.stash.setdefault(SETTINGS, {})
    if directory not in known:
        known[directory] = load_settings(directory.path, below=below)
    return known[directory]


def read_settings(
    config: pytest.Config, selection: Selection, *, below: tuple[SettingsLayer, ...]
) -> tuple[Mapping[str, Settings], dict[str, str]]:
    """Return the good settings of the selected directories, and for each broken one all its problems.

    A broken file in a directory that was named is a `pytest.UsageError`; in a whole fleet the others go on.
    """
    from kharness.settings.checks import conflicts  # noqa: PLC0415 - in projects with container directories

    broken: dict[str, str] = {}
    read: dict[ContainerDir, Settings] = {}
    for directory in selection.catalog.directories:
        try:
            read[directory] = settings = settings_of(config, directory, below=below)
            if settings.policy.waive:
                _refuse_unknown_waivers(directory, settings)
        except SettingsError as error:
            if directory in selection.directories:
                broken[directory.name] = str(error)
    for problem in conflicts(read):
        found = selection.catalog.at(problem.file)
        if found is not None and found in selection.directories:
            before = broken.get(found.name)
            broken[found.name] = f"{before}\n{problem}" if before else str(problem)
    named = [broken[directory.name] for directory in selection.named if directory.name in broken]
    if named:
        raise pytest.UsageError("\n".join(named))
    good = {
        directory.name: settings
        for directory, settings in read.items()
        if directory in selection.directories and directory.name not in broken
    }
    return good, broken


def _refuse_unknown_waivers(directory: ContainerDir, settings: Settings) -> None:
    from kharness.ops.checks import refuse_unknown_waivers  # noqa: PLC0415 - it loads all checks and evidence

    refuse_unknown_waivers(directory, settings)
