"""Launch one container with flags for its settings, or a shell of its image beside production."""

from __future__ import annotations

import os
import secrets
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from kharness.cli.choice import Chosen, choose_one
from kharness.cli.dryrun import PRODUCTION, print_commands, print_development, print_launch, print_shell, refuse_laid
from kharness.cli.foreground import develop, stay
from kharness.cli.handover import client_command, hand_over, is_terminal
from kharness.cli.here import host_here, name_argument
from kharness.cli.laying import SettingsCommand, complete_keys, sources_of
from kharness.cli.output import tell
from kharness.errors import EngineUnavailableError, UsageError
from kharness.ops.harness import Harness
from kharness.ops.launch.up import run
from kharness.ops.project.targets import Targets
from kharness.ops.release.relaunch import live_image
from kharness.ops.session.debug import shell_of_image
from kharness.plan.facts import short_id
from kharness.plan.launch.docker_line import docker_commands
from kharness.plan.launch.origins import explain, refusals
from kharness.plan.launch.plan import Subject, plan_production_launch
from kharness.plan.session.debug import plan_shell
from kharness.plan.session.modes import Mode
from kharness.settings.catalog import ContainerDir, find_containers
from kharness.settings.layers import SettingsLayer
from kharness.settings.load import load_laid
from kharness.settings.model import Settings


def open_shell(
    harness: Harness, directory: ContainerDir, settings: Settings, *, volumes: bool, user: str | None, dry_run: bool
) -> None:
    """Become the docker client of a shell in the live image, or print its commands; raises `KharnessError`."""
    image = live_image(harness, directory)
    subject = Subject(name=directory.name, settings=settings, image=image, built=settings.image is None)
    spec = plan_shell(
        subject,
        plan_production_launch(subject, volume_root=harness.volume_root),
        shell_of_image(harness, directory.name, image),
        name=f"{directory.name}-shell-{secrets.token_hex(3)}",
        volumes=volumes,
        user=user,
    )
    spec = replace(spec, tty=is_terminal())
    commands = docker_commands(spec)
    if dry_run:
        print_commands(spec)
        return
    if volumes and subject.settings.volumes:
        tell(directory.name, "these are production's own volumes: what is written to them stays")
    if len(commands) == 1:
        hand_over(harness, commands[0])
    client_command(harness, ())
    with ExitStack() as undo:
        container = harness.engine.create(spec)
        undo.callback(harness.engine.remove, container, force=True)
        *_, (*start, _) = commands
        hand_over(harness, (*start, container))


@click.command("run", cls=SettingsCommand)
@name_argument
@click.option("--dry-run", is_flag=True, help="Print the docker command and launch nothing.")
@click.option(
    "--mode",
    type=click.Choice([PRODUCTION, Mode.STANDALONE.value, Mode.PROD_READY.value]),
    default=PRODUCTION,
    metavar="MODE",
    help="With --dry-run: production, standalone or prod-ready.",
)
@click.option("--untested", is_flag=True, help="Launch an image that was tagged :live by hand; recorded.")
@click.option("--foreground", "-f", is_flag=True, help="Show its output until it ends; ctrl-c stops it.")
@click.option("--development", "-D", is_flag=True, help="Run the newest build as an isolated instance, until ctrl-c.")
@click.option("--shell", "-S", is_flag=True, help="A shell instead of its program, beside production.")
@click.option(
    "--explain", "key", metavar="KEY", shell_complete=complete_keys, help="Print where a setting's value comes from."
)
@click.pass_context
def run_command(context: click.Context, /, name: str, **said: Any) -> None:
    """Launch NAME from :live, with flags for settings.

    The running container is replaced, and comes back if the new one does not become ready. Every setting has a flag,
    for this launch alone.

    \b
    Examples:
      kharness run filewatchdock --mem-limit 1g --dry-run
      kharness run -D filewatchdock --environment LOG=debug
    """
    asked = _Asked(**said)
    if reason := asked.refusal(name):
        raise UsageError(reason)
    above = sources_of(context, in_test=asked.in_test)
    if asked.key is not None:
        _explain(name, above, asked.key)
        return
    if asked.dry_run and not (asked.development or asked.shell):
        print_launch(name, mode=asked.mode, above=above)
        return
    if asked.shell and not asked.development and (reasons := refusals(above, development=False, with_shell=True)):
        raise UsageError("\n".join(reasons))
    chosen = _open(asked, name, above)
    if chosen is None:
        return
    refuse_laid(chosen.project, above)
    harness, directory = chosen.view, chosen.directory
    if asked.development:
        sys.exit(develop(harness, directory, above, shell=asked.shell, dry_run=asked.dry_run))
    elif asked.shell:
        settings = harness.settings(directory, above=above)
        open_shell(harness, directory, settings, volumes=False, user=None, dry_run=asked.dry_run)
    else:
        found = run(harness, directory, above=above, untested=asked.untested)
        click.echo(
            f"{chosen.called(directory.name) if chosen.project else found.name}: runs {short_id(found.image_id)}"
        )
        if asked.foreground:
            sys.exit(stay(harness, directory.name, found))


@dataclass(frozen=True, kw_only=True)
class _Asked:
    dry_run: bool
    mode: str
    foreground: bool
    development: bool
    shell: bool
    key: str | None
    untested: bool

    @property
    def in_test(self) -> bool:
        return self.development or self.mode != PRODUCTION

    @property
    def changes_production(self) -> bool:
        return not (self.dry_run or self.development or self.shell)

    def refusal(self, name: str) -> str:
        if self.mode != PRODUCTION and (self.development or self.shell):
            return "--mode: is not for -D and -S, which have modes of their own"
        if self.mode != PRODUCTION and not self.dry_run and self.key is None:
            return f"test instances belong to sessions: 'pytest containers/{name} --ready' launches one"
        return ""


def _open(asked: _Asked, name: str, above: tuple[SettingsLayer, ...]) -> Chosen[Harness] | None:
    # A dry run that needs an engine and finds none says what the settings tell.
    try:
        if asked.changes_production:
            return choose_one(name, act=True)
        return choose_one(name, start=not asked.dry_run)
    except EngineUnavailableError as error:
        if not asked.dry_run:
            raise
        if asked.development:
            print_development(name, error, above=above, shell=asked.shell)
        else:
            print_shell(name, error, above=above)
        return None


def _explain(name: str, above: tuple[SettingsLayer, ...], key: str) -> None:
    target = Targets(cwd=Path.cwd(), environ=os.environ).find(name, prefix=sys.stdin.isatty())
    if target.project is not None:
        raise UsageError(f"{name}: --explain is for container directories; 'docker compose config' prints its settings")
    host = host_here()
    directory = find_containers(host.source_paths).select(target.names[0], prefix=False)
    loaded = load_laid(directory.path, below=host.defaults, above=above)
    for line in explain(key, loaded.sources, name=directory.name, built=loaded.settings.image is None):
        click.echo(line)


@click.command("shell")
@name_argument
@click.option("--volumes", is_flag=True, help="With production's own volumes and devices, as production has them.")
@click.option("--user", "-u", help="Be that user; default: the one that production runs as.")
@click.option("--dry-run", is_flag=True, help="Print the docker command and start nothing.")
def shell_command(name: str, *, volumes: bool, user: str | None, dry_run: bool) -> None:
    """Open a shell in :live of NAME, beside production.

    In a new container: with production's rights, variables and networks, without its name, ports, secrets, env_file
    and, unless --volumes is given, volumes. It is removed when the shell ends.

    \b
    Examples:
      kharness shell filewatchdock
      kharness shell filewatchdock --user root --volumes
    """
    try:
        chosen = choose_one(name, start=not dry_run)
    except EngineUnavailableError as error:
        if not dry_run:
            raise
        print_shell(name, error, volumes=volumes, user=user)
        return
    harness, directory = chosen.view, chosen.directory
    open_shell(harness, directory, harness.settings(directory), volumes=volumes, user=user, dry_run=dry_run)
