"""`kharness service`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import click

from kharness.cli.opening import tell
from kharness.cli.project import project_of
from kharness.host.systemd import DIRECTORY, install_units, problems_of, remove_units, systemctl
from kharness.plan.units import ENABLED, units

KEPT = ("KHARNESS_", "KTOOLS_D_", "DOCKER_", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME")
"""What the units keep of the environment: where things are, not how one session was to be."""

where = click.option(
    "--to", type=click.Path(path_type=Path, file_okay=False), default=DIRECTORY, show_default=True, help="Their folder."
)

dry = click.option("--dry-run", is_flag=True, help="Only say what would be done.")


@click.group()
def command() -> None:
    """Let systemd recover releases and start containers.

    \b
    Examples:
      kharness service install
      kharness service remove
    """


@command.command()
@where
@dry
def install(to: Path, *, dry_run: bool) -> None:
    """Write the units for this directory and environment, check them, and enable them where systemd runs.

    \b
    Examples:
      kharness service install
      kharness service install --to /tmp/units
    """
    written = units(
        [sys.executable, "-m", "kharness"],
        directory=PurePosixPath(project_of(Path.cwd()) or Path.cwd()),
        environment=_kept(os.environ),
    )
    if dry_run:
        for name, text in written.items():
            click.echo(f"would write {to / name}:\n{text}")
        return
    install_units(written, directory=to)
    for name in written:
        click.echo(f"wrote {to / name}")
    for problem in problems_of([to / name for name in written]):
        tell("systemd", problem)
    if to == DIRECTORY and systemctl("daemon-reload") and systemctl("enable", *ENABLED):
        # Not waited for: a whole fleet may have to start.
        systemctl("start", "--no-block", *ENABLED)
        click.echo(f"enabled {', '.join(ENABLED)}")
    elif to == DIRECTORY:
        tell("", "systemd does not run here: the units are there, and nothing starts them")


@command.command()
@where
@dry
def remove(to: Path, *, dry_run: bool) -> None:
    """Disable and remove the units.

    \b
    Examples:
      kharness service remove
      kharness service remove --to /tmp/units
    """
    names = list(units([], directory=PurePosixPath("/"), environment={}))
    if dry_run:
        there = [to / name for name in names if (to / name).exists()]
        click.echo("\n".join(f"would remove {path}" for path in there) or "nothing to remove")
        return
    present = [name for name in ENABLED if (to / name).exists()]
    if to == DIRECTORY and present:
        systemctl("disable", "--now", *present)
    removed = remove_units(names, directory=to)
    if to == DIRECTORY and removed:
        systemctl("daemon-reload")
    for path in removed:
        click.echo(f"removed {path}")
    if not removed:
        click.echo("nothing to remove")


def _kept(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(KEPT)}
