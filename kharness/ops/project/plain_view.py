"""Open what it takes to look at production, and no more: an engine, and the container directories of this host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from kharness.engine.api import Engine
from kharness.engine.connect import connect
from kharness.errors import EngineUnavailableError
from kharness.host.project.projects import Registered, registered
from kharness.ops.project.production import EngineProduction
from kharness.ops.project.view import View
from kharness.plan.image.tags import Tags
from kharness.settings.catalog import Catalog, find_containers
from kharness.settings.project import find_project
from kharness.settings.sources import glance

Report = Callable[[str, str], None]


@dataclass(frozen=True, kw_only=True)
class PlainView:
    """A view, and nothing else; `ledger` opens the harness, which is needed for few questions."""

    engine: Engine
    project: Registered
    repository: str
    catalog: Catalog
    ledger: Callable[[], View]

    @property
    def production(self) -> EngineProduction:
        """Production, which is this engine's."""
        return EngineProduction(self)

    def has_released(self, name: str, image: str) -> bool:
        """Whether the project's ledger has a release of this image of a directory. Raises `StateError`."""
        return self.ledger().has_released(name, image)

    def tags(self, name: str) -> Tags:
        """Return the references of a container directory's images."""
        return Tags(self.repository, name)


def open_view(*, folder: Path | None, environ: Mapping[str, str], report: Report) -> View:
    """Connect, and find the container directories; the installed local engine is started where none answers.

    `folder` is where the project's `pyproject.toml` is, if it has one. Raises `SettingsError`,
    `EngineUnavailableError`, and `UsageError` where another folder has the project's name.
    """
    found = glance(project=folder, environ=environ)
    if found is None:
        from kharness.ops.opening import open_harness  # noqa: PLC0415 - all of it is needed to say what is wrong

        return open_harness(folder=folder, environ=environ, report=report)
    project = find_project(folder=folder, said=found.project, environ=environ, source_paths=found.source_paths)
    known = registered(found.state_dir, project)
    try:
        engine = connect(host=found.engine, environ=environ, home=Path.home())
    except EngineUnavailableError as error:
        return _started(error, folder=folder, environ=environ, report=report)
    ledger = partial(_opened, engine, folder=folder, environ=environ, report=report)
    if found.repository is None and not known.engines:
        # Before a project is registered, only the state can tell in which repository its images are.
        return ledger()
    return PlainView(
        engine=engine,
        project=known,
        repository=known.repository_or(found.repository),
        catalog=find_containers(found.source_paths),
        ledger=cache(ledger),
    )


def _opened(engine: Engine, *, folder: Path | None, environ: Mapping[str, str], report: Report) -> View:
    from kharness.ops.opening import open_harness  # noqa: PLC0415 - see above

    return open_harness(folder=folder, environ=environ, report=report, engine=engine)


def _started(error: EngineUnavailableError, *, folder: Path | None, environ: Mapping[str, str], report: Report) -> View:
    from kharness.ops.opening import start_instead  # noqa: PLC0415 - see above
    from kharness.settings.host import load_host_settings  # noqa: PLC0415

    host = load_host_settings(project=folder, environ=environ)
    engine = start_instead(error, host, environ=environ, report=report)
    return _opened(engine, folder=folder, environ=environ, report=report)
