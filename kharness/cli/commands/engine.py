"""`kharness engine`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from kharness.cli.opening import host_here, tell
from kharness.engine.connect import connect
from kharness.engine.start import install_command, install_engine
from kharness.errors import EngineUnavailableError
from kharness.ops.harness import can_start, open_engine


@click.group()
def command() -> None:
    """Find, start or install the container engine.

    \b
    Examples:
      kharness engine start
      kharness engine start --install
    """


@command.command()
@click.option("--install", is_flag=True, help="Install the engine from the distribution if there is none.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def start(*, install: bool, dry_run: bool) -> None:
    """Use the engine that answers, else start the installed one.

    \b
    Examples:
      kharness engine start
      kharness engine start --install
    """
    host = host_here()
    if dry_run:
        click.echo(_foreseen(host.engine, install=install))
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


def _foreseen(engine: str | None, *, install: bool) -> str:
    if _answers(engine):
        return "an engine answers: nothing would be done"
    if can_start():
        return "the installed engine would be started"
    words = install_command()
    if install and words is not None:
        return f"'{' '.join(words)}' would be run, and the engine started"
    return "no engine could be started: none is installed, or only root may"


def _answers(engine: str | None) -> bool:
    try:
        connect(host=engine, environ=os.environ, home=Path.home()).close()
    except EngineUnavailableError:
        return False
    return True
