"""Commands that are a pytest session over one container directory, and the options that they share with fleets."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from kharness.cli.here import host_here, name_argument
from kharness.cli.output import tell
from kharness.cli.streams import BY_SIGNAL
from kharness.host.machine.programs import supervise
from kharness.host.session.results import new_result, take_result
from kharness.ops.project.sessions import judge_project, project_flags
from kharness.ops.project.targets import Targets
from kharness.ops.session.pytests import release_flags, session_of
from kharness.plan.gate.result import judge
from kharness.plan.session.modes import LAUNCH, SHOWING, result_flags, session_flags
from kharness.settings.catalog import find_containers, service_catalog
from kharness.settings.compose.service import service_settings
from kharness.settings.project import project_of

ready_option = click.option("--ready", is_flag=True, help="Stand-alone, even if tests are for prod-ready alone.")
prod_ready_option = click.option("--prod-ready", is_flag=True, help="With copies of the real volumes.")
if_changed_option = click.option("--if-changed", is_flag=True, help="Unless exactly this passed before.")


def run_session(
    name: str, flags: Sequence[str], more: Sequence[str], *, dry_run: bool, mode_is_given: bool = True
) -> NoReturn:
    """Test a directory as pytest does, or say how; no engine is asked before.

    Unless the mode is given, a release is tested as `release_flags` says. The command ends with pytest's exit status,
    or with 1 where that is 0 and the session came to no verdict.
    """
    targets = Targets(cwd=Path.cwd(), environ=os.environ)
    project: Path | None
    target = targets.find(name, prefix=sys.stdin.isatty())
    if target.project is not None:
        compose = targets.compose(target.project)
        folder = target.project.folder
        directory = service_catalog(folder, compose.services).select(target.names[0], prefix=False)
        project = project_of(folder.path) or folder.path
        if not mode_is_given:
            flags = project_flags((service_settings(compose, each) for each in compose.services), flags)
        if not target.whole:
            tell(name, f"is tested with all of its project: pytest {folder.path}")
    else:
        host = host_here()
        directory = find_containers(host.source_paths).select(target.names[0], prefix=False)
        project = project_of(Path.cwd())
        if not mode_is_given:
            flags = release_flags(directory, flags, host=host)
    if dry_run:
        click.echo(shlex.join(session_of(directory, flags, project=project, more=more)))
        sys.exit(0)
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryDirectory(prefix="kharness-result-") as scratch:
        path = new_result(Path(scratch), directory.name)
        status = supervise(session_of(directory, (*flags, *result_flags(path)), project=project, more=more))
        result = take_result(path)
    if status < 0:
        sys.exit(BY_SIGNAL - status)
    if not SHOWING.isdisjoint(more):
        sys.exit(status)
    if target.project is not None:
        called, verdict = target.project.name, judge_project(status, result, launch=LAUNCH in flags)
    else:
        called, verdict = directory.name, judge(directory.name, status, result, launch=LAUNCH in flags)
    if verdict.status != status:
        click.echo(f"kharness: {called}: {verdict.text}", err=True)
    sys.exit(verdict.status)


@click.command("test", context_settings={"ignore_unknown_options": True})
@name_argument
@click.argument("more", nargs=-1, type=click.UNPROCESSED, metavar="[PYTEST ARGS]")
@ready_option
@prod_ready_option
@click.option("--in-prod", is_flag=True, help="What runs in production now; launch nothing.")
@if_changed_option
@click.option("--dry-run", is_flag=True, help="Only print the command line.")
def test_command(
    name: str, more: tuple[str, ...], *, ready: bool, prod_ready: bool, in_prod: bool, if_changed: bool, dry_run: bool
) -> None:
    """Build NAME and test an instance of it.

    This is 'pytest containers/NAME --ready', from any directory; the exit status is pytest's. A Compose project is
    tested whole, as 'pytest FOLDER', with copies of its data (--prod-ready) where a service has any. Other options go
    to pytest; put -- before those that this command would take.

    \b
    Examples:
      kharness test filewatchdock
      kharness test filewatchdock --prod-ready -x --keep-failed
    """
    flags = session_flags(prod_ready=prod_ready, in_prod=in_prod, if_changed=if_changed, ready=ready)
    # What is not launched is tested stand-alone, but for a project with data.
    run_session(name, flags, more, dry_run=dry_run, mode_is_given=ready or prod_ready or in_prod)


@click.command("upgrade", context_settings={"ignore_unknown_options": True})
@name_argument
@click.argument("more", nargs=-1, type=click.UNPROCESSED, metavar="[PYTEST ARGS]")
@ready_option
@prod_ready_option
@if_changed_option
@click.option("--dry-run", is_flag=True, help="Only print the command line.")
def upgrade_command(
    name: str, more: tuple[str, ...], *, ready: bool, prod_ready: bool, if_changed: bool, dry_run: bool
) -> None:
    """Build, test, launch and verify NAME.

    This is 'pytest containers/NAME --ready --launch', from any directory: NAME is promoted and launched if every test
    passed, verified in place, and rolled back if that fails. The mode is --prod-ready where tests are marked prod_ready
    alone and the volumes can be copied. The exit status is pytest's, and 0 only if NAME was released. A Compose project
    is refused.

    \b
    Examples:
      kharness upgrade filewatchdock
      kharness upgrade filewatchdock --prod-ready
    """
    flags = session_flags(prod_ready=prod_ready, if_changed=if_changed, launch=True, ready=ready)
    run_session(name, flags, more, dry_run=dry_run, mode_is_given=ready or prod_ready)
