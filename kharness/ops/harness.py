"""What every use case works with: the engine, the host's settings, the container directories, the state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from kharness.engine.api import Engine
from kharness.errors import SettingsError
from kharness.host.project.invoker import Invoker
from kharness.host.project.projects import Registered
from kharness.host.session.owner import Owner, current_owner
from kharness.host.state.state import State
from kharness.ops.release.target import Target
from kharness.plan.image.tags import Tags
from kharness.settings.catalog import Catalog, ContainerDir
from kharness.settings.compose.identity import service_origin
from kharness.settings.compose.origin import ServiceOrigin
from kharness.settings.compose.project import ComposeProject
from kharness.settings.compose.service import service_settings
from kharness.settings.host import HostSettings
from kharness.settings.layers import SettingsLayer
from kharness.settings.load import load_settings
from kharness.settings.model import Settings

COMPOSE_REPOSITORY = "kharness"
"""What comes before `PROJECT-SERVICE` in the images of a Compose project, unless the host's configuration says it."""
Report = Callable[[str, str], None]
"""Told `(who, what)`: a container directory's name or an empty text, and what happens to it now.

A detail of a long step begins with a space.
"""


def silent(_who: str, _what: str) -> None:
    """Report nothing."""


@dataclass(frozen=True, kw_only=True)
class ProjectFiles:
    """A project of this host as its files describe it; no engine is asked.

    `compose` is the Compose project that this is, None for one of container directories; then the catalog has its
    services.
    """

    host: HostSettings
    project: Registered
    catalog: Catalog
    compose: ComposeProject | None = None

    @property
    def repository(self) -> str:
        """What comes before a directory's name in its images'."""
        if self.compose and not self.host.repository:
            return COMPOSE_REPOSITORY
        return self.project.repository_or(self.host.repository)

    @property
    def volume_root(self) -> PurePosixPath:
        """`DV` as plans want it."""
        return PurePosixPath(self.host.dv)

    def tags(self, name: str) -> Tags:
        """Return the references of a container directory's images, or of a service's."""
        return Tags(self.repository, f"{self.project.name}-{name}" if self.compose else name)

    def settings(self, directory: ContainerDir, *, above: Iterable[SettingsLayer] = ()) -> Settings:
        """Read a directory's settings, under what is `above` and over the host's defaults.

        Raises `SettingsError` with every problem.
        """
        if self.compose:
            # Docker's own defaults hold for a Compose project, not the host's for container directories.
            return service_settings(self.compose, directory.name)
        return load_settings(directory.path, below=self.host.defaults, above=above)

    def origin(self, name: str) -> ServiceOrigin | None:
        """Return what Compose makes around a service's container; None for a container directory."""
        return service_origin(self.compose, name) if self.compose else None


@dataclass(frozen=True, kw_only=True)
class Harness(ProjectFiles):
    """An engine, and a project on it. State and locks are per engine and project, not per user.

    `folder` is where the project's `pyproject.toml` is, None where container directories come from elsewhere.
    `targets` makes what runs production. `invoker` is the user who runs this as root by sudo, where the volume root is
    not configured.
    """

    engine: Engine
    state_dir: Path
    folder: Path | None
    state: State
    targets: Callable[[Harness], Target]
    owner: Owner = field(default_factory=current_owner)
    report: Report = silent
    invoker: Invoker | None = None

    @property
    def production(self) -> Target:
        """Where production runs; `engine` builds and tests."""
        return self.targets(self)

    @property
    def home(self) -> Path:
        """The project's part of this engine's state directory."""
        return self.state_dir if self.project.first else self.state_dir / "projects" / self.project.name

    @property
    def locks(self) -> Path:
        """The directory of the project's locks."""
        return self.home / "locks"

    @property
    def output(self) -> Path:
        """The directory of what commands over many containers have printed, `COMMAND/NAME.log`."""
        return self.home / "output"

    def has_released(self, name: str, image: str) -> bool:
        """Whether the project's ledger has a release of this image of a directory. Raises `StateError`."""
        return self.state.has_released(name, image)

    def details(self, who: str) -> Callable[[str], None]:
        """Return what takes the details of a long step, such as a build's lines."""
        return lambda line: self.report(who, f" {line}")

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
