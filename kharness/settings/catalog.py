"""The container directories that the source paths hold, and how one is chosen.

Loaded in every pytest run: neither settings models nor YAML are imported here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from kharness.errors import UsageError
from kharness.settings.compose.folder import ComposeFolder

SETTINGS_FILE = "settings.yaml"
SHOWN = 8
"""How many names an error lists."""


@dataclass(frozen=True)
class ContainerDir:
    """A container directory; `name` is its image's and container's name, `source_path` the folder it is found in.

    It may stand for a service of a Compose project: then `path` is the project's folder, and `compose` says which
    project.
    """

    name: str
    path: Path
    source_path: Path
    compose: ComposeFolder | None = None

    @property
    def settings_file(self) -> Path:
        """Its `settings.yaml`, or the Compose file."""
        return self.compose.file if self.compose else self.path / SETTINGS_FILE

    @property
    def has_dockerfile(self) -> bool:
        """Whether its image is built here."""
        return (self.path / "Dockerfile").is_file()


@dataclass(frozen=True)
class Catalog:
    """All container directories, sorted by name; `shadowed` are those that an earlier source path has, too."""

    directories: tuple[ContainerDir, ...]
    shadowed: tuple[ContainerDir, ...]

    @property
    def folder(self) -> Path | None:
        """The folder of the Compose project whose services these are; None for container directories."""
        return next((each.path for each in self.directories if each.compose), None)

    def get(self, name: str) -> ContainerDir | None:
        """Return the directory of exactly that name."""
        return self._by_name.get(name)

    def select(self, text: str, *, prefix: bool) -> ContainerDir:
        """Return the directory that a person means: an exact name, or with `prefix` an unambiguous beginning of one.

        Raises `UsageError`, which lists the candidates, or the nearest names where there is none.
        """
        if found := self.get(text):
            return found
        names = [directory.name for directory in self.directories]
        starting = [name for name in names if name.startswith(text)] if text else []
        match starting:
            case [name] if prefix:
                return self._by_name[name]
            case [_, _, *_] if prefix:
                raise UsageError(f"{text!r} is ambiguous: {_listed(starting)}")
        if not names:
            raise UsageError(f"no container directory {text!r}: no source path holds any")
        nearest = starting or get_close_matches(text, names, n=3, cutoff=0.5)
        advice = f"did you mean {_listed(nearest, last=' or ')}?" if nearest else f"there are {_listed(names)}"
        what = "service" if self.folder else "container directory"
        raise UsageError(f"no {what} {text!r}; {advice}")

    def at(self, path: Path) -> ContainerDir | None:
        """Return the directory that a path is, or lies in; shadowed ones do not count."""
        for form in (path.absolute(), path.resolve()):
            for candidate in (form, *form.parents):
                if found := self._by_path.get(candidate):
                    return found
        return None

    @cached_property
    def _by_name(self) -> dict[str, ContainerDir]:
        return {directory.name: directory for directory in self.directories}

    @cached_property
    def _by_path(self) -> dict[Path, ContainerDir]:
        if any(directory.compose for directory in self.directories):
            # The services of a project share one folder.
            return {}
        resolved = {directory.path.resolve(): directory for directory in self.directories}
        return {**resolved, **{directory.path.absolute(): directory for directory in self.directories}}


def service_catalog(folder: ComposeFolder, services: Iterable[str]) -> Catalog:
    """Return the services of a Compose project as a catalog."""
    found = (ContainerDir(name, folder.path, folder.path, folder) for name in sorted(services))
    return Catalog(tuple(found), ())


def find_containers(source_paths: Sequence[Path]) -> Catalog:
    """Return what the source paths hold: each folder directly below one that has a `settings.yaml`.

    The first source path that has a name wins. A missing source path holds nothing; so does one named twice.
    """
    found: dict[str, ContainerDir] = {}
    shadowed: list[ContainerDir] = []
    for directory in _all(source_paths):
        if directory.name in found:
            shadowed.append(directory)
        else:
            found[directory.name] = directory
    return Catalog(tuple(found[name] for name in sorted(found)), tuple(shadowed))


def _all(source_paths: Iterable[Path]) -> Iterator[ContainerDir]:
    seen: set[Path] = set()
    for source_path in source_paths:
        if (resolved := source_path.resolve()) in seen or not source_path.is_dir():
            continue
        seen.add(resolved)
        for path in sorted(source_path.iterdir()):
            if not path.name.startswith(".") and (path / SETTINGS_FILE).is_file():
                yield ContainerDir(path.name, path, source_path)


def _listed(names: Sequence[str], *, last: str = ", ") -> str:
    if len(names) > SHOWN:
        return f"{', '.join(names[:SHOWN])} and {len(names) - SHOWN} more"
    return last.join(filter(None, (", ".join(names[:-1]), names[-1])))
