"""Print the docker command that would launch a container, with or without an engine."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from kharness.cli.choice import choose_one
from kharness.cli.handover import PROGRAM, is_terminal
from kharness.cli.here import host_here
from kharness.cli.output import tell
from kharness.errors import EngineUnavailableError, UsageError
from kharness.ops.harness import Harness
from kharness.ops.launch.dry_run import Engineless, unknown
from kharness.ops.launch.subject import instance_subject
from kharness.ops.launch.volumes import missing_directories
from kharness.ops.project.production import present
from kharness.ops.project.targets import Targets, one_service
from kharness.ops.release.relaunch import plan_by_hand
from kharness.ops.volumes.mounters import carry_of
from kharness.plan.launch.docker_line import HIDDEN, docker_commands, docker_line
from kharness.plan.launch.mounts import Scratch
from kharness.plan.launch.origins import laid_over, refusals
from kharness.plan.launch.plan import LaunchPlan, TestPlace, plan_test_launch, with_laid
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.release.carry import carry_over
from kharness.plan.session.debug import ANY, development_name, plan_development, plan_shell
from kharness.plan.session.modes import Mode
from kharness.settings.catalog import ContainerDir
from kharness.settings.host import load_host_settings
from kharness.settings.layers import SettingsLayer
from kharness.settings.project import project_of

if TYPE_CHECKING:
    from kharness.host.project.compose_folders import KnownProject

PRODUCTION = "production"
SHELL = ("/bin/sh",)
NO_SHELL = f"which shell the image has ({SHELL[0]} in the line)"


def print_launch(name: str, *, mode: str, above: tuple[SettingsLayer, ...]) -> None:
    """Print the command of a launch in `production` or in a mode of sessions; raises `KharnessError`.

    No engine is started. If none answers, the command is made from the settings alone, and what only an engine knows is
    reported.
    """
    if reasons := refusals(above, development=mode != PRODUCTION):
        raise UsageError("\n".join(reasons))
    try:
        chosen = choose_one(name, start=False)
    except EngineUnavailableError as error:
        planned = _without_engine(name, mode, above, error)
    else:
        refuse_laid(chosen.project, above)
        planned = _plan(chosen.view, chosen.directory, mode, above)
    click.echo(docker_line(planned.plan.spec, hide=planned.hidden))


def print_shell(
    name: str,
    error: EngineUnavailableError,
    *,
    above: tuple[SettingsLayer, ...] = (),
    volumes: bool = False,
    user: str | None = None,
) -> None:
    """Print the commands of a shell beside production without an engine; raises `KharnessError`."""
    here, directory = _here(name, above)
    subject, plan = here.production(directory, here.settings(directory, above=above), values=False)
    shell = f"{directory.name}-shell-{ANY}"
    spec = plan_shell(subject, plan, SHELL, name=shell, volumes=volumes, user=user)
    _tell_unknown(directory, error, (*unknown(subject, plan), NO_SHELL))
    print_commands(replace(spec, tty=is_terminal()))


def print_development(
    name: str, error: EngineUnavailableError, *, above: tuple[SettingsLayer, ...], shell: bool
) -> None:
    """Print the command of a development instance without an engine; raises `KharnessError`."""
    if reasons := refusals(above, development=True, with_shell=shell):
        raise UsageError("\n".join(reasons))
    here, directory = _here(name, above)
    settings = here.settings(directory, above=above)
    place = replace(_place(directory.name), name=development_name(directory.name, "SESSION"))
    subject, plan = here.instance(directory, settings, mode=Mode.PROD_READY, place=place)
    shown = {key: HIDDEN if key in subject.env else value for key, value in plan.spec.environment.items()}
    spec = plan_development(replace(plan.spec, environment=shown), shell=SHELL if shell else (), tty=is_terminal())
    _tell_unknown(directory, error, (*unknown(subject, plan), *([NO_SHELL] if shell else [])))
    print_commands(spec)


def print_commands(spec: RunSpec) -> None:
    """Print the commands that run a container in the foreground."""
    click.echo("\n".join(shlex.join((PROGRAM, *words)) for words in docker_commands(spec)))


@dataclass(frozen=True)
class _Planned:
    plan: LaunchPlan
    hidden: frozenset[str]


def _plan(harness: Harness, directory: ContainerDir, mode: str, above: tuple[SettingsLayer, ...]) -> _Planned:
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
        carry = carry_of(harness, subject, plan, present(harness, directory.name))
        for note in carry.notes:
            tell(directory.name, note)
        plan = replace(plan, spec=carry_over(plan.spec, carry.volumes))
        return _Planned(plan, frozenset(subject.env))
    subject = instance_subject(directory, settings, image, origin=harness.origin(directory.name))
    missing = missing_directories(harness, subject)
    root, place = harness.volume_root, _place(directory.name)
    plan = plan_test_launch(subject, mode=Mode(mode), place=place, volume_root=root, missing=missing)
    return _Planned(plan, frozenset(subject.env))


def _without_engine(name: str, mode: str, above: tuple[SettingsLayer, ...], error: EngineUnavailableError) -> _Planned:
    here, directory = _here(name, above)
    settings = here.settings(directory, above=above)
    if mode == PRODUCTION:
        subject, plan = here.production(directory, settings)
        plan = with_laid(plan, ", ".join(laid_over(above)))
    else:
        subject, plan = here.instance(directory, settings, mode=Mode(mode), place=_place(directory.name))
    _tell_unknown(directory, error, unknown(subject, plan))
    return _Planned(plan, frozenset(subject.env))


def _here(name: str, above: tuple[SettingsLayer, ...]) -> tuple[Engineless, ContainerDir]:
    targets = Targets(cwd=Path.cwd(), environ=os.environ)
    target = targets.find(name, prefix=sys.stdin.isatty())
    service = one_service(target, click.get_current_context().info_name or "")
    if target.project is None:
        here = Engineless.open(host_here(), folder=project_of(Path.cwd()), environ=os.environ)
    else:
        refuse_laid(target.project, above)
        host = load_host_settings(
            project=project_of(target.project.folder.path), environ=target.project.environment(os.environ)
        )
        here = Engineless.open_compose(host, targets.compose(target.project), target.project.folder)
    return here, here.catalog.select(service, prefix=False)


def refuse_laid(project: KnownProject | None, above: tuple[SettingsLayer, ...]) -> None:
    """Raise `UsageError` for flags that are settings of a container directory, where a service is meant."""
    if project is not None and (said := laid_over(above)):
        file = project.folder.file
        raise UsageError(f"{', '.join(said)}: flags are for container directories; {file} says what a service has")


def _tell_unknown(directory: ContainerDir, error: EngineUnavailableError, unknown: Iterable[str]) -> None:
    reason = str(error).partition("\n")[0]
    lines = "\n".join(f"  - {each}" for each in unknown)
    tell(directory.name, f"{reason}; this comes from the settings alone, and only an engine knows\n{lines}")


def _place(name: str) -> TestPlace:
    return TestPlace(
        name=f"test-{name}-SESSION",
        network="kharness-SESSION",
        scratch=Scratch(directory=PurePosixPath("SCRATCH"), prefix="SCRATCH"),
        labels={},
    )
