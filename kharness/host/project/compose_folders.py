"""The Compose projects that a command may mean, by what their folders show: no Compose file is parsed here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kharness.host.project.projects import recorded
from kharness.settings.catalog import SETTINGS_FILE
from kharness.settings.compose.folder import ComposeFolder, compose_folder, compose_folder_above
from kharness.settings.project import derived, has_table

VARIABLE = "COMPOSE_PROJECT_NAME"
OF_THE_SHELL = frozenset({VARIABLE, "COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_ENV_FILES"})
"""Variables that mean the project of the current directory, and no other."""
_NAME = re.compile(rb"^name:[ \t]*[\"']?([^\s\"'#]*)", re.MULTILINE)
_SAID = re.compile(rb"^[ \t]*(?:export[ \t]+)?COMPOSE_PROJECT_NAME[ \t]*=[ \t]*[\"']?([^\s\"'#]*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class KnownProject:
    """A Compose project that commands know; `here` says that it is the one of the current directory."""

    name: str
    folder: ComposeFolder
    here: bool = False

    def environment(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        """Return the variables with which it is read: another project than that of the shell's is not renamed by it."""
        if self.here:
            return environ
        return {key: value for key, value in environ.items() if key not in OF_THE_SHELL}


def project_here(cwd: Path, environ: Mapping[str, str]) -> KnownProject | None:
    """Return the Compose project of the current directory, as Compose itself looks upwards for it."""
    found = compose_folder_above(cwd)
    # Beside a settings.yaml, a Compose file is something that the container directory brings along.
    if found is None or (found.path / SETTINGS_FILE).is_file():
        return None
    return KnownProject(name_of(found, environ), found, here=True)


def project_at(path: Path, environ: Mapping[str, str], *, here: KnownProject | None = None) -> KnownProject | None:
    """Return the Compose project that a folder is, None where it is none."""
    if here is not None and here.folder.path.resolve() == path.resolve():
        return here
    with suppress(OSError):
        found = compose_folder(path)
        if found is not None and not (path / SETTINGS_FILE).is_file():
            known = KnownProject("", found)
            return KnownProject(name_of(found, known.environment(environ)), found)
    return None


def known_projects(
    *,
    here: KnownProject | None,
    environ: Mapping[str, str],
    source_paths: Sequence[Path],
    said: Iterable[Path],
    state_dir: Path,
) -> tuple[KnownProject, ...]:
    """Return the Compose projects here, below source paths, of the configuration (`said`), and of earlier commands.

    Sorted by name, each folder once. Folders that are gone, or are not Compose projects any more, do not count.
    """
    found: dict[Path, KnownProject] = {here.folder.path.resolve(): here} if here else {}
    for path in (*_below(source_paths), *_said(said), *_used(state_dir)):
        with suppress(OSError):
            if (place := path.resolve()) not in found and (each := project_at(path, environ)) is not None:
                found[place] = each
    return tuple(sorted(found.values(), key=lambda each: (each.name, str(each.folder.path))))


def name_of(folder: ComposeFolder, environ: Mapping[str, str]) -> str:
    """Return a project's name by Compose's order: variable, `.env`, the file's `name:`, the folder's name."""
    said = environ.get(VARIABLE, "")
    for file, pattern in ((folder.path / ".env", _SAID), (folder.file, _NAME)):
        said = said or _found(file, pattern)
    if "$" in said:
        # Variables in it take the whole reader.
        return _read_name(folder, environ)
    return said or derived(folder.path.resolve().name)


def _found(file: Path, pattern: re.Pattern[bytes]) -> str:
    try:
        found = pattern.search(file.read_bytes())
    except OSError:
        return ""
    return found[1].decode(errors="replace") if found else ""


def _read_name(folder: ComposeFolder, environ: Mapping[str, str]) -> str:
    from kharness.errors import KharnessError  # noqa: PLC0415 - see above
    from kharness.settings.compose.load import load_compose  # noqa: PLC0415 - it imports YAML

    try:
        return load_compose(folder.path, environ=environ).name
    except KharnessError:
        return derived(folder.path.resolve().name)


def _below(source_paths: Sequence[Path]) -> Iterator[Path]:
    for source_path in source_paths:
        with suppress(OSError):
            yield from (path for path in sorted(source_path.iterdir()) if not path.name.startswith("."))


def _said(patterns: Iterable[Path]) -> Iterator[Path]:
    for pattern in patterns:
        yield from sorted(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))


def _used(state_dir: Path) -> Iterator[Path]:
    for each in recorded(state_dir):
        path = Path(each.path)
        # A folder of container directories may have a Compose file for something else.
        with suppress(OSError):
            folder = compose_folder(path)
            if folder is not None and not has_table(path) and name_of(folder, {}) == each.name:
                yield path
