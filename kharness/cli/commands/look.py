"""Look at production: lists, addresses, ids. What these commands import stays light; see `ops.project.production`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from kharness.cli.here import complete_names, look_here, name_argument, open_here, select, select_name
from kharness.cli.output import print_table
from kharness.cli.running import main
from kharness.errors import EngineError
from kharness.ops.project.listing import images, production
from kharness.ops.project.production import must_run, present
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
    from kharness.errors import SettingsError
    from kharness.settings.model import Settings


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
    view, fleet, broken = _with_settings() if everything or as_json else (look_here(), {}, {})
    found = production(view, fleet, everything=everything)
    now = time.time()
    if as_json:
        click.echo(json.dumps([listed_value(each, now=now) for each in found], indent=2))
    elif everything:
        print_table(EVERYTHING, ((*listed_row(each, now=now), wave_text(each)) for each in found))
    else:
        print_table(PRODUCTION, (listed_row(each, now=now) for each in found))
    if not found and not as_json:
        click.echo("nothing of production is here", err=True)
    _print_notes(view, found)
    for error in broken.values():
        click.echo(str(error), err=True)


def _with_settings() -> tuple[View, Mapping[str, Settings], Mapping[str, SettingsError]]:
    harness = open_here()
    return harness, *harness.fleet()


def _print_notes(view: View, found: tuple[Listed, ...]) -> None:
    for each in found:
        if each.laid:
            click.echo(each.laid, err=True)
        if not each.known:
            click.echo(f"{each.name}: no source path has its container directory", err=True)
    for name, hint in hints_of(view, {each.name for each in found if not each.known}).items():
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
    view = look_here()
    found = must_run(view, select_name(view, name))
    if not found.addresses:
        raise EngineError(f"{found.name}: has no address of its own; it may be on the host's network, or on none")
    for _, address in sorted(found.addresses.items()):
        click.echo(address)


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
    found = production(look_here(), {})
    if as_json:
        value = {each.name: dict(each.facts.addresses) for each in found if each.facts and each.facts.up}
        click.echo(json.dumps(value, indent=2))
        return
    print_table(ADDRESSES, address_rows(found))


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
    view = look_here()
    click.echo(must_run(view, select_name(view, name)).pid)


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

    view = look_here()
    for interface in veths(view, must_run(view, select_name(view, name))):
        click.echo(interface)


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
    view = look_here()
    name = select_name(view, name)
    found = present(view, name)
    said = life_text(found, now=time.time()) if found else "has no container"
    click.echo(f"{name}: {said}")
    sys.exit(1 if found is None or why_not_up(found) else 0)


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
    view = look_here()
    found = images(view, (select(view, name),) if name else view.catalog.directories)
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found], indent=2))
        return
    print_table(IMAGES, map(image_row, found))
    if not found:
        click.echo(f"{name or 'none of the container directories'}: no image is here", err=True)


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
