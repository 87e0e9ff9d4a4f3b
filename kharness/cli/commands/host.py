"""The host, its engine, the project and its container directories."""

from __future__ import annotations

import json
import os
import socket
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kharness.cli.group import Summaries
from kharness.cli.here import host_here, open_here, project_here
from kharness.cli.output import dry_run_option, print_table, tell
from kharness.errors import EngineUnavailableError, SettingsError
from kharness.ops.project.targets import Targets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kharness.host.project.compose_folders import KnownProject
    from kharness.host.project.projects import Registered
    from kharness.plan.project import Described


SIGNS = {(True, False): ("ok", "green"), (True, True): ("--", "yellow"), (False, True): ("!!", "red")}
"""By whether a finding is good, and whether something mends it: what is not good always has that."""


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="For programs: what, said, good and mend of each finding.")
def doctor_command(*, as_json: bool) -> None:
    """Examine this host, and print how to mend it.

    Nothing is changed, and no engine is started. Exit status: 0 all is well (ok), or only worth a look (--); 1
    something needs mending (!!).

    \b
    Examples:
      kharness doctor
      KTOOLS_D_SRC_DIR=~/containers kharness doctor
    """
    from kharness.ops.host.doctor import examine_here
    from kharness.settings.project import project_of

    findings = examine_here(folder=project_of(Path.cwd()), environ=os.environ)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    width = max(len(finding.what) for finding in findings)
    for finding in () if as_json else findings:
        text, colour = SIGNS[finding.good, bool(finding.mend)]
        first, *rest = finding.said.splitlines() or [""]
        click.echo(f"{click.style(text, fg=colour)}  {finding.what:<{width}}  {first}")
        for line in rest:
            click.echo(f"    {'':<{width}}  {line.strip()}")
        if finding.mend:
            click.echo(f"    {'':<{width}}  mend: {finding.mend}")
    sys.exit(0 if all(finding.good for finding in findings) else 1)


@click.group("engine", cls=Summaries)
def engine_command() -> None:
    """Find, start or install the container engine.

    \b
    Examples:
      kharness engine start
      kharness engine start --install
    """


@engine_command.command()
@click.option("--install", is_flag=True, help="Install the engine from the distribution if there is none.")
@dry_run_option
def start(*, install: bool, dry_run: bool) -> None:
    """Use the engine that answers, else start the installed one.

    \b
    Examples:
      kharness engine start
      kharness engine start --install
    """
    from kharness.engine.connect import connect
    from kharness.engine.start import install_command, install_engine
    from kharness.ops.opening import can_start, open_engine

    host = host_here()
    if dry_run:
        click.echo(_start_plan(host.engine, install=install))
        return
    if not can_start() and not _answers(host.engine):
        words = install_command()
        if not install or words is None:
            # The error of the connection names the line that installs it.
            connect(host=host.engine, environ=os.environ, home=Path.home())
        tell("", f"no engine is installed: {' '.join(words or ())}")
        install_engine(progress=lambda line: tell("", line))
    engine = open_engine(host, environ=os.environ, report=tell)
    facts = engine.facts()
    click.echo(f"engine {facts.version} (API {facts.api_version}) answers at {facts.endpoint}")


def _start_plan(engine: str | None, *, install: bool) -> str:
    from kharness.engine.start import install_command
    from kharness.ops.opening import can_start

    if _answers(engine):
        return "an engine answers: nothing would be done"
    if can_start():
        return "the installed engine would be started"
    words = install_command()
    if install and words is not None:
        return f"'{' '.join(words)}' would be run, and the engine started"
    return "no engine could be started: none is installed, or only root may"


def _answers(engine: str | None) -> bool:

    from kharness.engine.connect import connect

    try:
        connect(host=engine, environ=os.environ, home=Path.home()).close()
    except EngineUnavailableError:
        return False
    return True


@click.command("project")
@click.option("--take", is_flag=True, help="Make this folder the project of its name, in place of another.")
@click.option("--dry-run", is_flag=True, help="With --take: only print what would be done.")
def project_command(*, take: bool, dry_run: bool) -> None:
    """Print which project this folder is.

    All containers, images and records belong to a project. Its name is '[tool.kharness] project' of pyproject.toml,
    that of a Compose file, or the folder's name. Two folders cannot have the same name: --take decides between them.

    \b
    Examples:
      kharness project
      kharness project --take
    """
    from kharness.host.project.projects import registered, take_name
    from kharness.settings.project import Project, project_of

    host = host_here()
    project, service = project_here(host), "NAME"
    compose = Targets(cwd=Path.cwd(), environ=os.environ).here
    if compose is not None and project_of(Path.cwd()) is None:
        project = Project(name=compose.name, path=compose.folder.path.resolve())
        service = f"{compose.name}-SERVICE"
    if not take:
        known = registered(host.state_dir, project)
        repository = known.repository_or(host.repository)
        if service != "NAME":
            from kharness.ops.harness import COMPOSE_REPOSITORY

            repository = host.repository or COMPOSE_REPOSITORY
        _print_project(known, f"{repository}/{service}", Path(host.dv))
    elif dry_run:
        click.echo(f"{project.path} would be project {project.name!r}")
    else:
        taken = take_name(host.state_dir, project)
        click.echo(f"{taken.path} is project {taken.name!r}")


def _print_project(known: Registered, images: str, volume_root: Path) -> None:
    click.echo(f"project      {known.name}")
    click.echo(f"folder       {known.path}")
    click.echo(f"images       {images}")
    click.echo(f"volume root  {volume_root}")


@click.command("list")
@click.option("--autostart", is_flag=True, help="Those that start with this host.")
@click.option("--waves", is_flag=True, help="The same, in the order of their waves.")
@click.option("--not-up", is_flag=True, help="Of those, what is not up, and why not; asks the engine.")
@click.option("--buildable", is_flag=True, help="Those with a Dockerfile.")
@click.option("--testable", is_flag=True, help="Those with tests, or 'expect:' in their settings.")
@click.option("--quiet", "-q", is_flag=True, help="Names alone, for scripts.")
@click.option("--json", "as_json", is_flag=True, help="For programs: everything.")
def list_command(
    *, autostart: bool, waves: bool, not_up: bool, buildable: bool, testable: bool, quiet: bool, as_json: bool
) -> None:
    """List container directories and services.

    All, or those that fit every option. Settings that cannot be read are reported on standard error, with exit status
    1.

    \b
    Examples:
      kharness list --waves
      kharness list --testable --quiet
    """
    from kharness.ops.project.listing import describe
    from kharness.report.project import DIRECTORIES, described_row, described_value
    from kharness.settings.catalog import find_containers

    configured = host_here()
    targets = Targets(cwd=Path.cwd(), environ=os.environ)
    described = describe(find_containers(configured.source_paths).directories, below=configured.defaults)
    found = (*described, *(each for project in targets.known for each in _services(targets, project)))
    if not found:
        click.echo("there is no container directory: no source path holds any", err=True)
    chosen = [each for each in found if (each.buildable or not buildable) and (each.testable or not testable)]
    if autostart or waves or not_up:
        host = socket.gethostname()
        chosen = [each for each in chosen if each.starts_on(host)]
    if waves:
        chosen.sort(key=lambda each: (each.wave or 0, each.name))
    reasons = _why_down(chosen) if not_up else {each.name: None for each in chosen}
    listed = [(each, reasons[each.name]) for each in chosen if each.name in reasons]
    if as_json:
        click.echo(json.dumps([described_value(each, why=why) for each, why in listed], indent=2))
    elif quiet:
        click.echo("".join(f"{each.name}\n" for each, _ in listed), nl=False)
    else:
        print_table(DIRECTORIES, (described_row(each, why=why or "") for each, why in listed))
    for each in found:
        if each.broken:
            click.echo(each.broken, err=True)
    if any(each.broken for each in found):
        sys.exit(1)


def _services(targets: Targets, project: KnownProject) -> Iterator[Described]:
    from kharness.ops.project.listing import describe_services
    from kharness.plan.project import Described

    try:
        compose = targets.compose(project)
    except SettingsError as error:
        yield Described(name=project.name, path=str(project.folder.path), project=project.name, broken=str(error))
        return
    yield from describe_services(compose, path=project.folder.path)


def _why_down(found: list[Described]) -> dict[str, str | None]:
    from kharness.cli.choice import everything, open_compose_project
    from kharness.ops.fleet.status import why_down

    names = {each.name for each in found}
    reasons = (
        (opened.called(directory.name), why_down(opened.view, directory.name))
        for opened in everything(open_here, open_compose_project).opened
        for directory in opened.view.catalog.directories
        if opened.called(directory.name) in names
    )
    return {name: why for name, why in reasons if why}


@click.command("schema")
@click.option("--result", is_flag=True, help="Of what 'pytest --kharness-json FILE' writes.")
def schema_command(*, result: bool) -> None:
    """Print the JSON schema of settings.yaml.

    Editors complete and check keys with it.

    \b
    Examples:
      kharness schema > settings.schema.json
      kharness schema --result | jq '.properties | keys'
    """
    from kharness.plan.gate.result import result_schema
    from kharness.settings.schema import json_schema

    click.echo(json.dumps(result_schema() if result else json_schema(), indent=2))
