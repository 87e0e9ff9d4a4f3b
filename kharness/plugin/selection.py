"""Which container directories a session is about, from what was typed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kharness.plan.session.modes import Mode
from kharness.plugin.options import MODE_FLAGS, is_listing, resolve_mode
from kharness.settings.catalog import Catalog, ContainerDir, find_containers
from kharness.settings.sources import source_paths


@dataclass(frozen=True, kw_only=True)
class Selection:
    """`named` were named one by one (their broken settings stop the session), `fleet` came with a source path.

    `listing` says that tests or fixtures are only shown, and none is run.
    """

    mode: Mode | None
    catalog: Catalog
    named: tuple[ContainerDir, ...]
    fleet: tuple[ContainerDir, ...]
    listing: bool = False
    _places: dict[Path, ContainerDir | None] = field(default_factory=dict, compare=False, repr=False)

    @property
    def directories(self) -> tuple[ContainerDir, ...]:
        """All selected directories, sorted by name."""
        return tuple(sorted({*self.named, *self.fleet}, key=lambda directory: directory.name))

    def at(self, path: Path) -> ContainerDir | None:
        """Return the container directory that a path is in; the items of a file ask for the same one."""
        if path not in self._places:
            self._places[path] = self.catalog.at(path)
        return self._places[path]


def find_selection(config: pytest.Config, environ: Mapping[str, str]) -> Selection | None:
    """Return what the session is about; None in a project that has no container directories.

    Raises `pytest.UsageError` when a container directory is named without a mode, or a mode without one.
    """
    mode = resolve_mode(config, environ)
    paths = source_paths(project=project_of(config), environ=environ)
    catalog = find_containers(paths) if paths else Catalog((), ())
    if not catalog.directories:
        if mode is not None and not is_listing(config):
            where = ", ".join(map(str, paths)) or "no source path is set ([tool.kharness] source_paths)"
            raise pytest.UsageError(f"no container directory found: {where}")
        return None
    named, fleet, around = _match(config, catalog, paths)
    listing = is_listing(config)
    if mode is None and (named or fleet) and not listing:
        names = ", ".join(directory.name for directory in (named or fleet)[:3])
        raise pytest.UsageError(
            f"{names}: say in which mode the container should be tested: --ready (a test instance), --prod-ready "
            "(with copies of the real volumes) or --in-prod (what runs now)"
        )
    if mode is not None and not (named or fleet or around) and not listing:
        typed = ", ".join(arg.partition("::")[0] for arg in config.args)
        nearest = _nearest(config.args, catalog) or catalog.directories[0]
        raise pytest.UsageError(
            f"none of the paths is a container directory: {typed}; {MODE_FLAGS} need one, for example "
            f"{_shown(nearest.path, config)}"
        )
    return Selection(mode=mode, catalog=catalog, named=named, fleet=(*fleet, *around), listing=listing)


def project_of(config: pytest.Config) -> Path | None:
    """Return the root directory, if it may have configuration."""
    return config.rootpath if (config.rootpath / "pyproject.toml").is_file() else None


def _match(
    config: pytest.Config, catalog: Catalog, paths: tuple[Path, ...]
) -> tuple[tuple[ContainerDir, ...], tuple[ContainerDir, ...], tuple[ContainerDir, ...]]:
    """Return what was named, what came with a source path, and what lies below a folder above one."""
    named: set[ContainerDir] = set()
    fleet: set[ContainerDir] = set()
    around: set[ContainerDir] = set()
    for arg in config.args:
        path = (config.invocation_params.dir / arg.partition("::")[0]).resolve()
        if found := catalog.at(path):
            named.add(found)
            continue
        for directory in catalog.directories:
            if directory.path.resolve().is_relative_to(path):
                group = fleet if path in {source.resolve() for source in paths} else around
                group.add(directory)
    return tuple(sorted(named, key=_name)), tuple(sorted(fleet - named, key=_name)), tuple(sorted(around, key=_name))


def _name(directory: ContainerDir) -> str:
    return directory.name


def _nearest(args: list[str], catalog: Catalog) -> ContainerDir | None:
    names = [directory.name for directory in catalog.directories]
    for arg in args:
        if found := difflib.get_close_matches(Path(arg.partition("::")[0]).name, names, n=1, cutoff=0.5):
            return catalog.get(found[0])
    return None


def _shown(path: Path, config: pytest.Config) -> str:
    try:
        return str(path.relative_to(config.invocation_params.dir))
    except ValueError:
        return str(path)
