"""Commands that become a pytest session over one container directory."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from kharness.cli.opening import host_here, select_in
from kharness.cli.project import project_of
from kharness.errors import HostError
from kharness.ops.pytests import session_of
from kharness.settings.catalog import find_containers

prod_ready_option = click.option("--prod-ready", is_flag=True, help="With copies of the real volumes.")
if_changed_option = click.option("--if-changed", is_flag=True, help="Unless exactly this passed before.")


def run_session(name: str, flags: Sequence[str], more: Sequence[str], *, dry_run: bool) -> None:
    """Test a directory as pytest does, or say how; no engine is asked before."""
    directory = select_in(find_containers(host_here().source_paths), name)
    line = session_of(directory, flags, project=project_of(Path.cwd()), more=more)
    if dry_run:
        click.echo(shlex.join(line))
        return
    _become(line)


def _become(line: Sequence[str]) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    # Python ignores it, and what is ignored stays so.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execv(line[0], list(line))  # noqa: S606 - our own interpreter, and without a shell
    except OSError as error:
        raise HostError(f"{line[0]}: cannot be run: {error.strerror}") from error
