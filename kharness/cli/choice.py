"""Choose containers by the names that a person types, and open the projects that they belong to, each once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import click

from kharness.cli.here import look_here, open_here, recovered
from kharness.cli.output import tell
from kharness.errors import KharnessError, SettingsError, UsageError, visible
from kharness.ops.project.targets import Target, Targets, needs_of, one_service
from kharness.ops.project.view import View
from kharness.settings.project import project_of

if TYPE_CHECKING:
    from kharness.host.project.compose_folders import KnownProject
    from kharness.ops.harness import Harness
    from kharness.settings.catalog import ContainerDir
    from kharness.settings.compose.project import ComposeProject

V_co = TypeVar("V_co", bound=View, covariant=True)
Gone = Callable[["Harness", str], bool]
"""Whether a project has something of a name that has no directory, or service, any more."""


@dataclass(frozen=True, kw_only=True)
class Opened(Generic[V_co]):
    """A project that was opened; `project` is None for the container directories of the current directory."""

    view: V_co
    project: KnownProject | None = None

    def called(self, name: str) -> str:
        """Return the name by which commands know a container from anywhere: `PROJECT/SERVICE`, or its directory's."""
        return f"{self.project.name}/{name}" if self.project else name

    def text(self, said: str) -> str:
        """Return a sentence that begins with a container's name as one that begins with what commands call it."""
        name, colon, rest = said.partition(":")
        return f"{self.called(name)}:{rest}" if colon and self.view.catalog.get(name) else said


@dataclass(frozen=True, kw_only=True)
class Chosen(Opened[V_co]):
    """What a person has named; `needs` are the services that each of a whole project depends on."""

    names: tuple[str, ...]
    whole: bool = False
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The only name."""
        (name,) = self.names
        return name

    @property
    def directories(self) -> tuple[ContainerDir, ...]:
        """The container directories, or services."""
        return tuple(self.view.catalog.select(name, prefix=False) for name in self.names)

    @property
    def directory(self) -> ContainerDir:
        """The only one."""
        return self.view.catalog.select(self.name, prefix=False)


def choose(
    text: str, *, act: bool = False, dry_run: bool = False, gone: Gone | None = None, start: bool = True
) -> Chosen[Harness]:
    """Open the project of what a text names.

    For a command that is to `act` on production, and is no `dry_run`, what an earlier one has left is first recovered.
    Where `gone` says that a project has something of a name, that name counts without a directory or service.
    """
    opener = partial(open_compose_project, start=start)
    found = _chosen(text, own=partial(open_here, start=start), compose=opener, gone=gone, bare=_open_bare)
    if act and not dry_run:
        recovered(found.view)
    return found


def choose_one(
    text: str, *, act: bool = False, dry_run: bool = False, gone: Gone | None = None, start: bool = True
) -> Chosen[Harness]:
    """Do the same for a command about one container; a whole project is a `UsageError` that lists its services."""
    found = choose(text, act=act, dry_run=dry_run, gone=gone, start=start)
    one_service(Target(found.project, found.names, found.whole), click.get_current_context().info_name or "")
    return found


def choose_look(text: str) -> Chosen[View]:
    """Open a light view of the project of what a text names, also of containers whose directory is gone."""
    return _chosen(text, own=look_here, compose=open_compose_project, gone=in_production, bare=_open_bare)


def in_production(view: View, name: str) -> bool:
    """Whether a project has a production container of a name, whose directory may be gone."""
    from kharness.ops.project.identity import productions  # noqa: PLC0415 - names are seldom lost

    return bool(productions(view, name))


def in_records(harness: Harness, name: str) -> bool:
    """Whether the ledger has something of a name."""
    return name in harness.state.names()


def _chosen(
    text: str,
    *,
    own: Callable[[], V_co],
    compose: Callable[[KnownProject], V_co],
    gone: Callable[[V_co, str], bool] | None,
    bare: Callable[[KnownProject], V_co],
) -> Chosen[V_co]:
    targets = Targets(cwd=Path.cwd(), environ=os.environ)
    opened: dict[str, V_co] = {}

    def view(project: KnownProject | None) -> V_co:
        key = str(project.folder.path) if project else ""
        if key not in opened:
            opened[key] = compose(project) if project else own()
        return opened[key]

    try:
        target = _target(targets, text, view=view, gone=gone)
    except SettingsError:
        if gone is not None and (unread := _unread(targets, text, bare=bare)) is not None:
            return unread
        raise
    project = target.project
    needs = needs_of(targets.compose(project)) if project and target.whole else {}
    return Chosen(view=view(project), project=project, names=target.names, whole=target.whole, needs=needs)


def _target(
    targets: Targets,
    text: str,
    *,
    view: Callable[[KnownProject | None], V_co],
    gone: Callable[[V_co, str], bool] | None,
) -> Target:
    try:
        return targets.find(text, prefix=False)
    except UsageError:
        # A container whose directory is gone goes before another one that its name is the beginning of.
        for project, name in _lost(targets, text) if gone else ():
            if gone is not None and gone(view(project), name):
                return Target(project, (name,))
        if not targets.known:
            # An engine that does not answer, and what is wrong with the configuration, go before the name.
            view(None)
        if not sys.stdin.isatty():
            raise
    return targets.find(text, prefix=True)


def _unread(targets: Targets, text: str, *, bare: Callable[[KnownProject], V_co]) -> Chosen[V_co] | None:
    # What runs can be looked at and stopped, even if the file that it was launched from is broken.
    from kharness.ops.project.identity import names_in_production  # noqa: PLC0415 - files are seldom broken

    project, slash, service = text.partition("/")
    for known in targets.known:
        service = service if slash else text if known is targets.here else ""
        if known.name == project or (known is targets.here and not slash):
            view = bare(known)
            running = names_in_production(view)
            if service in running:
                return Chosen(view=view, project=known, names=(service,))
            if known.name == project and not (slash and service) and running:
                return Chosen(view=view, project=known, names=tuple(sorted(running)), whole=True)
    return None


def _lost(targets: Targets, text: str) -> Iterator[tuple[KnownProject | None, str]]:
    project, slash, service = text.partition("/")
    if slash and service:
        yield from ((each, service) for each in targets.known if each.name == project)
    elif text and not slash:
        if targets.has_own:
            yield None, text
        if targets.here is not None:
            yield targets.here, text


def open_compose_project(project: KnownProject, *, start: bool = True) -> Harness:
    """Open a Compose project; progress goes to standard error, with the project's name."""
    from kharness.ops.opening import open_compose  # noqa: PLC0415 - most commands are about one kind of project
    from kharness.settings.host import load_host_settings  # noqa: PLC0415

    def report(who: str, what: str) -> None:
        indent = " " * what.startswith(" ")
        tell(f"{project.name}/{who}" if who else project.name, f"{indent}{what.strip()}")

    environ = project.environment(os.environ)
    host = load_host_settings(project=project_of(project.folder.path), environ=environ)
    if not start:
        host = host.model_copy(update={"start_engine": False})
    return open_compose(project.folder, environ=environ, report=report, host=host)


def _open_bare(project: KnownProject) -> Harness:
    """Open what is in production of a Compose project whose file cannot be read: it has no services."""
    from kharness.host.project.projects import registered  # noqa: PLC0415 - see above
    from kharness.ops.opening import harness_of, open_engine  # noqa: PLC0415
    from kharness.settings.catalog import Catalog  # noqa: PLC0415
    from kharness.settings.host import load_host_settings  # noqa: PLC0415
    from kharness.settings.project import Project  # noqa: PLC0415

    path = project.folder.path
    host = load_host_settings(project=project_of(path), environ=project.environment(os.environ))
    known = registered(host.state_dir, Project(name=project.name, path=path.resolve()))
    engine = open_engine(host, environ=os.environ, report=tell)
    return replace(harness_of(known, engine, host, folder=path, report=tell), catalog=Catalog((), ()))


@dataclass(frozen=True, kw_only=True)
class Everything(Generic[V_co]):
    """All projects that a command over many knows, and what is wrong with those that could not be opened."""

    opened: tuple[Opened[V_co], ...]
    broken: Mapping[str, KharnessError] = field(default_factory=dict)


def everything(own: Callable[[], V_co], compose: Callable[[KnownProject], V_co]) -> Everything[V_co]:
    """Open the container directories of the current directory, and all Compose projects.

    A Compose project that cannot be opened is returned as such. Raises what opening the container directories does, and
    `EngineUnavailableError`.
    """
    from kharness.errors import EngineUnavailableError  # noqa: PLC0415 - see above

    targets = Targets(cwd=Path.cwd(), environ=os.environ)
    found: list[Opened[V_co]] = [Opened(view=own())] if targets.has_own else []
    broken: dict[str, KharnessError] = {}
    for project in targets.known:
        try:
            found.append(Opened(view=compose(project), project=project))
        except EngineUnavailableError:
            raise
        except KharnessError as error:
            broken[project.name] = error
    return Everything(opened=tuple(found), broken=broken)


def each(
    chosen: Chosen[V_co],
    work: Callable[[str], None],
    *,
    held: bool = False,
    backwards: bool = False,
    atlast: Callable[[], None] = lambda: None,
) -> None:
    """Work on what was chosen, one after the other, and end the command where one fails: 1, or 2 for what was typed.

    With `held` a service waits for those that it depends on, and is held back where one fails; `backwards` turns the
    order round. `atlast` prints what is about all of them.
    """
    status, failed = 0, set[str]()
    for name in reversed(chosen.names) if backwards else chosen.names:
        lost = sorted(failed & set(chosen.needs.get(name, ()))) if held else ()
        if lost:
            click.echo(f"{chosen.called(name)}: held back: it needs {', '.join(lost)}, which failed", err=True)
            failed.add(name)
            continue
        try:
            work(name)
        except KharnessError as error:
            if chosen.project is None:
                raise
            click.echo(f"kharness: {visible(chosen.text(str(error)))}", err=True)
            misused = isinstance(error, (UsageError, SettingsError)) and not chosen.whole
            status = max(status, 2 if misused else 1)
            failed.add(name)
    atlast()
    if failed:
        sys.exit(status or 1)


def complete(incomplete: str) -> Iterator[str]:
    """Yield the names that begin with what was typed; none where configuration or files cannot be read."""
    with suppress(KharnessError, OSError):
        targets = Targets(cwd=Path.cwd(), environ=os.environ)
        yield from (found.name for found in targets.own.directories if found.name.startswith(incomplete))
        yield from _of_projects(targets, incomplete)


def _of_projects(targets: Targets, incomplete: str) -> Iterator[str]:
    project, slash, service = incomplete.partition("/")
    for known in targets.known:
        if slash and known.name == project:
            yield from (f"{project}/{name}" for name in _services(targets, known) if name.startswith(service))
        elif not slash and known.name.startswith(incomplete):
            yield known.name
        if not slash and known is targets.here:
            yield from (name for name in _services(targets, known) if name.startswith(incomplete))


def _services(targets: Targets, project: KnownProject) -> tuple[str, ...]:
    with suppress(SettingsError):
        found: ComposeProject = targets.compose(project)
        return tuple(sorted(found.services))
    return ()
