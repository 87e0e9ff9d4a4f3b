"""`kharness run`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import click

from kharness.cli.develop import develop
from kharness.cli.foreground import stay
from kharness.cli.laying import SettingsCommand, complete_keys, sources_of
from kharness.cli.names import complete_names
from kharness.cli.opening import host_here, open_here, open_to_act, select, select_in, tell
from kharness.cli.shells import open_shell
from kharness.errors import UsageError
from kharness.ops.harness import Harness
from kharness.ops.relaunch import plan_by_hand, relaunch
from kharness.ops.subject import instance_subject
from kharness.plan.byhand import laid_over, refusals
from kharness.plan.dockerline import docker_line
from kharness.plan.explain import explain
from kharness.plan.facts import short_id
from kharness.plan.launch import LaunchPlan, TestPlace, plan_test_launch
from kharness.plan.modes import Mode
from kharness.plan.mounts import Scratch
from kharness.settings.catalog import ContainerDir, find_containers
from kharness.settings.laid import Source
from kharness.settings.load import load_laid

PRODUCTION = "production"


@click.command(cls=SettingsCommand)
@click.argument("name", shell_complete=complete_names)
@click.option("--dry-run", is_flag=True, help="Print the docker command and launch nothing.")
@click.option(
    "--mode",
    type=click.Choice([PRODUCTION, Mode.STANDALONE.value, Mode.PROD_READY.value]),
    default=PRODUCTION,
    metavar="MODE",
    help="With --dry-run: production, standalone or prod-ready.",
)
@click.option("--foreground", "-f", is_flag=True, help="Show its output until it ends; ctrl-c stops it.")
@click.option("--development", "-D", is_flag=True, help="The newest build, alone, as a test instance is, until ctrl-c.")
@click.option("--shell", "-S", is_flag=True, help="A shell in place of its program, beside production.")
@click.option(
    "--explain", "key", metavar="KEY", shell_complete=complete_keys, help="Say where a setting's value comes from."
)
@click.pass_context
def command(context: click.Context, /, name: str, **said: Any) -> None:
    """Launch the production instance of container NAME from :live.

    What runs now is replaced, and comes back if the new one does not become ready. Every setting has a flag, for this
    launch alone.

    \b
    Examples:
      kharness run filewatchdock --mem-limit 1g --dry-run
      kharness run -D filewatchdock --environment LOG=debug
    """
    asked = _Asked(**said)
    if reason := asked.refusal(name):
        raise UsageError(reason)
    above = sources_of(context, in_test=asked.in_test)
    if asked.key is not None:
        _explain(name, above, asked.key)
        return
    harness = open_to_act() if asked.changes_production else open_here()
    directory = select(harness, name)
    if asked.development:
        sys.exit(develop(harness, directory, above, shell=asked.shell, dry_run=asked.dry_run))
    elif asked.shell:
        _refuse(above, development=False, with_shell=True)
        settings = harness.settings(directory, above=above)
        open_shell(harness, directory, settings, volumes=False, user=None, dry_run=asked.dry_run)
    elif asked.dry_run:
        planned = _plan(harness, directory, asked.mode, above)
        click.echo(docker_line(planned.plan.spec, hide=planned.hidden))
    else:
        found = relaunch(harness, directory, above=above)
        click.echo(f"{found.name}: runs {short_id(found.image_id)}")
        if asked.foreground:
            sys.exit(stay(harness, directory.name, found))


@dataclass(frozen=True, kw_only=True)
class _Asked:
    dry_run: bool
    mode: str
    foreground: bool
    development: bool
    shell: bool
    key: str | None

    @property
    def in_test(self) -> bool:
        return self.development or self.mode != PRODUCTION

    @property
    def changes_production(self) -> bool:
        return not (self.dry_run or self.development or self.shell)

    def refusal(self, name: str) -> str:
        if self.mode != PRODUCTION and (self.development or self.shell):
            return "--mode: is not for -D and -S, which have modes of their own"
        if self.mode != PRODUCTION and not self.dry_run and self.key is None:
            return f"test instances belong to sessions: 'pytest containers/{name} --ready' launches one"
        return ""


@dataclass(frozen=True)
class _Planned:
    plan: LaunchPlan
    hidden: frozenset[str]


def _explain(name: str, above: tuple[Source, ...], key: str) -> None:
    host = host_here()
    directory = select_in(find_containers(host.source_paths), name)
    loaded = load_laid(directory.path, below=host.defaults, above=above)
    for line in explain(key, loaded.sources, name=directory.name, built=loaded.settings.image is None):
        click.echo(line)


def _refuse(above: tuple[Source, ...], *, development: bool, with_shell: bool = False) -> None:
    if reasons := refusals(above, development=development, with_shell=with_shell):
        raise UsageError("\n".join(reasons))


def _plan(harness: Harness, directory: ContainerDir, mode: str, above: tuple[Source, ...]) -> _Planned:
    _refuse(above, development=mode != PRODUCTION)
    settings = harness.settings(directory, above=above)
    tags = harness.tags(directory.name)
    ref = tags.live if mode == PRODUCTION else tags.latest
    image = harness.engine.image(ref) or harness.engine.image(tags.latest)
    if image is None:
        raise UsageError(f"{directory.name}: there is no {ref} yet; 'kharness build {directory.name}' makes an image")
    if mode == PRODUCTION:
        if ref not in image.tags:
            tell(directory.name, "nothing is live yet: this is how :latest would be launched")
        subject, plan = plan_by_hand(harness, directory, settings, image, said=", ".join(laid_over(above)))
        return _Planned(plan, frozenset(subject.env))
    subject = instance_subject(directory, settings, image)
    place = TestPlace(
        name=f"test-{directory.name}-SESSION",
        network="kharness-SESSION",
        scratch=Scratch(directory=PurePosixPath("SCRATCH"), prefix="SCRATCH"),
        labels={},
    )
    plan = plan_test_launch(subject, mode=Mode(mode), place=place, volume_root=harness.volume_root)
    return _Planned(plan, frozenset(subject.env))
