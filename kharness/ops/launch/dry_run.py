"""What use cases would do: for dry runs, in which nothing is built, pulled, tagged or released.

Where no engine answers, it is what the settings alone determine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kharness.host.project.projects import registered
from kharness.ops.drift.watch import ResponseOptions
from kharness.ops.harness import Harness, ProjectFiles
from kharness.ops.launch.secrets import named_secrets
from kharness.ops.launch.subject import instance_subject, read_env_files, unshown
from kharness.ops.launch.volumes import missing_here
from kharness.ops.project.unfinished import all_unfinished
from kharness.ops.release.recover import Recovered
from kharness.plan import labels
from kharness.plan.drift.changes import Action, ScanResult
from kharness.plan.facts import ImageFacts, short_id
from kharness.plan.launch.plan import LaunchPlan, Subject, TestPlace, plan_production_launch, plan_test_launch
from kharness.plan.launch.runspec import MountKind
from kharness.plan.release.operation import Phase
from kharness.plan.session.modes import Mode
from kharness.plan.session.untouched import shown
from kharness.settings.catalog import ContainerDir, find_containers, service_catalog
from kharness.settings.compose.folder import ComposeFolder
from kharness.settings.compose.project import ComposeProject
from kharness.settings.host import HostSettings
from kharness.settings.model import Settings
from kharness.settings.project import Project, find_project

COPIES = "SECRETS"
"""Stands for the directory of the copies of production's secrets, which each engine has its own of."""
COMPLETE = frozenset({"test", "interval", "timeout", "start_period", "retries"})
"""The keys of a health check that leave nothing to the image's."""


@dataclass(frozen=True, kw_only=True)
class Engineless(ProjectFiles):
    """What a project would launch, without an engine."""

    @classmethod
    def open(cls, host: HostSettings, *, folder: Path | None, environ: Mapping[str, str]) -> Engineless:
        """Read what the host knows. Raises `SettingsError`, `UsageError`, `StateError`."""
        project = find_project(folder=folder, said=host.project, environ=environ, source_paths=host.source_paths)
        return cls(host=host, project=registered(host.state_dir, project), catalog=find_containers(host.source_paths))

    @classmethod
    def open_compose(cls, host: HostSettings, compose: ComposeProject, folder: ComposeFolder) -> Engineless:
        """Take what was read of a Compose project. Raises `UsageError`, `StateError`."""
        project = registered(host.state_dir, Project(name=compose.name, path=folder.path.resolve()))
        catalog = service_catalog(folder, compose.services)
        return cls(host=host, project=project, catalog=catalog, compose=compose)

    def production(
        self, directory: ContainerDir, settings: Settings, *, values: bool = True
    ) -> tuple[Subject, LaunchPlan]:
        """Plan production, without `values` neither with its secrets nor with those of its `env_file`.

        The reference of what is live stands for its image. Raises `SettingsError`.
        """
        image, origin = ImageFacts(id=self.tags(directory.name).live), self.origin(directory.name)
        said = labels.production(self.project.name, directory.name, folder=self.project.path, image=image.id)
        subject = Subject(
            name=directory.name,
            settings=settings,
            image=image,
            built=settings.image is None,
            env=unshown(origin, settings) or (read_env_files(directory, settings.env_file) if values else {}),
            secrets=named_secrets(directory, settings, copies=COPIES) if values else (),
            directory=directory.path,
            labels={key: value for key, value in said.items() if key != labels.IMAGE},
            origin=origin,
        )
        return subject, plan_production_launch(subject, volume_root=self.volume_root)

    def instance(
        self, directory: ContainerDir, settings: Settings, *, mode: Mode, place: TestPlace
    ) -> tuple[Subject, LaunchPlan]:
        """Plan a test instance; the reference of what was built last stands for its image.

        Raises `SettingsError`, `UsageError`, `HostError`.
        """
        image, origin = ImageFacts(id=self.tags(directory.name).latest), self.origin(directory.name)
        subject = instance_subject(directory, settings, image, origin=origin)
        missing = missing_here(subject, volume_root=self.volume_root)
        plan = plan_test_launch(subject, mode=mode, place=place, volume_root=self.volume_root, missing=missing)
        kept = {key: value for key, value in plan.spec.labels.items() if key != labels.IMAGE}
        return subject, replace(plan, spec=replace(plan.spec, labels=kept))


def unknown(subject: Subject, plan: LaunchPlan) -> Iterator[str]:
    """Yield what only an engine could tell of such a plan."""
    yield f"whether there is an image {subject.image.id}, and its id"
    said = subject.settings.healthcheck
    if said is None or not (said.disable or said.model_fields_set >= COMPLETE):
        yield "the image's health check, which fills in what the settings leave out"
    if any(mount.kind is MountKind.VOLUME and mount.source is None for mount in plan.spec.mounts):
        yield "the anonymous volumes of the container that is replaced, which go over to the new one"
    else:
        yield "anonymous volumes that the image asks for"
    if any(copy.path.startswith(f"{COPIES}/") for copy in plan.secrets):
        yield f"where the engine's copies of the secrets are ({COPIES} in the line)"


def would_recover(harness: Harness) -> tuple[str, ...]:
    """Say what `recover` would do about each operation that is not over, and what is left to a person.

    Raises `StateError`.
    """
    operations = (
        f"{entry.operation.name}: {Recovered.what(entry.operation)} would be "
        f"{'completed' if entry.phase is Phase.KEEP else 'undone'}, unless another process does it now"
        for entry in harness.state.operations()
    )
    return (*operations, *(f"{name}: {work}" for name, work in all_unfinished(harness).items()))


def would_respond(harness: Harness, found: Sequence[ScanResult], asked: ResponseOptions) -> Iterator[Action]:
    """Say what `respond` would do about each container that has something left."""
    for each in found:
        if not each.verdict.left:
            continue
        if asked.snapshot:
            yield Action(name=each.name, text="the evidence would be saved")
        if asked.remove:
            for entry in each.verdict.left:
                stays = "" if entry.kind == "added" else f" stays: it was {entry.kind}, which cannot be undone here"
                yield Action(name=each.name, text=f"{shown(entry.path)}{stays or ' would be removed'}", good=not stays)
        if asked.restart:
            live = harness.engine.image(harness.tags(each.name).live)
            text = f"would run {short_id(live.id)} in a new container" if live else "nothing is live to launch"
            yield Action(name=each.name, text=text, good=live is not None)
