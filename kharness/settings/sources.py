"""The reader of this host's configuration: its files and variables, in the order in which they count.

`load_host_settings` validates all that is read here. What commands need only to look at production, and pytest to find
container directories, is taken from it as it is, because the models take longer to load than an engine to answer.

Loaded in every pytest run: neither settings models nor YAML are imported here, and TOML only where there is some.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kharness.errors import Problem, SettingsError

ENVIRONMENT = Path("environment")
"""Stands in a problem's place of the file where a variable is at fault."""
SYSTEM_FILE = Path("/etc/kharness/config.toml")
SOURCE_VARIABLES = ("KHARNESS_SOURCE_PATHS", "KHARNESS_D_SRC_DIR", "KTOOLS_D_SRC_DIR")
LISTS = ("projects", "source_paths")
"""Keys that are lists of paths, separated by colons in a variable."""
PROJECT_KEY = "tool.kharness"
ROOT_STATE = Path("/var/lib/kharness")
KEYS = frozenset(
    {
        *("base", "debug_image", "defaults", "dv", "enforce", "engine", "keep_releases", "launch_parallel", "networks"),
        *("notify", "policy", "project", "projects", "ready_timeout", "repository", "source_paths", "start_engine"),
        *("state_dir", "test_subnets", "waive"),
    }
)
"""All keys of the configuration."""
TABLES = frozenset({"defaults", "networks", "waive"})
"""Keys that have tables, which no variable can say, and of which each file adds some."""
FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
PROJECT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
"""Compose's rule for names of projects."""
ENGINE = re.compile(r"(unix|tcp|ssh|http|https)://\S+")
REPOSITORY = re.compile(r"[a-z0-9][a-z0-9.:_-]*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
PATTERNS = {"project": PROJECT_NAME, "repository": REPOSITORY, "engine": ENGINE}
"""What the values that `glance` takes as they are should match."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFile:
    """What one file says: `key` is the table's place in it, relative paths in it are relative to `base`."""

    file: Path
    table: Mapping[str, Any]
    key: str = ""

    @property
    def base(self) -> Path:
        """The directory of the file."""
        return self.file.parent

    @property
    def placed(self) -> dict[str, Any]:
        """The table, with absolute paths. Raises `SettingsError` for paths that are none."""
        found = {**self.table, **{key: self.paths(key) for key in LISTS if key in self.table}}
        if isinstance(where := found.get("state_dir"), str):
            found["state_dir"] = placed(where, base=self.base)
        return found

    def paths(self, key: str) -> tuple[Path, ...]:
        """Return the paths that a key of the table lists. Raises `SettingsError` where they are none."""
        said = self.table[key]
        if not isinstance(said, list) or not all(isinstance(text, str) and text for text in said):
            raise SettingsError([self.problem(key, "should be a list of paths")])
        return tuple(placed(text, base=self.base) for text in said)

    def problem(self, key: str, message: str) -> Problem:
        """Return a problem of a key of the table."""
        return Problem(self.file, ".".join(filter(None, (self.key, key))), message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What it takes to look at production; the same as in `HostSettings`."""

    state_dir: Path
    source_paths: tuple[Path, ...] = ()
    projects: tuple[Path, ...] = ()
    project: str | None = None
    repository: str | None = None
    engine: str | None = None


def glance(
    *,
    project: Path | None,
    environ: Mapping[str, str],
    user_file: Path | None = None,
    system_file: Path | None = None,
) -> Glance | None:
    """Return what `load_host_settings` would, of these keys.

    None where one of them is wrong, or there is an unknown key: `load_host_settings` reports it. The values of other
    keys are not read. Raises `SettingsError` for a file that cannot be read.
    """
    said = {key: value for key, (_, value) in variables(environ).items()}
    if "state_dir" in said:
        said["state_dir"] = placed(said["state_dir"], base=Path.cwd())
    for file in files(project=project, user_file=user_file, system_file=system_file):
        if not file.table.keys() <= KEYS:
            return None
        said = {**file.placed, **said}
    state_dir = said.get("state_dir") or default_state_dir()
    plain = {key: said.get(key) for key in PATTERNS}
    if not isinstance(state_dir, Path) or not all(_matches(PATTERNS[key], value) for key, value in plain.items()):
        return None
    return Glance(
        state_dir=state_dir, source_paths=said.get("source_paths", ()), projects=said.get("projects", ()), **plain
    )


def source_paths(
    *,
    project: Path | None,
    environ: Mapping[str, str],
    user_file: Path | None = None,
    system_file: Path | None = None,
) -> tuple[Path, ...]:
    """Return the folders that hold container directories, absolute; empty where nothing names any.

    The first to say counts: a variable (`KHARNESS_SOURCE_PATHS`, `KTOOLS_D_SRC_DIR`; separated by colons), the
    project's `[tool.kharness]`, the user's file, the system's. Raises `SettingsError` for a file that cannot be read.
    """
    if "source_paths" in (said := variables(environ)):
        found: tuple[Path, ...] = said["source_paths"][1]
        return found
    for file in files(project=project, user_file=user_file, system_file=system_file):
        if "source_paths" in file.table:
            return file.paths("source_paths")
    return ()


def variables(environ: Mapping[str, str]) -> dict[str, tuple[str, Any]]:
    """Return what variables say (`KHARNESS_DV` before `KTOOLS_DV`): each key's variable and value."""
    found: dict[str, tuple[str, Any]] = {}
    for key in sorted(KEYS - TABLES):
        names = SOURCE_VARIABLES if key == "source_paths" else (f"KHARNESS_{key.upper()}", f"KTOOLS_{key.upper()}")
        if name := next((name for name in names if environ.get(name)), None):
            found[key] = (name, _value(key, environ[name]))
    return found


def _value(key: str, text: str) -> Any:
    if key in LISTS:
        return tuple(placed(path, base=Path.cwd()) for path in text.split(":") if path)
    return FLAGS.get(text.lower(), text) if key == "start_engine" else text


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return value is None or (isinstance(value, str) and pattern.fullmatch(value) is not None)


def default_state_dir() -> Path:
    """Return where state is kept when nothing else is configured."""
    from platformdirs import user_state_path  # noqa: PLC0415 - only where it is asked for

    return ROOT_STATE if os.geteuid() == 0 else user_state_path("kharness", appauthor=False)


def placed(text: str, *, base: Path) -> Path:
    """Return the absolute path that a text means in a file in `base`."""
    return Path(os.path.normpath(base.absolute() / os.path.expanduser(text)))  # noqa: PTH111 - raises nothing


def files(*, project: Path | None, user_file: Path | None, system_file: Path | None) -> Iterator[HostFile]:
    """Read the files that exist, the one that counts most first."""
    if project is not None and (found := project_table(project / "pyproject.toml")):
        yield found
    for file in (user_file or default_user_file(), system_file or SYSTEM_FILE):
        if (data := _read(file)) is not None:
            yield HostFile(file=file, table=_parse(file, data))


def default_user_file() -> Path:
    """Return the user's configuration file, `~/.config/kharness/config.toml` or below `XDG_CONFIG_HOME`."""
    from platformdirs import user_config_path  # noqa: PLC0415 - only where it is asked for

    return user_config_path("kharness", appauthor=False) / "config.toml"


def project_table(file: Path) -> HostFile | None:
    """Return the `[tool.kharness]` table of a `pyproject.toml`, None where it has none. Raises `SettingsError`."""
    data = _read(file)
    if data is None or b"kharness" not in data:
        return None
    table = _parse(file, data).get("tool", {})
    if not isinstance(table, dict) or "kharness" not in table:
        return None
    if not isinstance(table["kharness"], dict):
        raise SettingsError([Problem(file, PROJECT_KEY, "should be a table")])
    return HostFile(file=file, table=table["kharness"], key=PROJECT_KEY)


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SettingsError([Problem(file, "", f"cannot be read: {error.strerror}")]) from None


def _parse(file: Path, data: bytes) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - most projects have nothing to read

    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError:
        raise SettingsError([Problem(file, "", "should be UTF-8")]) from None
    except tomllib.TOMLDecodeError as error:
        text = str(error)
        raise SettingsError([Problem(file, "", f"is not valid TOML: {text[:1].lower()}{text[1:]}")]) from None
