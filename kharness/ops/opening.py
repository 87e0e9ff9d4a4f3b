"""Open the harness of a project: its host's settings, an engine that answers, the state, where production runs."""

from __future__ import annotations

import os
import re
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from kharness.engine.api import Engine
from kharness.engine.connect import connect
from kharness.engine.start import start_local_engine
from kharness.errors import EngineUnavailableError, UsageError
from kharness.host.project.invoker import invoker_of
from kharness.host.project.projects import Registered, registered
from kharness.host.state.state import State
from kharness.ops.harness import Harness, Report, silent
from kharness.ops.project.admission import admit
from kharness.ops.release.engine_target import EngineTarget
from kharness.plan.facts import EngineFacts
from kharness.settings.catalog import find_containers, service_catalog
from kharness.settings.compose.folder import ComposeFolder
from kharness.settings.compose.load import load_compose
from kharness.settings.compose.project import ComposeProject
from kharness.settings.host import HostSettings, load_host_settings
from kharness.settings.project import Project, find_project, has_table, project_of

USUAL_ROOT = "/var/lib/docker"


def open_harness(
    *,
    folder: Path | None,
    environ: Mapping[str, str],
    report: Report = silent,
    engine: Engine | None = None,
    host: HostSettings | None = None,
) -> Harness:
    """Read the host's settings and connect; start the installed local engine where none answers.

    `folder` is where the project's `pyproject.toml` is, if it has one. Raises `SettingsError`,
    `EngineUnavailableError`, and `UsageError` where another folder has the project's name.
    """
    host = host or load_host_settings(project=folder, environ=environ)
    project = find_project(folder=folder, said=host.project, environ=environ, source_paths=host.source_paths)
    known = registered(host.state_dir, project)
    engine = engine or open_engine(host, environ=environ, report=report)
    harness = harness_of(known, engine, host, folder=folder, report=report)
    invoker = invoker_of(host, folder=folder, environ=environ)
    return _admitted(replace(harness, invoker=invoker))


def open_compose(
    folder: ComposeFolder,
    *,
    environ: Mapping[str, str],
    report: Report = silent,
    engine: Engine | None = None,
    host: HostSettings | None = None,
    compose: ComposeProject | None = None,
) -> Harness:
    """Read a Compose project and connect; its services are the harness's directories.

    `compose` is the project where it was read before. Raises as `open_harness`, and `SettingsError` with all that is
    wrong in its files.
    """
    host = host or load_host_settings(project=project_of(folder.path), environ=environ)
    compose = compose or load_compose(folder.path, environ=environ)
    _refuse_same_names(folder, compose, host, environ=environ)
    # Those are other projects'.
    host = host.model_copy(update={"source_paths": ()})
    project = registered(host.state_dir, Project(name=compose.name, path=folder.path.resolve()))
    engine = engine or open_engine(host, environ=environ, report=report)
    harness = harness_of(project, engine, host, folder=folder.path, report=report)
    harness = replace(harness, compose=compose, catalog=service_catalog(folder, compose.services))
    return _admitted(harness)


def _admitted(harness: Harness) -> Harness:
    current = admit(
        harness.project,
        engine=harness.engine,
        engine_key=_key(harness.engine.facts()),
        state=harness.state,
        host=harness.host,
        catalog=harness.catalog,
        report=harness.report,
    )
    return replace(harness, project=current)


def _refuse_same_names(
    folder: ComposeFolder, compose: ComposeProject, host: HostSettings, *, environ: Mapping[str, str]
) -> None:
    """Raise `UsageError` where a service and a container directory of the same folder are one to labels and ledger."""
    if not has_table(folder.path):
        return
    own = find_project(folder=folder.path, said=host.project, environ=environ, source_paths=host.source_paths)
    same = sorted(compose.services.keys() & {each.name for each in find_containers(host.source_paths).directories})
    if own.name == compose.name and same:
        raise UsageError(
            f"{folder.file}: services have the names of container directories of the same project "
            f"{own.name!r}: {', '.join(same)}; set another 'name' in it, or another [tool.kharness] project"
        )


def harness_of(
    project: Registered, engine: Engine, host: HostSettings, *, folder: Path | None, report: Report = silent
) -> Harness:
    """Return the harness of a project on an engine; nothing is read from the state, and nothing written."""
    state_dir = host.state_dir / "engines" / _key(engine.facts())
    return Harness(
        engine=engine,
        host=host,
        catalog=find_containers(host.source_paths),
        state_dir=state_dir,
        project=project,
        folder=folder,
        state=State(state_dir / "state.db", project=project.name),
        report=report,
        targets=EngineTarget,
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
