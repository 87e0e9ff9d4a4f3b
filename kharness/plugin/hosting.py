"""The host's settings of a pytest process: read once, where they are first needed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from kharness.plugin.selection import project_of

if TYPE_CHECKING:
    from kharness.settings.host import HostSettings

HOST = pytest.StashKey["HostSettings"]()


def host_of(config: pytest.Config) -> HostSettings:
    """Return them; raises `SettingsError`."""
    from kharness.settings.host import load_host_settings  # noqa: PLC0415 - in projects with container directories

    if HOST not in config.stash:
        config.stash[HOST] = load_host_settings(project=project_of(config), environ=os.environ)
    return config.stash[HOST]
