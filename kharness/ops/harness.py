"""What every use case works with: the engine, the host's settings, the container directories, the state."""

from __future__ import annotations

import os
import re
import shutil
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from kharness.engine.api import Engine
from kharness.engine.connect import connect
from kharness.engine.start import start_local_engine
from kharness.errors import EngineUnavailableError, SettingsError
from kharness.host.owner import Owner, current_owner
from kharness.host.state import State
from kharness.plan.facts import EngineFacts
from kharness.plan.tags import Tags
from kharness.settings.catalog import Catalog, ContainerDir, find_containers
from kharness.settings.host import HostSettings, load_host_settings
from kharness.settings.laid import Source
from kharness.settings.load import load_settings
from kharness.settings.model import Settings

Report = Callable[[str, str], None]
"""Told `(who, what)`: a container directory's name or an empty text, and what happens to it now.

A detail of a long step begins with a space.
"""


USUAL_ROOT = "/var/lib/docker"


def silent(_who: str, _what: str) -> None:
    """Report nothing."""


@dataclass(frozen=True, kw_only=True)
class Harness:
    """An engine and all that belongs to it. State and locks are per engine, not per user."""

    engine: Engine
    host: HostSettings
    catalog: Catalog
    state_dir: Path
    project: Path | None
    state: State
    owner: Owner = field(default_factory=current_owner)
    report: Report = silent

    @property
    def repository(self) -> str:
        """What comes before a directory's name in its images'."""
        return self.host.repository

    @property
    def volume_root(self) -> PurePosixPath:
        """`DV` as plans want it."""
        return PurePosixPath(self.host.dv)

    @property
    def locks(self) -> Path:
        """The directory of this engine's locks."""
        return self.state_dir / "locks"

    @property
    def output(self) -> Path:
        """The directory of what commands over many containers have printed, `COMMAND/NAME.log`."""
        return self.state_dir / "output"

    def tags(self, name: str) -> Tags:
        """Return the references of a container directory's images."""
        return Tags(self.repository, name)

    def details(self, who: str) -> Callable[[str], None]:
        """Return what takes the details of a long step, such as a build's lines."""
        return lambda line: self.report(who, f" {line}")

    def settings(self, directory: ContainerDir, *, above: Iterable[Source] = ()) -> Settings:
        """Read a directory's settings, under what is `above` and over the host's defaults.

        Raises `SettingsError` with every problem.
        """
        return load_settings(directory.path, below=self.host.defaults, above=above)

    def fleet(self) -> tuple[Mapping[str, Settings], Mapping[str, SettingsError]]:
        """Read all settings, by the directories' names; what is wrong with others is returned beside them."""
        good: dict[str, Settings] = {}
        broken: dict[str, SettingsError] = {}
        for directory in self.catalog.directories:
            try:
                good[directory.name] = self.settings(directory)
            except SettingsError as error:
                broken[directory.name] = error
        return good, broken


def open_harness(
    *,
    project: Path | None,
    environ: Mapping[str, str],
    report: Report = silent,
    engine: Engine | None = None,
    host: HostSettings | None = None,
) -> Harness:
    """Read the host's settings and connect; start the installed local engine where none answers.

    Raises `SettingsError` and `EngineUnavailableError`.
    """
    host = host or load_host_settings(project=project, environ=environ)
    engine = engine or open_engine(host, environ=environ, report=report)
    state_dir = host.state_dir / "engines" / _key(engine.facts())
    return Harness(
        engine=engine,
        host=host,
        catalog=find_containers(host.source_paths),
        state_dir=state_dir,
        project=project,
        state=State(state_dir / "state.db"),
        report=report,
    )


def _key(facts: EngineFacts) -> str:
    # Every daemon of a host has the same id (it comes from a file in /etc), and its own data root.
    name = re.sub(r"[^A-Za-z0-9]+", "-", facts.id).strip("-").lower() or "unknown"
    own_root = facts.root_dir not in {"", USUAL_ROOT}
    return f"{name}-{zlib.crc32(facts.root_dir.encode()):08x}" if own_root else name


def open_engine(host: HostSettings, *, environ: Mapping[str, str], report: Report = silent) -> Engine:
    """Return the engine that answers, starting the local one if the host's settings allow it."""
    try:
        return connect(host=host.engine, environ=environ, home=Path.home())
    except EngineUnavailableError as error:
        return start_instead(error, host, environ=environ, report=report)


def start_instead(
    error: EngineUnavailableError, host: HostSettings, *, environ: Mapping[str, str], report: Report = silent
) -> Engine:
    """Start the local engine because none answers; raises `error` where another is meant, or none may be started."""
    elsewhere = host.engine or environ.get("DOCKER_HOST") or environ.get("DOCKER_CONTEXT")
    if elsewhere or not host.start_engine or not can_start():
        raise error
    report("", "no engine answers: starting the installed one")
    start_local_engine(state_dir=host.state_dir, progress=lambda line: report("", line))
    return connect(host=host.engine, environ=environ, home=Path.home())


def can_start() -> bool:
    """Whether an engine is installed here that this user may start."""
    return os.geteuid() == 0 and shutil.which("dockerd") is not None
