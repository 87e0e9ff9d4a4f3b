"""`kharness service`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

import click

from kharness.cli.group import Summaries
from kharness.cli.here import host_here, project_here
from kharness.cli.output import dry_run_option, tell
from kharness.host.machine.systemd import DIRECTORY, install_units, problems_of, remove_units, systemctl
from kharness.plan.host import Names, units
from kharness.settings.project import project_of

KEPT = ("KHARNESS_", "KTOOLS_D_", "DOCKER_", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME")
"""What the units keep of the environment: where things are, not how one session was to be."""

where = click.option(
    "--to", type=click.Path(path_type=Path, file_okay=False), default=DIRECTORY, show_default=True, help="Their folder."
)


@click.group("service", cls=Summaries)
def service_command() -> None:
    """Let systemd recover and start containers.

    \b
    Examples:
      kharness service install
      kharness service remove
    """


@service_command.command()
@where
@dry_run_option
def install(to: Path, *, dry_run: bool) -> None:
    """Write the units of this project, and enable them.

    They keep this directory and environment. Without systemd they are only written.

    \b
    Examples:
      kharness service install
      kharness service install --to /tmp/units
    """
    project = _project()
    written = units(
        [sys.executable, "-m", "kharness"],
        project=project,
        directory=_directory(),
        environment=_kept(os.environ),
    )
    if dry_run:
        for name, text in written.items():
            click.echo(f"would write {to / name}:\n{text}")
        return
    _remove(_former(to), to=to)
    install_units(written, directory=to)
    for name in written:
        click.echo(f"wrote {to / name}")
    for problem in problems_of([to / name for name in written]):
        tell("systemd", problem)
    enabled = Names(project).enabled
    if to == DIRECTORY and systemctl("daemon-reload") and systemctl("enable", *enabled):
        # Not waited for: a whole fleet may have to start.
        systemctl("start", "--no-block", *enabled)
        click.echo(f"enabled {', '.join(enabled)}")
    elif to == DIRECTORY:
        tell("", "systemd does not run here: the units are there, and nothing starts them")


@service_command.command()
@where
@dry_run_option
def remove(to: Path, *, dry_run: bool) -> None:
    """Disable and remove the units.

    \b
    Examples:
      kharness service remove
      kharness service remove --to /tmp/units
    """
    names = [*Names(_project()).every, *_former(to)]
    if dry_run:
        there = [to / name for name in names if (to / name).exists()]
        click.echo("\n".join(f"would remove {path}" for path in there) or "nothing to remove")
        return
    if not _remove(names, to=to):
        click.echo("nothing to remove")


def _remove(names: Sequence[str], *, to: Path) -> bool:
    started = {*Names(_project()).enabled, *Names().enabled}
    present = [name for name in names if name in started and (to / name).exists()]
    if to == DIRECTORY and present:
        systemctl("disable", "--now", *present)
    removed = remove_units(names, directory=to)
    if to == DIRECTORY and removed:
        systemctl("daemon-reload")
    for path in removed:
        click.echo(f"removed {path}")
    return bool(removed)


def _former(to: Path) -> tuple[str, ...]:
    # Units from before there were projects have no name of one; they are this project's if they work in its folder.
    where = f"WorkingDirectory={_directory()}"
    with suppress(OSError):
        if where in (to / Names().up).read_text(encoding="utf-8").splitlines():
            return Names().every
    return ()


def _directory() -> PurePosixPath:
    return PurePosixPath(project_of(Path.cwd()) or Path.cwd())


def _project() -> str:
    return project_here(host_here()).name


def _kept(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(KEPT)}
