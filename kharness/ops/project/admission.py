"""Register a project with its present configuration, and take over what was released before there were projects."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from kharness.errors import HostError, StateError
from kharness.host.project.projects import Registered, others, register
from kharness.settings.project import DEFAULT_PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable

    from kharness.engine.api import Engine
    from kharness.host.state.state import State
    from kharness.settings.catalog import Catalog
    from kharness.settings.host import HostSettings

OLD_REPOSITORY = DEFAULT_PROJECT
"""The repository of every project before there were projects, unless the host's configuration named another."""


def admit(
    project: Registered,
    *,
    engine: Engine,
    engine_key: str,
    state: State,
    host: HostSettings,
    catalog: Catalog,
    report: Callable[[str, str], None],
) -> Registered:
    """Register a project, and return what is known of it from now on.

    At a project's first time on an engine, releases of its names from before there were projects become its own, if
    their images are in its repository; that is reported. A user who may not write the state directory changes nothing.
    """
    if engine_key not in project.engines:
        project = (
            _take_over(
                replace(project, engines=(*project.engines, engine_key)),
                engine=engine,
                state=state,
                host=host,
                names={each.name for each in catalog.directories},
                report=report,
            )
            or project
        )
    current = replace(
        project,
        repository=project.repository_or(host.repository),
        dv=str(host.dv),
        source_paths=tuple(map(str, host.source_paths)),
    )
    with suppress(HostError):
        register(host.state_dir, current)
    return current


def _take_over(
    project: Registered,
    *,
    engine: Engine,
    state: State,
    host: HostSettings,
    names: set[str],
    report: Callable[[str, str], None],
) -> Registered | None:
    """Return the project with what it has taken over, None where the state cannot be read or written."""
    if not state.path.exists():
        return project
    repository = host.repository or project.inherited or OLD_REPOSITORY
    try:
        old = state.without_project()
        known = old.keys() & names
        tags = {tag: image.id for image in engine.images() for tag in image.tags} if known else {}
        taken = sorted(name for name in known if _has_image(tags, f"{repository}/{name}:", old[name]))
        if taken:
            # What was never released has nothing that another project could miss.
            state.take_over({*taken, *(names - old.keys())})
    except StateError:
        return None
    if taken:
        first = not any(other.first for other in others(host.state_dir, project.name))
        project = replace(project, inherited=repository, first=project.first or first)
        what = f"what was released before there were projects belongs to project {project.name!r} now"
        report("", f"{what}: {', '.join(taken)}")
    return project


def _has_image(tags: Mapping[str, str], beginning: str, images: frozenset[str]) -> bool:
    return any(tag.startswith(beginning) and image in images for tag, image in tags.items())
