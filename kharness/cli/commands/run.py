"""`kharness run`."""

from __future__ import annotations

from pathlib import PurePosixPath

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, open_to_act, select
from kharness.errors import UsageError
from kharness.ops.harness import Harness
from kharness.ops.relaunch import relaunch
from kharness.ops.subject import instance_subject, production_subject
from kharness.plan.dockerline import docker_line
from kharness.plan.facts import short_id
from kharness.plan.launch import LaunchPlan, TestPlace, plan_production_launch, plan_test_launch
from kharness.plan.modes import Mode
from kharness.plan.mounts import Scratch
from kharness.settings.catalog import ContainerDir

PRODUCTION = "production"


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("--dry-run", is_flag=True, help="Print the equivalent docker command and launch nothing.")
@click.option(
    "--mode",
    type=click.Choice([PRODUCTION, Mode.STANDALONE.value, Mode.PROD_READY.value]),
    default=PRODUCTION,
    show_default=True,
    help="With --dry-run: as what it would be launched.",
)
def command(name: str, *, dry_run: bool, mode: str) -> None:
    """Launch the production instance of container NAME from :live.

    What runs under the name now is replaced, and comes back if the new one does not become ready.

    \b
    Examples:
      kharness run filewatchdock --dry-run
      kharness run filewatchdock --dry-run --mode prod-ready
    """
    if mode != PRODUCTION and not dry_run:
        raise UsageError(f"test instances belong to sessions: 'pytest containers/{name} --ready' launches one")
    harness = open_here() if dry_run else open_to_act()
    directory = select(harness, name)
    if not dry_run:
        found = relaunch(harness, directory)
        click.echo(f"{found.name}: runs {short_id(found.image_id)}")
        return
    plan, secret = _plan(harness, directory, mode)
    click.echo(docker_line(plan.spec, hide=secret))


def _plan(harness: Harness, directory: ContainerDir, mode: str) -> tuple[LaunchPlan, frozenset[str]]:
    settings = harness.settings(directory)
    tags = harness.tags(directory.name)
    ref = tags.live if mode == PRODUCTION else tags.latest
    image = harness.engine.image(ref) or harness.engine.image(tags.latest)
    if image is None:
        raise UsageError(f"{directory.name}: there is no {ref} yet; 'kharness build {directory.name}' makes an image")
    if mode == PRODUCTION:
        subject = production_subject(harness, directory, settings, image)
        return plan_production_launch(subject, volume_root=harness.volume_root), frozenset(subject.env)
    subject = instance_subject(directory, settings, image)
    place = TestPlace(
        name=f"test-{directory.name}-SESSION",
        network="kharness-SESSION",
        scratch=Scratch(directory=PurePosixPath("SCRATCH"), prefix="SCRATCH"),
        labels={},
    )
    plan = plan_test_launch(subject, mode=Mode(mode), place=place, volume_root=harness.volume_root)
    return plan, frozenset(subject.env)
