"""`kharness promote`."""

from __future__ import annotations

import click

from kharness.cli.names import complete_names
from kharness.cli.opening import open_here, open_to_act, select
from kharness.errors import RefusedError, UsageError
from kharness.host.commit import commit_of
from kharness.ops.inputs import doubts
from kharness.ops.release import promote
from kharness.plan.facts import short_id
from kharness.plan.operation import Evidence


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("--untested", is_flag=True, help="Promote an image that passed no session. It is recorded as such.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def command(name: str, *, untested: bool, dry_run: bool) -> None:
    """Let :live of NAME be what :latest is, if a session passed.

    The session must have passed with exactly that image, and with the sources, settings and tests as they are.

    \b
    Examples:
      kharness promote filewatchdock
      kharness promote filewatchdock --untested
    """
    harness = open_here() if dry_run else open_to_act()
    directory = select(harness, name)
    tags = harness.tags(directory.name)
    image = harness.engine.image(tags.latest)
    if image is None:
        raise UsageError(f"{directory.name}: there is no {tags.latest}; 'kharness build {directory.name}' makes it")
    verdict = harness.state.verdict_of_image(directory.name, image.id)
    reasons = doubts(harness, directory, verdict, image=image.id)
    passed = verdict is not None and not reasons
    if reasons and not untested:
        raise RefusedError(
            f"{directory.name}: {'; '.join(reasons)}; "
            f"'pytest {directory.path} --ready --promote' tests and promotes it, --untested does without"
        )
    if dry_run:
        loud = f", UNTESTED ({'; '.join(reasons)})" if reasons else ""
        click.echo(f"{directory.name}: {tags.live} would be {short_id(image.id)}{loud}")
        return
    if reasons:
        click.echo(f"{directory.name}: PROMOTING AN UNTESTED IMAGE; this is recorded ({'; '.join(reasons)})", err=True)
    released = promote(
        harness,
        directory.name,
        image.id,
        Evidence(
            session=verdict.session if verdict and passed else "",
            tests=verdict.tests if verdict and passed else 0,
            digest=image.labels.get("kharness.digest", ""),
            commit=commit_of(directory.path),
            untested=not passed,
        ),
    )
    click.echo(f"{directory.name}: {tags.live} is {short_id(image.id)} ({released.kind})")
