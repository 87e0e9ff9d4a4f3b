"""Where this host's configuration stands, in the order in which it counts, and the source paths it names.

Loaded in every pytest run: neither settings models nor YAML are imported here, and TOML only where there is some.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kharness.errors import Problem, SettingsError

ENVIRONMENT = Path("environment")
"""Stands in a problem's place of the file where a variable is at fault."""
SYSTEM_FILE = Path("/etc/kharness/config.toml")
SOURCE_VARIABLES = ("KHARNESS_SOURCE_PATHS", "KHARNESS_D_SRC_DIR", "KTOOLS_D_SRC_DIR")
PROJECT_KEY = "tool.kharness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one file says: `key` is the table's place in it, relative paths in it are relative to `base`."""

    file: Path
    table: Mapping[str, Any]
    key: str = ""

    @property
    def base(self) -> Path:
        """The directory of the file."""
        return self.file.parent

    def problem(self, key: str, message: str) -> Problem:
        """Return a problem of a key of the table."""
        return Problem(self.file, ".".join(filter(None, (self.key, key))), message)


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
    for name in SOURCE_VARIABLES:
        if said := environ.get(name):
            return from_variable(said)
    for layer in files(project=project, user_file=user_file, system_file=system_file):
        if "source_paths" in layer.table:
            return _from_layer(layer)
    return ()


def from_variable(said: str) -> tuple[Path, ...]:
    """Return the paths of a variable, relative ones below the working directory."""
    return tuple(placed(text, base=Path.cwd()) for text in said.split(":") if text)


def placed(text: str, *, base: Path) -> Path:
    """Return the absolute path that a text means in a file in `base`."""
    return Path(os.path.normpath(base.absolute() / os.path.expanduser(text)))  # noqa: PTH111 - raises nothing


def files(*, project: Path | None, user_file: Path | None, system_file: Path | None) -> Iterator[Layer]:
    """Read the files that exist, the one that counts most first."""
    if project is not None and (found := _project_layer(project / "pyproject.toml")):
        yield found
    for file in (user_file or default_user_file(), system_file or SYSTEM_FILE):
        if (data := _read(file)) is not None:
            yield Layer(file=file, table=_parse(file, data))


def default_user_file() -> Path:
    """Return the user's configuration file, `~/.config/kharness/config.toml` or below `XDG_CONFIG_HOME`."""
    from platformdirs import user_config_path  # noqa: PLC0415 - only where it is asked for

    return user_config_path("kharness", appauthor=False) / "config.toml"


def _from_layer(layer: Layer) -> tuple[Path, ...]:
    said = layer.table["source_paths"]
    if not isinstance(said, list) or not all(isinstance(text, str) and text for text in said):
        raise SettingsError([layer.problem("source_paths", "should be a list of paths")])
    return tuple(placed(text, base=layer.base) for text in said)


def _project_layer(file: Path) -> Layer | None:
    data = _read(file)
    if data is None or b"kharness" not in data:
        return None
    table = _parse(file, data).get("tool", {})
    if not isinstance(table, dict) or "kharness" not in table:
        return None
    if not isinstance(table["kharness"], dict):
        raise SettingsError([Problem(file, PROJECT_KEY, "should be a table")])
    return Layer(file=file, table=table["kharness"], key=PROJECT_KEY)


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
