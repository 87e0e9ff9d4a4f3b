"""What it takes of this host's configuration to look at production: read without the models.

They take longer to load than an engine takes to answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kharness.settings.sources import files, source_paths

ENGINE = re.compile(r"(unix|tcp|ssh|http|https)://\S+")
REPOSITORY = re.compile(r"[a-z0-9][a-z0-9.:_-]*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
DEFAULT_REPOSITORY = "ktools"
KEYS = frozenset(
    {
        "base",
        "debug_image",
        "defaults",
        "dv",
        "engine",
        "keep_releases",
        "launch_parallel",
        "networks",
        "notify",
        "policy",
        "ready_timeout",
        "repository",
        "source_paths",
        "start_engine",
        "state_dir",
        "test_subnets",
        "waive",
    }
)
"""All keys of the configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """The same as in `HostSettings`."""

    source_paths: tuple[Path, ...] = ()
    repository: str = DEFAULT_REPOSITORY
    engine: str | None = None


def glance(
    *,
    project: Path | None,
    environ: Mapping[str, str],
    user_file: Path | None = None,
    system_file: Path | None = None,
) -> Glance | None:
    """Return what `load_host_settings` would say.

    None where something in these keys, or a key that there is not, needs to be told: it says what is wrong. The values
    of other keys are not looked at. Raises `SettingsError` for a file that cannot be read.
    """
    said: dict[str, Any] = {}
    for layer in reversed(tuple(files(project=project, user_file=user_file, system_file=system_file))):
        if not layer.table.keys() <= KEYS:
            return None
        said |= layer.table
    for key in ("repository", "engine"):
        if text := environ.get(f"KHARNESS_{key.upper()}") or environ.get(f"KTOOLS_{key.upper()}"):
            said[key] = text
    repository, engine = said.get("repository", DEFAULT_REPOSITORY), said.get("engine")
    if not _matches(REPOSITORY, repository) or not ("engine" not in said or _matches(ENGINE, engine)):
        return None
    paths = source_paths(project=project, environ=environ, user_file=user_file, system_file=system_file)
    return Glance(source_paths=paths, repository=repository, engine=engine)


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
