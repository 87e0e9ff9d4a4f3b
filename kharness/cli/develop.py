"""Have a development instance in the foreground, until it ends or is ended."""

from __future__ import annotations

import shlex
import signal
import subprocess
from contextlib import suppress

import click

from kharness.cli.handover import PROGRAM, client_command, is_terminal
from kharness.cli.opening import tell
from kharness.cli.statuses import INTERRUPTED
from kharness.engine.api import Engine
from kharness.ops.develop import Development, development, plan_line
from kharness.ops.harness import Harness
from kharness.plan.dockerline import docker_words
from kharness.settings.catalog import ContainerDir
from kharness.settings.laid import Source

PATIENCE = 1.0
"""Seconds after which a container that was stopped and whose client goes on is stopped again."""
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def develop(harness: Harness, directory: ContainerDir, above: tuple[Source, ...], *, shell: bool, dry_run: bool) -> int:
    """Launch a development instance, show it until it ends, and remove it; returns its exit status.

    Ctrl-c, SIGTERM and a terminal that is closed stop it in order; ctrl-c again kills it.
    """
    if dry_run:
        spec = plan_line(harness, directory, above=above, shell=shell, tty=is_terminal())
        click.echo(shlex.join((PROGRAM, *docker_words(spec))))
        return 0
    for number in ENDING[1:]:
        signal.signal(number, signal.default_int_handler)
    try:
        with development(harness, directory, above=above, shell=shell, tty=is_terminal()) as instance:
            try:
                return _attached(instance, watch=not shell)
            finally:
                # What is left to do is to remove it, and takes no wish for less.
                for number in ENDING:
                    signal.signal(number, signal.SIG_IGN)
    except KeyboardInterrupt:
        return INTERRUPTED


def _attached(instance: Development, *, watch: bool) -> int:
    engine, container = instance.harness.engine, instance.created.id
    interactive = instance.spec.stdin and (is_terminal() or not instance.spec.tty)
    words = ("start", "--attach", *(("--interactive",) if interactive else ()), container)
    own = interactive and instance.spec.tty
    tell(instance.spec.name, "it goes when its program on this terminal ends" if own else "ctrl-c stops it")
    with subprocess.Popen(  # noqa: S603 - as found, and without a shell
        client_command(instance.harness, words),
        stdin=None if interactive else subprocess.DEVNULL,
        # Else a ctrl-c would end what shows the container's last words.
        process_group=None if interactive else 0,
    ) as client:
        try:
            instance.started(lambda: client.poll() is None)
            if watch:
                instance.watch()
            client.wait()
        except KeyboardInterrupt:
            tell(instance.spec.name, "stopping; ctrl-c kills it")
            _stop(engine, container, client)
    found = engine.container(container)
    return found.exit_code if found is not None and found.state == "exited" else client.returncode


def _stop(engine: Engine, container: str, client: subprocess.Popen[bytes]) -> None:
    try:
        engine.stop(container)
    except KeyboardInterrupt:
        engine.kill(container, signal="KILL")
    while client.poll() is None:
        # It may have been about to start.
        with suppress(subprocess.TimeoutExpired):
            client.wait(PATIENCE)
            return
        engine.stop(container)
