"""What it takes to look at production, and no more: an engine, and the container directories of this host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kharness.engine.api import Engine
from kharness.engine.connect import connect
from kharness.errors import EngineUnavailableError
from kharness.plan.tags import Tags
from kharness.settings.catalog import Catalog, find_containers
from kharness.settings.glance import glance

Report = Callable[[str, str], None]


class View(Protocol):
    """What is looked at. A `Harness` is one."""

    @property
    def engine(self) -> Engine:
        """The engine."""

    @property
    def repository(self) -> str:
        """What comes before a directory's name in its images'."""

    @property
    def catalog(self) -> Catalog:
        """The container directories."""

    def tags(self, name: str) -> Tags:
        """Return the references of a container directory's images."""


@dataclass(frozen=True, kw_only=True)
class PlainView:
    """A view, and nothing else."""

    engine: Engine
    repository: str
    catalog: Catalog

    def tags(self, name: str) -> Tags:
        """Return the references of a container directory's images."""
        return Tags(self.repository, name)


def open_view(*, project: Path | None, environ: Mapping[str, str], report: Report) -> View:
    """Connect, and find the container directories; the installed local engine is started where none answers.

    Raises `SettingsError` and `EngineUnavailableError`.
    """
    found = glance(project=project, environ=environ)
    if found is not None:
        try:
            engine = connect(host=found.engine, environ=environ, home=Path.home())
        except EngineUnavailableError as error:
            return _started(error, project=project, environ=environ, report=report)
        return PlainView(engine=engine, repository=found.repository, catalog=find_containers(found.source_paths))
    from kharness.ops.harness import open_harness  # noqa: PLC0415 - all of it is needed to say what is wrong

    return open_harness(project=project, environ=environ, report=report)


def _started(
    error: EngineUnavailableError, *, project: Path | None, environ: Mapping[str, str], report: Report
) -> View:
    from kharness.ops.harness import open_harness, start_instead  # noqa: PLC0415 - see above
    from kharness.settings.host import load_host_settings  # noqa: PLC0415

    host = load_host_settings(project=project, environ=environ)
    engine = start_instead(error, host, environ=environ, report=report)
    return open_harness(project=project, environ=environ, report=report, engine=engine, host=host)
