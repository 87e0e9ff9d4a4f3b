"""What a name on the command line stands for: a container directory, a service, a whole Compose project.

No engine is asked, and a Compose file is read only where a name may be one of its services.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

from kharness.errors import SettingsError, UsageError
from kharness.host.project.compose_folders import KnownProject, known_projects, project_at, project_here
from kharness.settings.catalog import SHOWN, Catalog, find_containers
from kharness.settings.project import project_of
from kharness.settings.sources import glance, source_paths

if TYPE_CHECKING:
    from kharness.settings.compose.project import ComposeProject

OWN = "container directory"


@dataclass(frozen=True, slots=True)
class Target:
    """What a name stands for: names of a Compose project's services, or, without a `project`, a container directory.

    `whole` says that all of the project is meant; its services are in the order in which they start.
    """

    project: KnownProject | None
    names: tuple[str, ...]
    whole: bool = False


class UnknownNameError(UsageError):
    """Nothing has a name; the text lists what has a similar one."""


class Targets:
    """The container directories and Compose projects that commands of the current directory know."""

    def __init__(self, *, cwd: Path, environ: Mapping[str, str]) -> None:
        self._cwd = cwd
        self._environ = environ
        self._folder = project_of(cwd)
        self._read: dict[Path, ComposeProject] = {}

    @cached_property
    def _source_paths(self) -> tuple[Path, ...]:
        return source_paths(project=self._folder, environ=self._environ)

    @cached_property
    def own(self) -> Catalog:
        """The container directories of the current directory's project."""
        return find_containers(self._source_paths)

    @cached_property
    def here(self) -> KnownProject | None:
        """The Compose project of the current directory."""
        return project_here(self._cwd, self._environ)

    @cached_property
    def known(self) -> tuple[KnownProject, ...]:
        """All Compose projects. Raises `SettingsError`, `StateError`."""
        found = glance(project=self._folder, environ=self._environ)
        if found is None:
            from kharness.settings.host import load_host_settings  # noqa: PLC0415 - it imports the models

            host = load_host_settings(project=self._folder, environ=self._environ)
            said, state_dir = host.projects, host.state_dir
        else:
            said, state_dir = found.projects, found.state_dir
        return known_projects(
            here=self.here, environ=self._environ, source_paths=self._source_paths, said=said, state_dir=state_dir
        )

    @property
    def has_own(self) -> bool:
        """Whether the current directory has a project of container directories, or no other project either."""
        return bool(self._source_paths) or self._folder is not None or not self.known

    def compose(self, project: KnownProject) -> ComposeProject:
        """Return a project as it is read. Raises `SettingsError`."""
        from kharness.settings.compose.load import load_compose  # noqa: PLC0415 - it imports YAML

        path = project.folder.path
        if path not in self._read:
            self._read[path] = load_compose(path, environ=project.environment(self._environ))
        return self._read[path]

    def all_of(self, project: KnownProject) -> Target:
        """Return a whole project. Raises `SettingsError`."""
        return Target(project, in_order(self.compose(project)), whole=True)

    def find(self, text: str, *, prefix: bool) -> Target:
        """Return what a text stands for: NAME, SERVICE, PROJECT, PROJECT/SERVICE, or a path.

        With `prefix` an unambiguous beginning is enough. What the current directory has goes before a project of the
        same name elsewhere, and a service before its project. Raises `UnknownNameError`, `UsageError`, and
        `SettingsError` of a Compose file that has to be read.
        """
        if text.startswith((".", "/", "~")):
            return self._at(text)
        if (directory := self.own.get(text)) is not None:
            if self.here is not None and text in self._readable_services(self.here):
                raise UsageError(_ambiguous(text, (f"{directory.path} ({OWN})", f"{self.here.name}/{text} (service)")))
            return Target(None, (text,))
        if not self.known:
            return Target(None, (self.own.select(text, prefix=prefix).name,))
        project, slash, service = text.partition("/")
        if slash:
            found = self._project(project, prefix=prefix)
            return self._service(found, service, prefix=prefix) if service else self.all_of(found)
        return self._plain(text, prefix=prefix)

    def _plain(self, text: str, *, prefix: bool) -> Target:
        services = self._services(self.here) if self.here is not None else ()
        if text in services:
            return Target(self.here, (text,))
        if same := [each for each in self.known if each.name == text]:
            return self.all_of(_one(text, same))
        if prefix and text:
            directories = [each.name for each in self.own.directories if each.name.startswith(text)]
            begun = [name for name in services if name.startswith(text)]
            projects = [each for each in self.known if each.name.startswith(text)]
            match (directories, begun, projects):
                case ([name], [], []):
                    return Target(None, (name,))
                case ([], [name], _) if self._is_only(projects, self.here):
                    return Target(self.here, (name,))
                case ([], [], [project]):
                    return self.all_of(project)
            if directories or begun or projects:
                raise UsageError(_ambiguous(text, self._labels(directories, begun, projects)))
        raise UnknownNameError(self._unknown(text, services))

    def _at(self, text: str) -> Target:
        path = Path(text).expanduser()
        path = path if path.is_absolute() else self._cwd / path
        if (directory := self.own.at(path)) is not None:
            return Target(None, (directory.name,))
        if path.is_file() and (found := self._project_at(path.parent)) and found.folder.file == path.absolute():
            return self.all_of(found)
        if found := self._project_at(path):
            return self.all_of(found)
        if (found := self._project_at(path.parent)) and path.name in self._services(found):
            return Target(found, (path.name,))
        raise UsageError(f"{text}: is neither a container directory of this project nor a folder with a Compose file")

    def _project_at(self, path: Path) -> KnownProject | None:
        return project_at(path, self._environ, here=self.here)

    def _project(self, text: str, *, prefix: bool) -> KnownProject:
        same = [each for each in self.known if each.name == text]
        begun = [each for each in self.known if prefix and text and each.name.startswith(text)]
        if same or begun:
            return _one(text, same or begun)
        raise UnknownNameError(self._unknown(text, ()))

    def _service(self, project: KnownProject, text: str, *, prefix: bool) -> Target:
        names = sorted(self._services(project))
        if text in names:
            return Target(project, (text,))
        begun = [name for name in names if name.startswith(text)]
        if prefix and len(begun) == 1:
            return Target(project, (begun[0],))
        if prefix and begun:
            raise UsageError(_ambiguous(text, begun))
        said = f"project {project.name} has no service {text!r}"
        if text in self.compose(project).disabled:
            profiles = ", ".join(self.compose(project).disabled[text].get("profiles") or ())
            raise UnknownNameError(f"{said}: it belongs to a profile that is not active ({profiles})")
        raise UnknownNameError(f"{said}; {_advice(text, names)}")

    def _services(self, project: KnownProject) -> tuple[str, ...]:
        return tuple(self.compose(project).services)

    def _readable_services(self, project: KnownProject) -> tuple[str, ...]:
        # A broken Compose file is no reason to leave a container directory alone.
        with suppress(SettingsError):
            return self._services(project)
        return ()

    @staticmethod
    def _is_only(projects: Sequence[KnownProject], here: KnownProject | None) -> bool:
        return all(each is here for each in projects)

    def _labels(
        self, directories: Iterable[str], services: Iterable[str], projects: Iterable[KnownProject]
    ) -> tuple[str, ...]:
        here = self.here.name if self.here else ""
        return (
            *(f"{name} ({OWN})" for name in directories),
            *(f"{here}/{name} (service)" for name in services),
            *(f"{each.name} (Compose project)" for each in projects),
        )

    def _unknown(self, text: str, services: Iterable[str]) -> str:
        names = {
            **dict.fromkeys((each.name for each in self.known), "Compose project"),
            **dict.fromkeys(services, "service"),
            **dict.fromkeys((each.name for each in self.own.directories), OWN),
        }
        near = get_close_matches(text, names, n=3, cutoff=0.5) or [name for name in names if name.startswith(text)]
        said = [f"{name} ({names[name]})" for name in near or sorted(names)]
        advice = f"did you mean {' or '.join(said)}?" if near else f"there are {_listed(said)}"
        return f"no container directory, service or Compose project {text!r}; {advice}"


def in_order(project: ComposeProject) -> tuple[str, ...]:
    """Return a project's services, each after those that it depends on."""
    needs = needs_of(project)
    try:
        order = tuple(TopologicalSorter(needs).static_order())
    except CycleError:
        # The launch of each says which.
        order = tuple(sorted(needs))
    return order


def needs_of(project: ComposeProject) -> dict[str, tuple[str, ...]]:
    """Return the services of a project that each of them depends on."""
    names = project.services.keys()
    return {
        name: tuple(sorted(names & set(project.services[name].get("depends_on") or ()) - {name}))
        for name in sorted(names)
    }


def one_service(target: Target, what: str) -> str:
    """Return the only name of a target; `UsageError`, which lists the services, where it is a whole project."""
    if not target.whole:
        return target.names[0]
    name = target.project.name if target.project else ""
    listed = _listed([f"{name}/{each}" for each in target.names])
    raise UsageError(f"{what}: takes one service, and not all of project {name}: {listed}")


def _one(text: str, found: Sequence[KnownProject]) -> KnownProject:
    if len(found) > 1:
        raise UsageError(_ambiguous(text, [f"{each.name} ({each.folder.path})" for each in found]))
    return found[0]


def _ambiguous(text: str, labels: Sequence[str]) -> str:
    return f"{text!r} is ambiguous: {_listed(labels)}"


def _advice(text: str, names: Sequence[str]) -> str:
    near = get_close_matches(text, names, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"there are {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
