"""The configuration of this host: where container directories and volumes are, which engine, which networks.

Its files are read by `sources`; here they are validated, with the defaults that they have for all containers.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, InstanceOf, ValidationError, ValidationInfo

from kharness.errors import Problem, SettingsError
from kharness.settings.checks import check_settings
from kharness.settings.foreign import explain_key
from kharness.settings.layers import SettingsLayer, merge_layers
from kharness.settings.model import Settings
from kharness.settings.network import IP
from kharness.settings.plain import PLAIN
from kharness.settings.policy import Identifier, Profile, Waiver
from kharness.settings.problems import key_problems, without_variables
from kharness.settings.project import SHOULD
from kharness.settings.section import Section, expected, moved, problem, together, wrong
from kharness.settings.service import Image, ServiceKeys
from kharness.settings.sources import (
    ENGINE,
    ENVIRONMENT,
    PROJECT_NAME,
    REPOSITORY,
    TABLES,
    default_state_dir,
    files,
    placed,
    variables,
)
from kharness.settings.values import Argv, Duration, Filled, Flag, Parameters, Positive

KEY = "defaults"
FOR_ALL = frozenset({"environment", "extra_hosts", "labels", "logging", "restart", "tmpfs", "ulimits"}) | {
    row.key for row in PLAIN if row.shared
}
"""Keys that may hold for all containers of a host."""
OF_ONE = "belongs to one container, and should be set in that one's settings.yaml"
OWN_KEY: Mapping[str, str] = {
    "policy": "has keys of its own in the host's configuration, policy and waive",
    "networks": f"{OF_ONE}; which networks there are, the table networks says",
}
NOWHERE = Path("host configuration")


def check_defaults(sources: Iterable[SettingsLayer]) -> list[Problem]:
    """Return what contradicts itself among the defaults of all files, each at the file that says it."""
    merged = merge_layers(sources)
    problems: list[Problem] = []
    for found in check_settings(Settings.model_validate({"image": "x", **merged.value})):
        owner = merged.owner(found.loc)
        if owner is not None:
            problems.append(owner.problem(found.loc, found.message))
    return problems


def _read(value: Any, info: ValidationInfo) -> tuple[SettingsLayer, ...]:
    if isinstance(value, tuple):
        return value
    if not isinstance(value, Mapping):
        raise expected("a table")
    said, uses = without_variables(dict(value))
    errors = [problem(wrong(found.message), loc=found.loc, value=None) for found in uses if found.loc[0] in FOR_ALL]
    readable = FOR_ALL - {found.loc[0] for found in uses}
    for key in sorted(said.keys() - FOR_ALL):
        known = key in Settings.model_fields
        text = OWN_KEY.get(key, OF_ONE) if known else explain_key(key, place="service", known=FOR_ALL)
        errors.append(problem(wrong(text), loc=(key,), value=None))
    try:
        ServiceKeys.model_validate({key: each for key, each in said.items() if key in readable})
    except ValidationError as error:
        errors += moved(error, lambda loc: loc)
    if errors:
        raise together(errors)
    context = info.context or {}
    file, key = context.get("file", NOWHERE), context.get("key", "")
    prefix = ".".join(filter(None, (key, KEY)))
    return (SettingsLayer(said=said, file=file, prefix=prefix, called=f"the host's configuration ({file})"),)


Defaults = Annotated[tuple[InstanceOf[SettingsLayer], ...], BeforeValidator(_read)]
"""The sources of defaults, the lowest first."""


ROOT_DV = Path("/rw/dv")


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


def _words(value: Any) -> Any:
    # From a variable: KHARNESS_ENFORCE=KH403
    return value.replace(",", " ").split() if isinstance(value, str) else value


Identifiers = Annotated[tuple[Identifier, ...], BeforeValidator(_words, json_schema_input_type=list[str])]
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
    projects: tuple[Located, ...] = ()
    """Folders of Compose projects, and patterns of such folders (`/opt/stacks/*`)."""
    project: Annotated[str, _matching(PROJECT_NAME, SHOULD)] | None = None
    """The project of the container directories; see `find_project` for what holds where this is not set."""
    repository: Annotated[str, _matching(REPOSITORY, "a repository such as ktools")] | None = None
    """What comes before the directory's name in an image's; the project's name where this is not set."""
    dv: Located = Field(default_factory=_default_dv)
    """The volume root."""
    state_dir: Located = Field(default_factory=default_state_dir)
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
    """A command that gets, as JSON on its standard input, what was released, refused, undone, recovered, drifted."""
    policy: Profile | None = None
    """The profile of container directories that say none; strict where kharness builds the image, else baseline."""
    waive: Mapping[Identifier, Waiver] = Field(default_factory=dict[str, Waiver])
    """Checks of the host or the calendar that need not hold here, for any container."""
    enforce: Identifiers = ()
    """Checks of the host itself, such as KH403, that fail where nothing excuses them; others are only reported."""
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
    for file in files(project=project, user_file=user_file, system_file=system_file):
        context = {"base": file.base, "file": file.file, "key": file.key}
        try:
            read.append(HostSettings.model_validate(dict(file.table), context=context))
        except ValidationError as error:
            problems += [file.problem(found.key, found.message) for found in key_problems(error)]
    of_environ = variables(environ)
    try:
        read.insert(0, HostSettings.model_validate({key: value for key, (_, value) in of_environ.items()}))
    except ValidationError as error:
        problems += [
            Problem(ENVIRONMENT, of_environ[str(found.loc[0])][0], found.message) for found in key_problems(error)
        ]
    if problems:
        raise SettingsError(problems)
    said: dict[str, Any] = {}
    for settings in reversed(read):
        said |= {key: _joined(key, said.get(key), getattr(settings, key)) for key in settings.model_fields_set}
    found = HostSettings(**said)
    # Without defaults the models of a container's settings need not be built.
    if found.defaults and (problems := check_defaults(found.defaults)):
        raise SettingsError(problems)
    return found


def _joined(key: str, below: Any, above: Any) -> Any:
    if key not in TABLES or not below:
        return above
    return (*below, *above) if isinstance(above, tuple) else {**below, **above}
