"""What the claims about engines are tried on."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from dataclasses import dataclass, field
from textwrap import dedent

from kharness.engine.api import BuildRequest, Engine, NetworkRequest, Progress
from kharness.plan.facts import ContainerFacts
from kharness.plan.launch.runspec import RunSpec
from tests.rootfs import context


@dataclass
class Bench:
    """An engine with an image, and names that nobody else has."""

    engine: Engine
    image: str
    prefix: str
    undo: ExitStack
    place: int = field(default_factory=lambda: secrets.randbelow(256))

    def spec(self, name: str = "a", command: tuple[str, ...] = ("sleep", "60")) -> RunSpec:
        return RunSpec(name=f"{self.prefix}-{name}", image=self.image, command=command)

    def create(self, spec: RunSpec) -> str:
        container = self.engine.create(spec)
        self.undo.callback(self.engine.remove, container, force=True)
        return container

    def run(self, spec: RunSpec) -> str:
        container = self.create(spec)
        self.engine.start(container)
        return container

    def subnet(self, number: int = 0) -> str:
        return f"10.{214 + number}.{self.place}.0/28"

    def address(self, host: int, number: int = 0) -> str:
        return f"10.{214 + number}.{self.place}.{host}"

    def network(self, name: str = "net", number: int = 0) -> str:
        request = NetworkRequest(name=f"{self.prefix}-{name}", subnet=self.subnet(number), internal=True)
        made = self.engine.create_network(request)
        self.undo.callback(self.engine.remove_network, made.id)
        return made.name

    def tagged(self, name: str, *, image: str | None = None) -> str:
        ref = f"kharness-test/{self.prefix}:{name}"
        self.engine.tag(image or self.image, ref)
        self.undo.callback(self.engine.remove_image, ref, force=True)
        return ref

    def build(
        self,
        dockerfile: str,
        name: str = "built",
        progress: Progress | None = None,
        files: dict[str, bytes] | None = None,
        *,
        platform: str | None = None,
    ) -> str:
        ref = f"kharness-test/{self.prefix}:{name}"
        self.undo.callback(self.engine.remove_image, ref, force=True)
        request = BuildRequest(tag=ref, labels={"by": "request"}, platform=platform)
        built = self.engine.build([context(dedent(dockerfile), files)], request, progress=progress)
        assert ref in built.tags
        return ref

    def facts(self, container: str) -> ContainerFacts:
        facts = self.engine.container(container)
        assert facts is not None
        return facts
