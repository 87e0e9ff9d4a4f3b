"""What it takes to look at production, and no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kharness.engine.api import Engine, Runtime
from kharness.host.project.projects import Registered
from kharness.plan.facts import ContainerFacts
from kharness.plan.image.tags import Tags
from kharness.settings.catalog import Catalog

Report = Callable[[str, str], None]


class Production(Protocol):
    """A project's production: what commands look at, and what they do to what runs.

    What it returns has ids of its own, which nothing else interprets.
    """

    @property
    def runtime(self) -> Runtime:
        """What is asked of one container, and done to it, by the id that this target gave it."""

    def services(self, name: str | None = None) -> tuple[ContainerFacts, ...]:
        """Return the project's production containers as they are listed, stopped or not; of one directory, or all."""

    def current(self, name: str) -> ContainerFacts | None:
        """Return the production container of a directory, stopped or not, None where there is none.

        Settings are not asked. What runs goes before what does not. Raises `EngineError`, `StateError`.
        """


class View(Protocol):
    """What commands need that only look. A `Harness` is one."""

    @property
    def engine(self) -> Engine:
        """The engine."""

    @property
    def production(self) -> Production:
        """Where production runs."""

    @property
    def project(self) -> Registered:
        """The project whose production is shown."""

    @property
    def repository(self) -> str:
        """What comes before a directory's name in its images'."""

    @property
    def catalog(self) -> Catalog:
        """The container directories."""

    def tags(self, name: str) -> Tags:
        """Return the references of a container directory's images."""

    def has_released(self, name: str, image: str) -> bool:
        """Whether the project's ledger has a release of this image of a directory. Raises `StateError`."""
