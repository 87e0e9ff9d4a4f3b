"""A host of a test's own around the real engine: what is made there begins with the test's prefix, and is removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kharness.engine.api import BuildRequest, Engine
from kharness.host.project.projects import Registered
from kharness.host.state.state import State
from kharness.host.volumes.directories import remove_tree
from kharness.ops.harness import Harness
from kharness.ops.launch.subject import production_subject
from kharness.ops.release.engine_target import EngineTarget
from kharness.ops.release.release import launch
from kharness.ops.release.work import Tests
from kharness.plan import labels
from kharness.plan.facts import ImageFacts
from kharness.plan.release.operation import Provenance, Released
from kharness.settings.catalog import ContainerDir, find_containers
from kharness.settings.host import HostSettings
from kharness.testing.tree import ContainerTree
from tests.rootfs import context

PROJECT = "site"


@dataclass
class Site:
    """`place` is this test's share of the address space."""

    path: Path
    engine: Engine
    busybox: str
    prefix: str
    place: int
    project: str = PROJECT
    built: list[str] = field(default_factory=list)
    """The ids of images, which lose their tags to each other."""

    def name(self, short: str) -> str:
        return f"{self.prefix}-{short}"

    def add(self, short: str, settings: str, **more: Any) -> ContainerDir:
        ContainerTree(self.path / "containers").add(self.name(short), settings=settings, **more)
        return self.harness().catalog.select(self.name(short), prefix=False)

    def harness(self, **host: Any) -> Harness:
        said: Mapping[str, Any] = {
            "source_paths": (self.path / "containers",),
            "dv": self.path / "dv",
            "state_dir": self.path / "state",
            "repository": self.prefix,
            "test_subnets": f"10.219.{self.place}.0/24",
            "ready_timeout": 60.0,
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
            state=State(settings.state_dir / "state.db", project=self.project),
            targets=EngineTarget,
        )

    def image(self, tag: str, dockerfile: str) -> ImageFacts:
        request = BuildRequest(tag=f"{self.prefix}/images:{tag}")
        found = self.engine.build([context(f"FROM {self.busybox}\n{dockerfile}\n")], request)
        self.built.append(found.id)
        return found

    def production(self, name: str, image: str) -> dict[str, str]:
        """Return the labels of a production container of an image, by its id."""
        return labels.production(self.project, name, folder=str(self.path), image=image)

    def launch(
        self, directory: ContainerDir, image: ImageFacts, *, verify: Tests = lambda: (), **host: Any
    ) -> Released:
        harness = self.harness(**host)
        subject = production_subject(harness, directory, harness.settings(directory), image)
        evidence = Provenance(session="s1", tests=1)
        return launch(harness, subject, evidence, in_prod_tests=1, verify=verify)

    def remove(self) -> None:
        """Remove everything whose name says that it is this test's."""
        for container in self.engine.containers():
            if self.prefix in container.name:
                self.engine.remove(container.id, force=True)
        for network in self.engine.networks():
            if self.prefix in network.name:
                self.engine.remove_network(network.id)
        for volume in self.engine.volumes():
            if self.prefix in volume.name:
                self.engine.remove_volume(volume.name)
        self._remove_images()
        remove_tree(self.path)

    def _remove_images(self) -> None:
        for image in self.engine.images():
            for tag in image.tags:
                if tag.startswith(f"{self.prefix}/"):
                    self.engine.untag(tag)
        for built in reversed(self.built):
            self.engine.remove_image(built, force=True)
