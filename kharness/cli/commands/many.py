"""Commands over many containers, wave by wave."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from kharness.cli.choice import everything, open_compose_project
from kharness.cli.commands.session import if_changed_option, prod_ready_option, ready_option
from kharness.cli.fleet import GroupOptions, group_options, keep_going_option, run_group
from kharness.cli.here import open_here
from kharness.cli.output import show
from kharness.errors import UsageError
from kharness.plan.session.modes import session_flags

if TYPE_CHECKING:
    from kharness.errors import KharnessError
    from kharness.plan.fleet.course import JobResult
    from kharness.plan.fleet.status import Checked, Other


@click.command("up-all")
@keep_going_option
@group_options
def up_all_command(*, keep_going: bool, shared: GroupOptions) -> None:
    """Launch all autostart containers, wave by wave.

    Those with an `autostart` for this host, from :live. A wave begins when the wave before is up and healthy; a
    container that does not become so holds back the later waves.

    \b
    Examples:
      kharness up-all
      kharness up-all --keep-going --parallel 8
    """
    from kharness.ops.fleet.members import Options

    run_group("up-all", shared, Options(keep_going=keep_going))


@click.command("down-all")
@click.option("--everything", "-e", is_flag=True, help="All of production that runs, too.")
@group_options
def down_all_command(*, everything: bool, shared: GroupOptions) -> None:
    """Stop all autostart containers, last wave first.

    Those with an `autostart` for this host; they stay stopped. A container that cannot be stopped holds back no other.

    \b
    Examples:
      kharness down-all
      kharness down-all --everything --dry-run
    """
    from kharness.ops.fleet.members import Options

    run_group("down-all", shared, Options(everything=everything))


@click.command("restart-all")
@keep_going_option
@group_options
def restart_all_command(*, keep_going: bool, shared: GroupOptions) -> None:
    """Restart all autostart containers.

    Those with an `autostart` for this host, as 'kharness restart' does. A wave begins when the wave before is ready
    again; a container that does not become ready holds back the later waves.

    \b
    Examples:
      kharness restart-all
      kharness restart-all --dry-run
    """
    from kharness.ops.fleet.members import Options

    run_group("restart-all", shared, Options(keep_going=keep_going))


@click.command("build-all")
@click.option("--rebuild", is_flag=True, help="Build even if nothing changed, and renew what is pulled.")
@group_options
def build_all_command(*, rebuild: bool, shared: GroupOptions) -> None:
    """Build all images as :latest.

    What did not change is not built. Bases are built first; images on a base that failed are held back.

    \b
    Examples:
      kharness build-all
      kharness build-all --rebuild --parallel 2
    """
    from kharness.ops.fleet.members import Options

    run_group("build-all", shared, Options(rebuild=rebuild), acts=False)


@click.command("test-all")
@ready_option
@prod_ready_option
@click.option("--in-prod", is_flag=True, help="What runs in production now; launch nothing.")
@if_changed_option
@group_options
def test_all_command(*, ready: bool, prod_ready: bool, in_prod: bool, if_changed: bool, shared: GroupOptions) -> None:
    """Test all containers, each in its own session.

    A Compose project is one session, with copies of the data where a service has any. Bases are tested first;
    containers on a base that failed are held back.

    \b
    Examples:
      kharness test-all --if-changed
      kharness test-all --in-prod --json
    """
    from kharness.ops.fleet.members import Options

    flags = session_flags(prod_ready=prod_ready, in_prod=in_prod, if_changed=if_changed, ready=ready)
    options = Options(flags=flags, mode_is_given=ready or prod_ready or in_prod)
    run_group("test-all", shared, options, acts=False)


@click.command("upgrade-all")
@ready_option
@prod_ready_option
@if_changed_option
@keep_going_option
@group_options
def upgrade_all_command(
    *, ready: bool, prod_ready: bool, if_changed: bool, keep_going: bool, shared: GroupOptions
) -> None:
    """Upgrade all containers that are in use.

    Each as 'kharness upgrade' does: those that have a :live image or start with this host, bases first, then wave by
    wave. A failure holds back the later waves.

    \b
    Examples:
      kharness upgrade-all --dry-run
      kharness upgrade-all --prod-ready --keep-going
    """
    from kharness.ops.fleet.members import Options

    flags = session_flags(prod_ready=prod_ready, if_changed=if_changed, launch=True, ready=ready)
    options = Options(flags=flags, keep_going=keep_going, mode_is_given=ready or prod_ready)
    run_group("upgrade-all", shared, options)


@click.command("run-in-all", context_settings={"allow_interspersed_args": False})
@click.argument("words", nargs=-1, required=True, metavar="CMD...")
@click.option("--user", "-u", help="Run it as that user; default: the container's.")
@group_options
def run_in_all_command(words: tuple[str, ...], *, user: str | None, shared: GroupOptions) -> None:
    """Run a command in all running containers.

    The output of CMD is shown below the name of each container. Exit status 1: CMD failed in one of them, or took
    longer than a minute (--timeout); then it goes on in there.

    \b
    Examples:
      kharness run-in-all cat /etc/os-release
      kharness ria --json -- sh -c 'ls /tmp | wc -l'
    """
    from kharness.ops.fleet.members import Options

    if words[0] == "--":
        words = words[1:]
    if not words:
        raise UsageError("run-in-all: should be told a command")
    run_group("run-in-all", shared, Options(words=words, user=user), acts=False, before=_show_output, summary=False)


def _show_output(result: JobResult) -> None:
    click.secho(f"==> {result.name} <==", bold=True)
    for stream, error in (("stdout", False), ("stderr", True)):
        if text := str(result.data.get(stream, "")):
            click.echo(text, nl=not text.endswith("\n"), err=error)


@click.command("check-all-up")
@click.option("--json", "as_json", is_flag=True, help="For programs: what is not up, and why.")
def check_all_up_command(*, as_json: bool) -> None:
    """Check that all autostart containers are up.

    Each container with an `autostart` for this host must run :live as it was launched, be healthy, and have what it
    depends on. Containers that 'kharness down' stopped are named. Exit status: 0 'all ok'; 1 a container is not up, its
    settings cannot be read, or no container starts with this host.

    \b
    Examples:
      kharness check-all-up
      kharness check-all-up || mail -s 'containers' root </dev/null
    """
    from kharness.ops.fleet.status import check_all_up, others
    from kharness.ops.project.identity import is_used
    from kharness.report.fleet import checked_lines

    known = everything(open_here, open_compose_project)
    broken: dict[str, KharnessError] = dict(known.broken)
    checked: list[Checked] = []
    more: list[Other] = []
    for opened in known.opened:
        if not is_used(opened.view):
            continue
        fleet, unread = opened.view.fleet()
        broken |= {opened.called(name): error for name, error in unread.items()}
        checked += [replace(found, name=opened.called(found.name)) for found in check_all_up(opened.view, fleet)]
        more += [replace(found, name=opened.called(found.name)) for found in others(opened.view, fleet)]
    # Where nothing starts with the host, nothing was looked at, and that is no good news.
    blind = not checked and bool(more)
    wrong = [(found.name, reason) for found in checked for reason in found.reasons]
    if as_json:
        value = {"ok": not (wrong or broken or blind), "containers": [asdict(found) for found in checked]}
        value["others"] = [asdict(found) for found in more]
        click.echo(json.dumps({**value, "settings": [str(error) for error in broken.values()]}, indent=2))
        sys.exit(1 if wrong or broken or blind else 0)
    for name, reason in wrong:
        click.secho(f"{name}: {reason}", fg="red")
    for error in broken.values():
        click.secho(str(error), fg="red")
    show(checked_lines(checked, more))
    if not (wrong or broken or blind):
        click.secho("all ok", fg="green")
    sys.exit(1 if wrong or broken or blind else 0)
