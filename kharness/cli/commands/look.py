"""Look at production: lists, addresses, ids. What these commands import stays light; see `ops.project.production`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING

import click

from kharness.cli.choice import choose_look, each, open_compose_project
from kharness.cli.choice import everything as all_projects
from kharness.cli.here import complete_names, look_here, name_argument, open_here
from kharness.cli.output import print_table
from kharness.cli.running import main
from kharness.errors import EngineError
from kharness.ops.project.listing import images, production
from kharness.ops.project.production import called, must_run, present
from kharness.ops.project.unfinished import hints_of
from kharness.ops.project.view import View
from kharness.plan.launch.life import why_not_up
from kharness.plan.project import Listed
from kharness.report.project import (
    ADDRESSES,
    EVERYTHING,
    IMAGES,
    PRODUCTION,
    address_rows,
    image_row,
    life_text,
    listed_row,
    listed_value,
    wave_text,
)

if TYPE_CHECKING:
    from kharness.errors import KharnessError, SettingsError
    from kharness.plan.project import ListedImage
    from kharness.settings.model import Settings

NO_DIRECTORY = "no source path has its container directory"


@click.command("ps")
@click.option("--all", "-a", "everything", is_flag=True, help="Container directories without a container, too.")
@click.option("--json", "as_json", is_flag=True, help="For programs: everything, times in seconds.")
def ps_command(*, everything: bool, as_json: bool) -> None:
    """List production containers, stopped ones too.

    Directories that another one shadows and, with --all or --json, settings that cannot be read, are reported on
    standard error, and do not change the exit status.

    \b
    Examples:
      kharness ps
      kharness ps --all --json
    """
    whole = everything or as_json
    known = all_projects(open_here if whole else look_here, open_compose_project)
    now = time.time()
    found: list[Listed] = []
    notes: list[Callable[[], None]] = []
    broken: list[KharnessError] = [*known.broken.values()]
    for opened in known.opened:
        fleet, unread = _settings(opened.view) if whole else ({}, {})
        lines = production(opened.view, fleet, everything=everything)
        found += [replace(line, name=opened.called(line.name)) for line in lines]
        notes.append(partial(_print_notes, opened.view, lines))
        broken += unread.values()
    if as_json:
        click.echo(json.dumps([listed_value(line, now=now) for line in found], indent=2))
    elif everything:
        print_table(EVERYTHING, ((*listed_row(line, now=now), wave_text(line)) for line in found))
    else:
        print_table(PRODUCTION, (listed_row(line, now=now) for line in found))
    if not found and not as_json:
        click.echo("nothing of production is here", err=True)
    for note in notes:
        note()
    for error in broken:
        click.echo(str(error), err=True)


def _settings(view: View) -> tuple[Mapping[str, Settings], Mapping[str, SettingsError]]:
    from kharness.ops.harness import Harness

    return view.fleet() if isinstance(view, Harness) else ({}, {})


def _print_notes(view: View, found: tuple[Listed, ...]) -> None:
    for line in found:
        if line.laid:
            click.echo(line.laid, err=True)
        if not line.known:
            where = f"{view.catalog.folder} has no such service" if view.catalog.folder else NO_DIRECTORY
            click.echo(f"{called(view, line.name)}: {where}", err=True)
    for name, hint in hints_of(view, {line.name for line in found if not line.known}).items():
        click.echo(f"{name}: {hint}", err=True)
    for shadowed in view.catalog.shadowed:
        first = view.catalog.get(shadowed.name)
        click.echo(f"{shadowed.path}: is shadowed by {first.path if first else shadowed.name}", err=True)


@click.command("ip")
@name_argument
def ip_command(name: str) -> None:
    """Print the addresses of NAME.

    One a line; 'kharness ips' shows which network each is on. Exit status 1: NAME does not run, or has no address of
    its own.

    \b
    Examples:
      kharness ip filewatchdock
      ping "$(kharness ip filewatchdock)"
    """
    chosen = choose_look(name)

    def tell(name: str) -> None:
        found = must_run(chosen.view, name)
        if not found.addresses:
            raise EngineError(f"{found.name}: has no address of its own; it may be on the host's network, or on none")
        for _, address in sorted(found.addresses.items()):
            click.echo(f"{chosen.called(name)} {address}" if chosen.whole else address)

    each(chosen, tell)


@click.command("ips")
@click.option("--json", "as_json", is_flag=True, help="For programs: names with their networks and addresses.")
def ips_command(*, as_json: bool) -> None:
    """List the addresses of all containers.

    One line for each network that a container is on.

    \b
    Examples:
      kharness ips
      kharness ips --json
    """
    known = all_projects(look_here, open_compose_project)
    found = [
        replace(line, name=opened.called(line.name)) for opened in known.opened for line in production(opened.view, {})
    ]
    if as_json:
        value = {line.name: dict(line.facts.addresses) for line in found if line.facts and line.facts.up}
        click.echo(json.dumps(value, indent=2))
    else:
        print_table(ADDRESSES, address_rows(found))
    for error in known.broken.values():
        click.echo(str(error), err=True)


@click.command("pid")
@name_argument
def pid_command(name: str) -> None:
    """Print the process id of NAME on its host.

    Of its first process, as the engine's host sees it. Exit status 1: NAME does not run.

    \b
    Examples:
      kharness pid filewatchdock
      nsenter --net --target "$(kharness pid filewatchdock)" ss -tln
    """
    chosen = choose_look(name)

    def tell(name: str) -> None:
        pid = must_run(chosen.view, name).pid
        click.echo(f"{chosen.called(name)} {pid}" if chosen.whole else pid)

    each(chosen, tell)


@click.command("veth")
@name_argument
def veth_command(name: str) -> None:
    """Print the host's interfaces that lead to NAME.

    One a line. Nothing is run in the container. Exit status 1: NAME does not run, has no interface of its own, or the
    interface cannot be seen, which takes root on the engine's host.

    \b
    Examples:
      kharness veth filewatchdock
      tcpdump -n -i "$(kharness veth filewatchdock)"
    """
    from kharness.ops.host.ports import veths

    chosen = choose_look(name)

    def tell(name: str) -> None:
        for interface in veths(chosen.view, must_run(chosen.view, name)):
            click.echo(f"{chosen.called(name)} {interface}" if chosen.whole else interface)

    each(chosen, tell)


@click.command("is-up")
@name_argument
def is_up_command(name: str) -> None:
    """Check whether NAME is up.

    It is up if it runs and its health check, if it has one, does not fail. Exit status: 0 it is up, 1 it is not.

    \b
    Examples:
      kharness is-up filewatchdock
      kharness is-up filewatchdock >/dev/null || echo it is down
    """
    chosen = choose_look(name)
    bad = False
    for one in chosen.names:
        found = present(chosen.view, one)
        said = life_text(found, now=time.time()) if found else "has no container"
        click.echo(f"{chosen.called(one)}: {said}")
        bad |= found is None or bool(why_not_up(found))
    sys.exit(1 if bad else 0)


@click.command("images")
@click.argument("name", required=False, shell_complete=complete_names)
@click.option("--json", "as_json", is_flag=True, help="For programs: whole ids, sizes in bytes.")
def images_command(name: str | None, *, as_json: bool) -> None:
    """List the images of NAME, or of all.

    The last build, the live image, the one before, and those of earlier releases; and which of them runs.

    \b
    Examples:
      kharness images filewatchdock
      kharness images --json
    """
    found: list[ListedImage] = []
    broken: Mapping[str, KharnessError] = {}
    if name is not None:
        chosen = choose_look(name)
        directories = tuple(filter(None, map(chosen.view.catalog.get, chosen.names)))
        found = [replace(line, name=chosen.called(line.name)) for line in images(chosen.view, directories)]
    else:
        known = all_projects(look_here, open_compose_project)
        broken = known.broken
        for opened in known.opened:
            lines = images(opened.view, opened.view.catalog.directories)
            found += [replace(line, name=opened.called(line.name)) for line in lines]
    if as_json:
        click.echo(json.dumps([asdict(line) for line in found], indent=2))
        return
    print_table(IMAGES, map(image_row, found))
    if not found:
        click.echo(f"{name or 'none of the container directories'}: no image is here", err=True)
    for error in broken.values():
        click.echo(str(error), err=True)


@click.command("map")
def map_command() -> None:
    """Print ids and names of running containers.

    It takes no arguments and reads no configuration, so that sudoers may allow it: under sudo it asks only the default
    socket of the engine, and ignores the environment.

    \b
    Examples:
      kharness map
      sudo kharness map
    """
    sys.exit(main([]))
