"""Which container directories a session is about, and how a selection was narrowed: by what, and where."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kharness.plan.session.modes import Mode
from kharness.plugin.options import MODE_FLAGS, is_listing, resolve_mode
from kharness.settings.catalog import Catalog, ContainerDir, find_containers
from kharness.settings.compose.folder import ComposeFolder, compose_folder, compose_folder_above
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


def find_selection(config: pytest.Config, environ: Mapping[str, str], *, others: bool = False) -> Selection | None:
    """Return what the session is about; None in a project that has no container directories.

    `others` says that Compose projects are selected: then it is None, too, where no container directory is. Raises
    `pytest.UsageError` when a container directory is named without a mode, or a mode without one.
    """
    mode = resolve_mode(config, environ)
    paths = source_paths(project=project_of(config), environ=environ)
    catalog = find_containers(paths) if paths else Catalog((), ())
    if not catalog.directories:
        if mode is not None and not others and not is_listing(config):
            where = ", ".join(map(str, paths)) or "no source path is set ([tool.kharness] source_paths)"
            raise pytest.UsageError(f"no container directory found: {where}")
        return None
    named, fleet, around = _match(config, catalog, paths)
    listing = is_listing(config)
    if others and not (named or fleet or around):
        return None
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


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSelection:
    """The Compose projects that a session is about: those that were named, and those that came with a source path."""

    mode: Mode
    named: tuple[ComposeFolder, ...]
    fleet: tuple[ComposeFolder, ...]
    listing: bool = False

    @property
    def folders(self) -> tuple[ComposeFolder, ...]:
        """All of them, in the order of their paths."""
        return tuple(sorted({*self.named, *self.fleet}, key=lambda folder: folder.path))

    def at(self, path: Path) -> ComposeFolder | None:
        """Return the project that a path is in, the nearest one."""
        known = {folder.path.resolve(): folder for folder in self.folders}
        place = path.resolve()
        return next((known[each] for each in (place, *place.parents) if each in known), None)


def find_stacks(config: pytest.Config, environ: Mapping[str, str]) -> StackSelection | None:
    """Return the Compose projects on the command line; None without any, and always where no mode is said.

    A folder that container directories lie in is their project, even with a Compose file beside them. Raises
    `pytest.UsageError` for what a session over Compose projects cannot do.
    """
    mode = resolve_mode(config, environ)
    if mode is None:
        return None
    paths = source_paths(project=project_of(config), environ=environ)
    catalog = find_containers(paths) if paths else Catalog((), ())
    named: set[ComposeFolder] = set()
    fleet: set[ComposeFolder] = set()
    for arg in config.args:
        path = (config.invocation_params.dir / arg.partition("::")[0]).resolve()
        if catalog.at(path) is not None:
            continue
        if found := compose_folder_above(path):
            named.add(found)
        beside = [source for source in map(Path.resolve, paths) if source.is_relative_to(path) and source.is_dir()]
        children = (child for source in beside for child in source.iterdir() if catalog.at(child) is None)
        fleet.update(found for child in children if (found := compose_folder(child)))
    ours = [directory.path.resolve() for directory in catalog.directories]
    named = {folder for folder in named if not any(each.is_relative_to(folder.path.resolve()) for each in ours)}
    if not (named or fleet):
        return None
    selection = StackSelection(
        mode=mode,
        named=tuple(named),
        fleet=tuple(fleet - named),
        listing=is_listing(config) or bool(config.option.collectonly),
    )
    _refuse_for_stacks(config, selection)
    return selection


def _refuse_for_stacks(config: pytest.Config, selection: StackSelection) -> None:
    name = selection.folders[0].path.name
    for flag in ("promote", "launch", "keep", "keep_failed", "if_changed"):
        if getattr(config.option, flag):
            raise pytest.UsageError(
                f"{name}: --{flag.replace('_', '-')} does not work on a Compose project; --ready, --prod-ready "
                "and --in-prod do"
            )


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


VALUED: dict[str, tuple[str, ...]] = {
    "keyword": ("-k",),
    "markexpr": ("-m",),
    "deselect": ("--deselect",),
    "ignore": ("--ignore",),
    "ignore_glob": ("--ignore-glob",),
}
PLAIN: dict[str, tuple[str, ...]] = {
    "lf": ("--lf", "--last-failed"),
    "stepwise": ("--sw", "--stepwise"),
    "setuponly": ("--setup-only",),
    "setupplan": ("--setup-plan",),
    "collectonly": ("--collect-only", "--co"),
}

CHOOSING = ("python_files", "python_classes", "python_functions")
"""Settings that say what is a test: for one session a narrower selection, in the ini file the project's convention."""
CONVENTIONS: dict[str, tuple[str, ...]] = {
    "python_files": ("test_*.py", "*_test.py"),
    "python_classes": ("Test",),
    "python_functions": ("test",),
    "testpaths": (),
    "norecursedirs": ("*.egg", ".*", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}"),
}
"""Settings that say which tests there are and where, with pytest's own defaults."""


def choices(config: pytest.Config) -> tuple[str, ...]:
    """Return what the ini file says about which tests there are, for a session in which some are missing."""
    where = config.inipath.name if config.inipath else "the ini file"
    said = {name: tuple(map(str, config.getini(name))) for name in CONVENTIONS}
    return tuple(f"{name} = {' '.join(value)} in {where}" for name, value in said.items() if value != CONVENTIONS[name])


def narrowings(config: pytest.Config, environ: Mapping[str, str], directory: Path) -> tuple[str, ...]:
    """Return each option and argument that narrows what is selected in a container directory, with its place."""
    return tuple(_narrowings(config, environ, directory))


def _narrowings(config: pytest.Config, environ: Mapping[str, str], directory: Path) -> Iterator[str]:
    for name, flags in VALUED.items():
        value = getattr(config.option, name, None)
        if not value:
            continue
        values = value if isinstance(value, list) else [value]
        for one in values:
            if name.startswith("ignore") and not _concerns(config, str(one), directory):
                continue
            yield f"{flags[0]} {shlex.quote(str(one))} ({_place(config, environ, flags)})"
    for name, flags in PLAIN.items():
        if getattr(config.option, name, False):
            yield f"{flags[0]} ({_place(config, environ, flags)})"
    yield from _overrides(config, environ)
    for arg in config.args:
        path, colons, _ = arg.partition("::")
        target = (config.invocation_params.dir / path).resolve()
        if target == directory.resolve() and not colons:
            continue
        if target.is_relative_to(directory.resolve()):
            yield f"{arg} (command line)"


def _overrides(config: pytest.Config, environ: Mapping[str, str]) -> Iterator[str]:
    for override in getattr(config.option, "override_ini", None) or ():
        if str(override).partition("=")[0].strip() in CHOOSING:
            yield f"-o {shlex.quote(str(override))} ({_place(config, environ, ('-o', '--override-ini'))})"


def _concerns(config: pytest.Config, value: str, directory: Path) -> bool:
    if "*" in value or "?" in value:
        return True
    path = (config.invocation_params.dir / value).resolve()
    return path.is_relative_to(directory.resolve()) or directory.resolve().is_relative_to(path)


def _place(config: pytest.Config, environ: Mapping[str, str], flags: tuple[str, ...]) -> str:
    if _has(config.invocation_params.args, flags):
        return "command line"
    if _has(shlex.split(environ.get("PYTEST_ADDOPTS", "")), flags):
        return "PYTEST_ADDOPTS"
    if _has(config.getini("addopts"), flags):
        return f"addopts in {config.inipath.name if config.inipath else 'the ini file'}"
    return "a plugin"


def _has(words: object, flags: tuple[str, ...]) -> bool:
    return isinstance(words, (list, tuple)) and any(
        word == flag or word.startswith(f"{flag}=") or (len(flag) == len("-k") and word.startswith(flag))
        for word in map(str, words)
        for flag in flags
    )
