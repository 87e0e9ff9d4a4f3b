"""Whether source paths, volume root and state are where they should be, and every settings file can be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kharness.errors import SettingsError
from kharness.ops.doctor.disks import existing
from kharness.ops.finding import Finding
from kharness.settings.catalog import Catalog, ContainerDir
from kharness.settings.host import HostSettings
from kharness.settings.load import load_settings
from kharness.settings.model import Settings


def writable_finding(what: str, path: Path, *, key: str) -> Finding:
    """Say whether a directory can be written to, or made."""
    good = os.access(existing(path), os.W_OK)
    said = f"{path}{'' if path.exists() else ' (made when it is needed)'}"
    mend = f"run as root, or set '{key}' in the host's configuration"
    return Finding(what, said if good else f"{path} cannot be written to", good=good, mend="" if good else mend)


def source_findings(host: HostSettings) -> Iterator[Finding]:
    """Say where container directories are looked for."""
    for path in host.source_paths:
        good = path.is_dir()
        said, mend = (str(path), "") if good else (f"{path} is not there", f"mkdir {path}")
        yield Finding("source path", said, good=good, mend=mend)
    if not host.source_paths:
        mend = "[tool.kharness] source_paths in pyproject.toml, or KTOOLS_D_SRC_DIR"
        yield Finding("source path", "none is set", good=False, mend=mend)


def read_settings(directory: ContainerDir, host: HostSettings) -> Settings | Finding:
    """Return a directory's settings on this host, or what is wrong with them."""
    try:
        return load_settings(directory.path, below=host.defaults)
    except SettingsError as error:
        return Finding(directory.name, str(error), good=False, mend=f"edit {directory.settings_file}")


def shadowed_findings(catalog: Catalog) -> Iterator[Finding]:
    """Name the directories that an earlier source path has, too."""
    for directory in catalog.shadowed:
        yield Finding(directory.name, f"{directory.path} is shadowed by an earlier source path")
