"""Open a shell in a container of its own, beside production."""

from __future__ import annotations

import secrets
import shlex
from dataclasses import replace

import click

from kharness.cli.handover import PROGRAM, hand_over, is_terminal
from kharness.cli.opening import tell
from kharness.ops.harness import Harness
from kharness.ops.relaunch import live_image
from kharness.ops.shells import shell_of_image
from kharness.plan.dockerline import docker_words
from kharness.plan.launch import Subject, plan_production_launch
from kharness.plan.shell import plan_shell
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import Settings


def open_shell(
    harness: Harness, directory: ContainerDir, settings: Settings, *, volumes: bool, user: str | None, dry_run: bool
) -> None:
    """Become the docker client that starts the live image with a shell, or print its line; raises `KharnessError`."""
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
    words = docker_words(replace(spec, tty=is_terminal()))
    if dry_run:
        click.echo(shlex.join((PROGRAM, *words)))
        return
    if volumes and subject.settings.volumes:
        tell(directory.name, "these are production's own volumes: what is written to them stays")
    hand_over(harness, words)
