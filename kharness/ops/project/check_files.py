"""Read everything that a person writes for kharness, and return all that is wrong with it; no engine is needed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from kharness.errors import KharnessError, Problem, SettingsError, UsageError
from kharness.host.project.compose_folders import KnownProject, project_at
from kharness.ops.project.targets import Targets
from kharness.settings.catalog import SETTINGS_FILE, find_containers
from kharness.settings.compose.load import load_compose
from kharness.settings.compose.service import service_settings
from kharness.settings.host import HostSettings, load_host_settings
from kharness.settings.layers import SettingsLayer
from kharness.settings.load import load_settings
from kharness.settings.project import PROJECT_FILE, has_table, project_of
from kharness.settings.sources import files, project_table

_LINE = re.compile(r"(?:(?P<key>.*) \()?line (?P<line>\d+)\)?")


@dataclass(frozen=True, slots=True)
class FoundProblem:
    """What is wrong in a file, or, as a `remark`, only read in another way, or without effect here."""

    problem: Problem
    remark: bool = False

    @property
    def place(self) -> tuple[str, int | None]:
        """The key, and its line where that is known."""
        found = _LINE.fullmatch(self.problem.key)
        return (found["key"] or "", int(found["line"])) if found else (self.problem.key, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedFiles:
    """The files that were read, and what was found in them, in their order."""

    files: tuple[Path, ...]
    found: tuple[FoundProblem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; remarks are not."""
        return all(each.remark for each in self.found)


class _Check:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.files: dict[Path, None] = {}
        self.found: dict[FoundProblem, None] = {}

    def host(self, folder: Path | None, *, user_file: Path | None = None) -> HostSettings | None:
        """Check the host's configuration as a folder has it; None where it cannot be used."""
        try:
            for each in files(project=folder, user_file=user_file, system_file=None):
                self.files[each.file] = None
            return load_host_settings(project=folder, environ=self.environ, user_file=user_file)
        except SettingsError as error:
            self.add(error)
            return None

    def directory(self, path: Path, *, below: tuple[SettingsLayer, ...]) -> None:
        """Check the settings of a container directory."""
        self.files[path / SETTINGS_FILE] = None
        try:
            load_settings(path, below=below)
        except SettingsError as error:
            self.add(error)

    def compose(self, project: KnownProject) -> None:
        """Check a Compose project: its files, and each of its services."""
        try:
            compose = load_compose(project.folder.path, environ=project.environment(self.environ))
        except SettingsError as error:
            self.files[project.folder.file] = None
            self.add(error)
            return
        self.files |= dict.fromkeys(compose.files)
        self.found |= {FoundProblem(remark, remark=True): None for remark in compose.remarks}
        for name in compose.services:
            try:
                service_settings(compose, name)
            except SettingsError as error:
                self.add(error)

    def add(self, error: SettingsError) -> None:
        """Add what is wrong, once: several services may inherit the same fault."""
        for problem in error.problems:
            self.files[problem.file] = None
            self.found[FoundProblem(problem)] = None

    def done(self) -> CheckedFiles:
        """Return what was found."""
        return CheckedFiles(files=tuple(self.files), found=tuple(self.found))


def check_here(*, cwd: Path, environ: Mapping[str, str]) -> CheckedFiles:
    """Check all that commands of the current directory know: configuration, container directories, Compose projects."""
    check = _Check(environ)
    host = check.host(project_of(cwd))
    targets = Targets(cwd=cwd, environ=environ)
    if host is None:
        # Where projects are cannot be known; that of the current directory can.
        if targets.here is not None:
            check.compose(targets.here)
        return check.done()
    for directory in targets.own.directories:
        check.directory(directory.path, below=host.defaults)
    try:
        known: Sequence[KnownProject] = targets.known
    except KharnessError as error:
        check.add(SettingsError([Problem(host.state_dir, "", str(error))]))
        known = ()
    for project in known:
        check.compose(project)
    for first, second in pairwise(known):
        if first.name == second.name:
            message = f"two projects have the name {first.name!r}; the other one is {first.folder.path}"
            check.add(SettingsError([Problem(second.folder.file, "name", message)]))
    return check.done()


def check_paths(paths: Sequence[Path], *, cwd: Path, environ: Mapping[str, str]) -> CheckedFiles:
    """Check these files and folders, and what is directly below a folder that is nothing itself.

    Raises `UsageError` for a path where there is nothing that kharness reads.
    """
    check = _Check(environ)
    here = Targets(cwd=cwd, environ=environ).here
    for path in paths:
        if not _check_path(check, cwd / path, here=here):
            raise UsageError(f"{path}: {_nothing(cwd / path)}")
    return check.done()


def _nothing(path: Path) -> str:
    if not path.exists():
        return "there is no such file or folder"
    return "holds neither settings.yaml, a Compose file, nor a configuration of kharness"


def _check_path(check: _Check, path: Path, *, here: KnownProject | None) -> bool:
    if path.is_file():
        return _check_file(check, path, here=here)
    if not path.is_dir():
        return False
    done = False
    if (path / SETTINGS_FILE).is_file():
        check.directory(path, below=_defaults(check, path))
        done = True
    elif (project := project_at(path, check.environ, here=here)) is not None:
        check.compose(project)
        done = True
    sources: tuple[Path, ...] = () if done else (path,)
    if has_table(path):
        host = check.host(path)
        sources = host.source_paths if host else ()
        done = True
    for directory in find_containers(sources).directories:
        check.directory(directory.path, below=_defaults(check, directory.path))
        done = True
    for project in _projects_below(sources, check.environ):
        check.compose(project)
        done = True
    return done


def _check_file(check: _Check, path: Path, *, here: KnownProject | None) -> bool:
    if path.name == SETTINGS_FILE:
        check.directory(path.parent, below=_defaults(check, path.parent))
        return True
    if path.name == PROJECT_FILE:
        try:
            is_ours = project_table(path) is not None
        except SettingsError as error:
            check.add(error)
            return True
        if is_ours:
            check.host(path.parent)
        return is_ours
    if path.suffix == ".toml":
        check.host(None, user_file=path)
        return True
    project = project_at(path.parent, check.environ, here=here)
    if project is None or path.suffix not in {".yaml", ".yml"}:
        return False
    check.compose(project)
    return True


def _projects_below(sources: Sequence[Path], environ: Mapping[str, str]) -> Iterator[KnownProject]:
    for source in sources:
        for path in sorted(source.iterdir()) if source.is_dir() else ():
            if not path.name.startswith(".") and (found := project_at(path, environ)) is not None:
                yield found


def _defaults(check: _Check, path: Path) -> tuple[SettingsLayer, ...]:
    host = check.host(project_of(path))
    return host.defaults if host else ()
