"""`kharness shell`."""

from __future__ import annotations

import secrets
import shlex
from dataclasses import replace

import click

from kharness.cli.handover import PROGRAM, hand_over, is_terminal
from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, select, tell
from kharness.ops.relaunch import live_image
from kharness.ops.shells import shell_of_image
from kharness.plan.dockerline import docker_words
from kharness.plan.launch import Subject, plan_production_launch
from kharness.plan.shell import plan_shell


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("--volumes", is_flag=True, help="With production's own volumes and devices, as production has them.")
@click.option("--user", "-u", help="Be that user; default: the one that production runs as.")
@click.option("--dry-run", is_flag=True, help="Print the docker command and start nothing.")
def command(name: str, *, volumes: bool, user: str | None, dry_run: bool) -> None:
    """Start the live image of NAME with a shell instead of its program.

    A container of its own, beside production: with its rights, variables and networks, without its name, ports,
    secrets, env_file and, unless they are asked for, volumes. It is removed when the shell ends.

    \b
    Examples:
      kharness shell filewatchdock
      kharness shell filewatchdock --user root --volumes
    """
    harness = open_here()
    directory = select(harness, name)
    image = live_image(harness, directory)
    settings = harness.settings(directory)
    subject = Subject(name=directory.name, settings=settings, image=image, built=settings.image is None)
    spec = plan_shell(
        subject,
        plan_production_launch(subject, volume_root=harness.volume_root),
        shell_of_image(harness, directory.name, image),
        name=f"{directory.name}-shell-{secrets.token_hex(3)}",
        volumes=volumes,
        user=user,
    )
    words = docker_words(replace(spec, tty=is_terminal()))
    if dry_run:
        click.echo(shlex.join((PROGRAM, *words)))
        return
    if volumes and subject.settings.volumes:
        tell(directory.name, "these are production's own volumes: what is written to them stays")
    hand_over(harness, words)
