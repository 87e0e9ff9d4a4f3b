"""The configuration of this host: where container directories and volumes are, which engine, which networks."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo

from kharness.errors import Problem, SettingsError
from kharness.settings.defaults import Defaults, check_defaults
from kharness.settings.glance import DEFAULT_REPOSITORY, ENGINE, REPOSITORY
from kharness.settings.network import IP
from kharness.settings.policy import Identifier, Profile, Waiver
from kharness.settings.problems import told
from kharness.settings.scalars import Duration, Filled, Flag, Positive
from kharness.settings.section import Section, expected
from kharness.settings.service import Image
from kharness.settings.several import Argv, Parameters
from kharness.settings.sources import ENVIRONMENT, SOURCE_VARIABLES, Layer, files, from_variable, placed

TABLES = frozenset({"defaults", "networks", "waive"})
"""Keys that have tables, which no variable can say, and of which each file adds some."""
FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
ROOT_DV = Path("/rw/dv")
ROOT_STATE = Path("/var/lib/kharness")


def _path(value: Any, info: ValidationInfo) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value:
        raise expected("a path")
    return placed(value, base=(info.context or {}).get("base", Path.cwd()))


def _matching(pattern: re.Pattern[str], what: str) -> BeforeValidator:
    def read(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise expected(what)
        return value

    return BeforeValidator(read)


def _network(value: Any) -> str:
    try:
        return str(ipaddress.ip_network(value if isinstance(value, str) else ""))
    except ValueError:
        raise expected("a network such as 10.1.0.0/16") from None


def _ipv4_network(value: Any) -> str:
    try:
        return str(ipaddress.IPv4Network(value if isinstance(value, str) else ""))
    except ValueError:
        raise expected("an IPv4 network such as 10.213.0.0/16") from None


def _default_dv() -> Path:
    from platformdirs import user_data_path  # noqa: PLC0415 - only where nothing is said

    if os.geteuid() == 0 and ROOT_DV.is_dir():
        return ROOT_DV
    return user_data_path("kharness", appauthor=False) / "dv"


def _default_state_dir() -> Path:
    from platformdirs import user_state_path  # noqa: PLC0415 - only where nothing is said

    return ROOT_STATE if os.geteuid() == 0 else user_state_path("kharness", appauthor=False)


Cidr = Annotated[str, BeforeValidator(_network)]
Located = Annotated[Path, BeforeValidator(_path)]


class NetworkDecl(Section):
    """A production network that is created when it is absent."""

    place: ClassVar[str] = "host.networks"

    driver: Filled = "bridge"
    subnet: Cidr | None = None
    """In CIDR form; a fixed address needs one."""
    gateway: IP | None = None
    ip_range: Cidr | None = None
    """The part of the subnet that the engine hands addresses out from."""
    internal: Flag = False
    """Whether it has no way out."""
    options: Parameters = Field(default_factory=dict[str, str])
    """The driver's own options."""


class HostSettings(Section):
    """What holds for every container of this host; `ready_timeout` in seconds, paths absolute."""

    place: ClassVar[str] = "host"

    source_paths: tuple[Located, ...] = ()
    """The folders that hold container directories; the first one shadows the others."""
    repository: Annotated[str, _matching(REPOSITORY, "a repository such as ktools")] = DEFAULT_REPOSITORY
    """What comes before the directory's name in an image's."""
    dv: Located = Field(default_factory=_default_dv)
    """The volume root."""
    state_dir: Located = Field(default_factory=_default_state_dir)
    """The state database, locks, downloads."""
    engine: Annotated[str, _matching(ENGINE, "an engine's address such as unix:///var/run/docker.sock")] | None = None
    """In the form of DOCKER_HOST."""
    base: Literal["alpine", "debian"] | None = None
    """What the base image is made from."""
    debug_image: Image | None = None
    """Where 'kharness debug' takes its tools from; the base image where none is named."""
    networks: Mapping[str, NetworkDecl] = Field(default_factory=dict[str, NetworkDecl])
    """Production networks."""
    test_subnets: Annotated[str, BeforeValidator(_ipv4_network)] = "10.213.0.0/16"
    """Where the subnets of test networks are taken from."""
    launch_parallel: Positive = 4
    """How many containers are started together."""
    start_engine: Flag = True
    """Whether the local engine may be started where none answers."""
    ready_timeout: Duration = 60.0
    """How long a container may take to become ready."""
    notify: Argv = ()
    """A command that is told, as JSON on its standard input, what was released, refused, undone, recovered, drifted."""
    policy: Profile | None = None
    """The profile of container directories that say none; strict where kharness builds the image, else baseline."""
    waive: Mapping[Identifier, Waiver] = Field(default_factory=dict[str, Waiver])
    """Checks of the host or the calendar that need not hold here, whatever the container."""
    defaults: Defaults = ()
    """Settings of all containers here that say nothing else, file by file, the lowest first."""
    keep_releases: Positive = 5
    """How many releases of a container 'kharness prune' keeps the images of."""


def load_host_settings(
    *,
    project: Path | None,
    environ: Mapping[str, str],
    user_file: Path | None = None,
    system_file: Path | None = None,
) -> HostSettings:
    """Read everything that is said about this host.

    Key by key the first to say counts: the environment (`KHARNESS_DV` before `KTOOLS_DV`), `[tool.kharness]` of the
    project's pyproject.toml, the user's file, the system's. Tables are merged by name. Relative paths are relative
    to the file that says them. Raises `SettingsError` with the problems of all files.
    """
    problems: list[Problem] = []
    read: list[HostSettings] = []
    for layer in files(project=project, user_file=user_file, system_file=system_file):
        try:
            read.append(HostSettings.model_validate(dict(layer.table), context=_context(layer)))
        except ValidationError as error:
            problems += _problems(layer, error)
    variables = _variables(environ)
    try:
        read.insert(0, HostSettings.model_validate({key: value for key, (_, value) in variables.items()}))
    except ValidationError as error:
        problems += [Problem(ENVIRONMENT, variables[str(found.loc[0])][0], found.message) for found in told(error)]
    if problems:
        raise SettingsError(problems)
    said: dict[str, Any] = {}
    for settings in reversed(read):
        said |= {key: _joined(key, said.get(key), getattr(settings, key)) for key in settings.model_fields_set}
    found = HostSettings(**said)
    if problems := check_defaults(found.defaults):
        raise SettingsError(problems)
    return found


def _context(layer: Layer) -> dict[str, Any]:
    return {"base": layer.base, "file": layer.file, "key": layer.key}


def _joined(key: str, below: Any, above: Any) -> Any:
    if key not in TABLES or not below:
        return above
    return (*below, *above) if isinstance(above, tuple) else {**below, **above}


def _problems(layer: Layer, error: ValidationError) -> list[Problem]:
    return [layer.problem(found.key, found.message) for found in told(error)]


def _variables(environ: Mapping[str, str]) -> dict[str, tuple[str, Any]]:
    found: dict[str, tuple[str, Any]] = {}
    for key in HostSettings.model_fields:
        names = SOURCE_VARIABLES if key == "source_paths" else (f"KHARNESS_{key.upper()}", f"KTOOLS_{key.upper()}")
        for name in names:
            if key not in TABLES and key not in found and (text := environ.get(name)):
                found[key] = (name, _value(key, text))
    return found


def _value(key: str, text: str) -> Any:
    if key == "source_paths":
        return from_variable(text)
    return FLAGS.get(text.lower(), text) if key == "start_engine" else text
