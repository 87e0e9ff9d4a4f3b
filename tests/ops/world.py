"""A host of a test's own: an engine in memory, container directories, a volume root and a state directory on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kharness.host.project.projects import Registered
from kharness.host.session.owner import Owner
from kharness.host.state.state import State
from kharness.ops.harness import Harness
from kharness.ops.release.engine_target import EngineTarget
from kharness.plan import labels
from kharness.plan.facts import EngineFacts, ImageFacts
from kharness.plan.launch.plan import Subject
from kharness.settings.catalog import ContainerDir, find_containers, service_catalog
from kharness.settings.compose.folder import compose_folder
from kharness.settings.compose.load import load_compose
from kharness.settings.host import HostSettings
from kharness.testing import FakeEngine
from kharness.testing.tree import ContainerTree

OWNER = Owner(machine="m1", boot="b1", pidns="4026531836", pid=4242, start=99)
PROJECT = "shop"
REMOTE = EngineFacts(id="far", local=False, endpoint="ssh://far")


@dataclass
class World:
    """`told` has what use cases reported, as `who: what`."""

    path: Path
    engine: FakeEngine
    told: list[str] = field(default_factory=list)
    project: str = PROJECT
    repository: str = "ktools"

    @classmethod
    def create(cls, path: Path, *, facts: EngineFacts | None = None) -> World:
        path.mkdir(parents=True, exist_ok=True)
        return cls(path, FakeEngine(root=path / "engine", facts=facts))

    @property
    def tree(self) -> ContainerTree:
        return ContainerTree(self.path / "containers")

    @property
    def volume_root(self) -> Path:
        return self.path / "dv"

    def add(self, name: str, settings: str = "{}", **more: Any) -> Path:
        """Write a container directory; with a Dockerfile unless the settings name an image."""
        if "image:" not in settings:
            more.setdefault("dockerfile", "FROM scratch\n")
        return self.tree.add(name, settings=settings, **more)

    def harness(self, *, owner: Owner = OWNER, **host: Any) -> Harness:
        """Return the harness of what is there now; `host` are HostSettings'."""
        said: dict[str, Any] = {
            "source_paths": (self.tree.path,),
            "dv": self.volume_root,
            "state_dir": self.path / "state",
            "ready_timeout": 0.2,
            "repository": self.repository,
            **host,
        }
        settings = HostSettings(**said)
        return Harness(
            engine=self.engine,
            host=settings,
            catalog=find_containers(settings.source_paths),
            state_dir=settings.state_dir,
            project=Registered(name=self.project, path=str(self.path), first=True),
            folder=self.path,
            state=State(settings.state_dir / "state.db", project=self.project, durable=False),
            owner=owner,
            report=lambda who, what: self.told.append(f"{who}: {what}"),
            targets=EngineTarget,
        )

    def compose(self, text: str, name: str = PROJECT) -> Harness:
        """Write a Compose project, and return its harness."""
        path = self.path / "stacks" / name
        path.mkdir(parents=True, exist_ok=True)
        (path / "compose.yaml").write_text(text)
        folder = compose_folder(path)
        assert folder is not None
        compose = load_compose(path, environ={}, name=name)
        return replace(
            self.harness(repository=None),
            project=Registered(name=name, path=str(path)),
            folder=path,
            state=State(self.path / "state" / "state.db", project=name, durable=False),
            compose=compose,
            catalog=service_catalog(folder, compose.services),
        )

    def directory(self, name: str) -> ContainerDir:
        return self.harness().catalog.select(name, prefix=False)

    def subject(self, name: str, image: ImageFacts, *, env: Mapping[str, str] | None = None) -> Subject:
        directory = self.directory(name)
        return Subject(
            name=name,
            settings=self.harness().settings(directory),
            image=image,
            built=directory.has_dockerfile,
            env=dict(env or {}),
            directory=directory.path,
            labels=labels.production(self.project, name, folder=str(self.path), image=image.id),
        )

    def production(self, name: str, ref: str) -> dict[str, str]:
        """Return the labels of a production container of an image that is there."""
        return labels.production(self.project, name, folder=str(self.path), image=self.tagged(ref) or "")

    def tagged(self, ref: str) -> str | None:
        """Return the id of the image that a reference names."""
        found = self.engine.store.find(ref)
        return found.id if found else None
