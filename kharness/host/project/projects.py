"""The projects that this state directory knows, a small file each: where a project is, and what it uses.

A project's name stands for one folder. Files rather than the engine's database, so that a command that only looks at
containers can read one in less than a millisecond.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from kharness.errors import HostError, StateError, UsageError
from kharness.host.durable import write_text
from kharness.settings.project import PROJECT_FILE, Project, is_project

DIRECTORY = "projects"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A project as it was when it was last used.

    `path` is its folder, `former` folders that it had before and that may still exist. `repository`, `dv` and
    `source_paths` are what it was configured with. `engines` are the keys of those whose records from before there were
    projects were looked through; where it took some over, it keeps the repository that they were made with
    (`inherited`), and its files where they were then (`first`), which one project of a host can.
    """

    name: str
    path: str
    former: tuple[str, ...] = ()
    repository: str = ""
    dv: str = ""
    source_paths: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    inherited: str = ""
    first: bool = False

    def repository_or(self, said: str | None) -> str:
        """Return the repository of its images, where this is what the configuration says of it."""
        return said or self.inherited or self.name

    @property
    def folders(self) -> frozenset[str]:
        """All folders that containers of this project may have been launched from."""
        return frozenset((self.path, *self.former))


def registered(state_dir: Path, project: Project) -> Registered:
    """Return what is known of a project; of a new one its name and path. A project that was moved has its new path.

    Raises `UsageError` where another folder that still is a project has the name; both folders, and the command that
    settles it, are in the text; `StateError` where the project's file cannot be understood.
    """
    found = _read(state_dir / DIRECTORY / f"{project.name}.json")
    path = str(project.path)
    if found is None:
        return Registered(name=project.name, path=path)
    if found.path == path:
        return found
    if is_project(Path(found.path)):
        raise UsageError(_conflict(project, found.path))
    return _moved(found, path)


def take_name(state_dir: Path, project: Project) -> Registered:
    """Give this folder the name, also where another folder has it. Raises `HostError`."""
    found = _read(state_dir / DIRECTORY / f"{project.name}.json")
    path = str(project.path)
    taken = _moved(found, path) if found and found.path != path else found or Registered(name=project.name, path=path)
    register(state_dir, taken)
    return taken


def register(state_dir: Path, record: Registered) -> None:
    """Write what is known of a project, unless exactly that is written already. Raises `HostError`."""
    path = state_dir / DIRECTORY / f"{record.name}.json"
    if _read(path) == record:
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # After a power cut an empty file would stand in the way of every project.
        write_text(temporary, json.dumps(asdict(record), indent=2) + "\n")
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise HostError(f"{path}: cannot be written: {error.strerror}") from error


def others(state_dir: Path, name: str) -> Iterator[Registered]:
    """Yield the other projects, sorted by name, whose folders still are projects."""
    yield from (each for each in recorded(state_dir) if each.name != name and is_project(Path(each.path)))


def recorded(state_dir: Path) -> Iterator[Registered]:
    """Yield all projects that were ever used here, sorted by name. Raises `StateError`."""
    with suppress(OSError):
        for path in sorted((state_dir / DIRECTORY).glob("[!.]*.json")):
            if (found := _read(path)) is not None:
                yield found


def _moved(found: Registered, path: str) -> Registered:
    former = dict.fromkeys((*found.former, found.path))
    former.pop(path, None)
    return replace(found, path=path, former=tuple(former))


def _conflict(project: Project, other: str) -> str:
    return (
        f"project {project.name!r}: two folders have this name: {other} and {project.path}; set another name in one of "
        f"them ([tool.kharness] project in {PROJECT_FILE}), or, if {project.path} takes the place of {other}, run "
        "'kharness project --take' there"
    )


def _read(path: Path) -> Registered | None:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        tuples = {key: tuple(said.get(key, ())) for key in ("former", "source_paths", "engines")}
        return Registered(**{**said, **tuples})
    except OSError:
        return None
    except (ValueError, TypeError, AttributeError) as error:
        raise StateError(f"{path}: should be what kharness knows of a project, and cannot be read: {error}") from error
